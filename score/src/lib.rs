//! Labelled series, scores and baselines, to compare the detectors with.
