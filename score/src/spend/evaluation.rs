//! One threshold for all series, then what is found.

use super::trouble::{KINDS, Trouble};
use super::{Method, Spending};
use crate::median::median;

/// Alerts per series and week that a method may give on the untouched series.
pub const BUDGET_PER_WEEK: f64 = 1.0;
/// First hour of which alerts are counted.
const COUNTED_FROM: usize = 48;
/// An alert's episode ends after so many hours below the threshold.
const HOLD: usize = 12;
const WEEK: f64 = 168.0;
/// Thresholds that are tried, from the highest scores down.
const TRIED: usize = 2_000;

/// What a method found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Share of the troubles found, by kind in the order of [`KINDS`].
    pub by_kind: [f64; 5],
    /// Share of all troubles found.
    pub total: f64,
    /// Median hours from start to alert of those found, by kind.
    pub delay_hours: [f64; 5],
    /// The threshold used.
    pub threshold: f64,
}

/// Runs the method that `fresh` makes over everything.
pub fn evaluate<M: Method>(series: &[Spending], troubles: &[Trouble], fresh: impl Fn() -> M) -> Outcome {
    let clean: Vec<Vec<f64>> = series.iter().map(|spending| scores(&spending.hourly, &fresh)).collect();
    let threshold = threshold(&clean);
    let quiet: Vec<Vec<usize>> = clean.iter().map(|scores| alerts(scores, threshold)).collect();
    let mut delays: [Vec<usize>; 5] = Default::default();
    let mut counts = [0_usize; 5];
    for trouble in troubles {
        let place = KINDS.iter().position(|kind| *kind == trouble.kind).unwrap_or_default();
        counts[place] += 1;
        let scores = scores(&trouble.hourly, &fresh);
        let of_trouble = |hour: &usize| (trouble.from..trouble.to).contains(hour) && !quiet[trouble.series].contains(hour);
        if let Some(hour) = alerts(&scores, threshold).into_iter().find(of_trouble) {
            delays[place].push(hour - trouble.from);
        }
    }
    let found = delays.each_ref().map(Vec::len);
    Outcome {
        by_kind: std::array::from_fn(|kind| found[kind] as f64 / counts[kind].max(1) as f64),
        total: found.iter().sum::<usize>() as f64 / troubles.len().max(1) as f64,
        delay_hours: delays.map(|mut hours| median(&mut hours, Ord::cmp).map_or(f64::NAN, |hours| hours as f64)),
        threshold,
    }
}

fn scores<M: Method>(hourly: &[f64], fresh: &impl Fn() -> M) -> Vec<f64> {
    let mut method = fresh();
    hourly.iter().enumerate().map(|(hour, usd)| method.step(hour, *usd)).collect()
}

/// The lowest threshold from which on upwards no more alerts are given than allowed.
fn threshold(clean: &[Vec<f64>]) -> f64 {
    let hours: usize = clean.iter().map(|scores| scores.len() - COUNTED_FROM).sum();
    let allowed = hours as f64 / WEEK * BUDGET_PER_WEEK;
    let mut candidates: Vec<f64> = clean.iter().flat_map(|scores| &scores[COUNTED_FROM..]).copied().collect();
    candidates.sort_by(|left, right| right.total_cmp(left));
    candidates.dedup();
    let given = |threshold: f64| {
        let count = |scores: &Vec<f64>| alerts(scores, threshold).iter().filter(|hour| **hour >= COUNTED_FROM).count();
        clean.iter().map(count).sum::<usize>() as f64
    };
    let over = candidates.iter().take(TRIED).position(|threshold| given(*threshold) > allowed);
    match over {
        Some(0) => f64::INFINITY,
        Some(place) => candidates[place - 1],
        None => candidates.get(candidates.len().min(TRIED).saturating_sub(1)).copied().unwrap_or(f64::INFINITY),
    }
}

/// Hours at which an episode starts.
fn alerts(scores: &[f64], threshold: f64) -> Vec<usize> {
    let mut last: Option<usize> = None;
    let mut alerts = Vec::new();
    for (hour, _) in scores.iter().enumerate().filter(|(_, score)| **score >= threshold) {
        if last.is_none_or(|last| hour - last > HOLD) {
            alerts.push(hour);
        }
        last = Some(hour);
    }
    alerts
}
