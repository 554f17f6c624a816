//! Labelled series, scores and baselines, to compare the detectors with.
//!
//! Two questions, one program each: `score-nab` asks how early and how falsely labelled anomalies of the Numenta Anomaly Benchmark are found,
//! `score-spend` how many injected troubles of real spend are found at one alert per series and week. Every method sees a series point by point.

pub mod example;
pub mod figures;
pub mod files;
mod median;
pub mod nab;
pub mod pictures;
pub mod plot;
pub mod random;
pub mod rivals;
pub mod spend;
