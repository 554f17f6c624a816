//! Replays the Numenta Anomaly Benchmark point by point and prints the three profiles' scores beside the published ones; alone on the last line, ours.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::path::PathBuf;

use anyhow::ensure;
use detection::spike::{Measure, SpikeDetector};
use score::figures::Figures;
use score::nab::published::{HALF, PUBLISHED, WHOLE};
use score::nab::{Corpus, Labelled, PROFILES, Profile, best, of_halves, of_left_out_groups};
use score::random::Random;
use score::rivals::five_view::FiveView;

/// Random halves for the cross-validation, and their seed.
const SPLITS: usize = 100;
const SEED: u64 = 1;
/// Points of an episode of the prototype.
const PROTOTYPE_HOLD: u64 = 60;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map_or_else(|| PathBuf::from("data/nab"), PathBuf::from);
    let figures_file = arguments.next();
    let corpus = Corpus::read(&folder)?;
    let series: Vec<&Labelled> = corpus.series.iter().collect();
    let windows: usize = series.iter().map(|series| series.windows.len()).sum();
    let points: usize = series.iter().map(|series| series.values.len()).sum();
    println!("{}: {} series, {points} points, {windows} windows", folder.display(), series.len());
    for name in &corpus.missing {
        println!("listed in combined_windows.json, but not there: {name}");
    }

    let ours = replay(&series, |series| {
        let mut detector = SpikeDetector::new(series.step_s(), Measure::Metric);
        move |at, value| detector.observe(at, value).rank
    });
    let prototype = replay(&series, |series| {
        let mut detector = FiveView::new(f64::from(series.step_s()), PROTOTYPE_HOLD, false);
        move |at, value| detector.step(at as f64, value).alert
    });

    println!("\n| {:<42} | {} |", "", PROFILES.map(|profile| format!("{:>13}", profile.name)).join(" | "));
    let scores = scores_by(|profile| best(&series, &slices(&ours), profile).score);
    let of_prototype = scores_by(|profile| best(&series, &slices(&prototype), profile).score);
    row("ours, one setting, told nothing", scores);
    row("five-view prototype", of_prototype);
    for published in PUBLISHED {
        match series.len() {
            HALF => row(published.name, published.half),
            WHOLE => row(published.name, published.whole),
            _ => row(&format!("{} (whole corpus)", published.name), published.whole),
        }
    }

    println!("\nours with thresholds chosen on other series:");
    row("each group, threshold of the other groups", scores_by(|profile| of_left_out_groups(&series, &slices(&ours), profile)));
    row("random halves, mean of 100", scores_by(|profile| halves(&series, &ours, profile)));
    row("prototype, the same halves", scores_by(|profile| halves(&series, &prototype, profile)));

    println!("\nours by group, threshold of the whole corpus would be the same for all; here each group's own best:");
    let mut groups: Vec<&str> = series.iter().map(|series| series.group()).collect();
    groups.dedup();
    for group in groups {
        let places = || (0..series.len()).filter(|place| series[*place].group() == group);
        let members: Vec<&Labelled> = places().map(|place| series[place]).collect();
        if members.iter().any(|series| !series.windows.is_empty()) {
            let of_members = |scores: &[Vec<f64>], profile| {
                let of_members: Vec<&[f64]> = places().map(|place| scores[place].as_slice()).collect();
                best(&members, &of_members, profile).score
            };
            row(group, scores_by(|profile| of_members(&ours, profile)));
            row("  prototype", scores_by(|profile| of_members(&prototype, profile)));
        }
    }

    if let Some(file) = figures_file {
        ensure!(series.len() == HALF || series.len() == WHOLE, "nobody has published scores of {} series", series.len());
        let mut figures = Figures::new(PROFILES.map(|profile| profile.name.to_owned()));
        figures.push("ours", scores);
        figures.push("five-view prototype", of_prototype);
        for published in PUBLISHED {
            figures.push(published.name, if series.len() == HALF { published.half } else { published.whole });
        }
        figures.write(file.as_ref())?;
    }
    println!("\n{:.2} {:.2} {:.2}", scores[0], scores[1], scores[2]);
    Ok(())
}

/// Every series from its first point to its last, each with a fresh detector.
fn replay<D: FnMut(i64, f64) -> f64>(series: &[&Labelled], fresh: impl Fn(&Labelled) -> D) -> Vec<Vec<f64>> {
    let points = |series: &&Labelled| {
        let mut detector = fresh(series);
        series.at_s.iter().zip(&series.values).map(|(at, value)| detector(*at, *value)).collect()
    };
    series.iter().map(points).collect()
}

fn slices(scores: &[Vec<f64>]) -> Vec<&[f64]> {
    scores.iter().map(Vec::as_slice).collect()
}

fn scores_by(score: impl Fn(Profile) -> f64) -> [f64; 3] {
    PROFILES.map(score)
}

fn halves(series: &[&Labelled], scores: &[Vec<f64>], profile: Profile) -> f64 {
    let mut random = Random::new(SEED);
    let mut split = || series.iter().map(|_| random.unit() < 0.5).collect::<Vec<bool>>();
    (0..SPLITS).map(|_| of_halves(series, &slices(scores), profile, &split())).sum::<f64>() / SPLITS as f64
}

fn row(name: &str, scores: [f64; 3]) {
    println!("| {name:<42} | {} |", scores.map(|score| format!("{score:>13.2}")).join(" | "));
}
