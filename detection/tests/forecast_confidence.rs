//! The confidence of an action means what it says: of the conditions that were said to hold with a probability, about that share came true. Budgets as people
//! set them, from what the period before came to (`docs/RHYTHM.md` has the tables).

mod rhythm_traces;

use rhythm_traces::outcomes::{Outcome, days, outcomes, taxi_months, weeks};
use rhythm_traces::{nyc_taxi, servegen_clients, servegen_models};

const BUDGETS: [f64; 7] = [0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5];
const BINS: usize = 10;

/// Probability said, and whether the budget was reached.
fn said(outcomes: &[Outcome]) -> Vec<(f64, bool)> {
    outcomes
        .iter()
        .filter(|outcome| outcome.before > 0.0)
        .flat_map(|outcome| BUDGETS.map(|factor| (outcome, factor * outcome.before)))
        .map(|(outcome, budget)| (outcome.forecast.probability_of(budget), outcome.total >= budget))
        .collect()
}

fn share(part: &[&(f64, bool)]) -> f64 {
    part.iter().filter(|(_, came)| *came).count() as f64 / part.len() as f64
}

fn everything() -> Vec<(f64, bool)> {
    let taxi = nyc_taxi();
    let mut all = Vec::new();
    for periods in [days(taxi.len()), weeks(taxi.len()), taxi_months()] {
        all.extend(said(&outcomes(&taxi, &periods, 336, 1.0)));
    }
    let long = |spend: &Vec<f64>| spend.iter().filter(|amount| **amount > 0.0).count() >= 200;
    for spend in servegen_models().into_values().chain(servegen_clients().into_values().filter(long)) {
        for periods in [days(spend.len()), weeks(spend.len())] {
            all.extend(said(&outcomes(&spend, &periods, 72, 1.0)));
        }
    }
    all
}

#[test]
fn what_is_said_with_a_probability_comes_true_that_often() {
    let all = everything();
    let mut off = 0.0;
    for bin in 0..BINS {
        let part: Vec<&(f64, bool)> = all.iter().filter(|(said, _)| ((said * BINS as f64) as usize).min(BINS - 1) == bin).collect();
        let mean = part.iter().map(|(said, _)| said).sum::<f64>() / part.len() as f64;
        let came = share(&part);
        assert!((mean - came).abs() < 0.08, "said {mean:.2}, came true {came:.2} of {}", part.len());
        off += (mean - came).abs() * part.len() as f64 / all.len() as f64;
    }
    assert!(off < 0.03, "{off}");
}

#[test]
fn it_says_much_more_than_the_mean_does() {
    let all = everything();
    let truth = |came: bool| if came { 1.0 } else { 0.0 };
    let base = share(&all.iter().collect::<Vec<_>>());
    let brier = all.iter().map(|(said, came)| (said - truth(*came)).powi(2)).sum::<f64>() / all.len() as f64;
    assert!(brier < 0.4 * base * (1.0 - base), "{brier} {base}");
}
