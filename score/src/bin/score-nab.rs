//! Replays the Numenta Anomaly Benchmark point by point and prints the three profiles' scores; alone on the last line, ours.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::path::PathBuf;

use detection::spike::{Measure, SpikeDetector};
use score::nab::{Corpus, Labelled, PROFILES, best};

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("data/nab"), PathBuf::from);
    let corpus = Corpus::read(&folder)?;
    let series: Vec<&Labelled> = corpus.series.iter().collect();
    let scores: Vec<Vec<f64>> = series
        .iter()
        .map(|series| {
            let mut detector = SpikeDetector::new(series.step_s(), Measure::Metric);
            series.at_s.iter().zip(&series.values).map(|(at, value)| detector.observe(*at, *value).rank).collect()
        })
        .collect();
    let scores: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
    let best = PROFILES.map(|profile| best(&series, &scores, profile).score);
    println!("{:.2} {:.2} {:.2}", best[0], best[1], best[2]);
    Ok(())
}
