//! From hourly spend to the recommended action: the public examples on whole series, and the budget's pace as part of the phase.
#![allow(clippy::expect_used, reason = "the lint does not see that helpers of tests are tests")]

mod rhythm_traces;
mod scope_watch;

use detection::action::{Action, GateInputs};
use detection::forecast::Period;
use detection::rhythm::{Hour, HourSpend, State};
use rhythm_traces::case;
use scope_watch::{ScopeReport, ScopeWatch, WatchSettings};

/// Four weeks of a month of 31 days.
const MONTH_H: i64 = 744;
/// 90 % within the objective: no points of 40, so that with 28 of 28 days and breaking even the score is 45.
const LOW_GATE: GateInputs = GateInputs { revenue: Some(1000.0), cost: 1000.0, calls: 1000, calls_within_objective: Some(900), age_h: 0 };
const GOOD_GATE: GateInputs = GateInputs { calls_within_objective: Some(990), ..LOW_GATE };

/// The last hour of a case, with the budget such that the forecast is `percent` of it.
fn last_hour(name: &str, percent: f64, gate: &GateInputs) -> ScopeReport {
    let series = case(name);
    let settings = WatchSettings::default();
    let last = series.len() - 1;
    let month = |hour: usize, budget: f64| Period::new(Hour(0), Hour(MONTH_H), series[..=hour].iter().sum(), budget).expect("a period");
    let mut watch = ScopeWatch::default();
    // On its pace so far.
    let usual = series.iter().sum::<f64>() * MONTH_H as f64 / series.len() as f64;
    for (hour, amount) in series.iter().enumerate().take(last) {
        watch.close_hour(Hour(hour as i64), HourSpend::new(*amount), Some(&month(hour, usual)), gate, &settings).expect("in order");
    }
    let close = |watch: &mut ScopeWatch, budget: f64| {
        watch.close_hour(Hour(last as i64), HourSpend::new(series[last]), Some(&month(last, budget)), gate, &settings).expect("in order")
    };
    let forecast = close(&mut watch.clone(), usual).forecast.expect("a budget");
    close(&mut watch, forecast.expected * 100.0 / percent)
}

#[test]
fn at_110_percent_and_dissonant_the_advice_is_to_scale_down() {
    let report = last_hour("daily + 1 spike 2 days ago", 110.0, &GOOD_GATE);
    assert_eq!(report.judgement.state, State::Dissonant);
    let advice = report.recommendation.expect("a budget");
    assert_eq!(advice.action, Action::ScaleDown);
    assert!(advice.confidence.probability() > 0.5, "{advice:?}");
}

#[test]
fn at_120_percent_and_chaotic_it_is_to_stop() {
    let report = last_hour("lognormal chaos s=1.5", 120.0, &GOOD_GATE);
    assert_eq!(report.judgement.state, State::Chaotic);
    let advice = report.recommendation.expect("a budget");
    assert_eq!(advice.action, Action::EmergencyStop);
    assert!((advice.confidence.probability() - 0.5).abs() < 1e-6, "exactly on the boundary it is even odds: {advice:?}");
}

#[test]
fn at_110_percent_a_low_gate_score_makes_it_a_rollback() {
    let report = last_hour("clean daily cycle", 110.0, &LOW_GATE);
    assert_eq!(report.judgement.state, State::Resonant);
    let advice = report.recommendation.expect("a budget");
    assert!(advice.gate.score.is_some_and(|score| (score - 45.0).abs() < 0.1), "{:?}", advice.gate);
    assert_eq!(advice.action, Action::Rollback);
}

#[test]
fn a_steady_scope_within_its_budget_needs_nothing_and_that_is_sure() {
    let advice = last_hour("clean daily cycle", 80.0, &LOW_GATE).recommendation.expect("a budget");
    assert_eq!(advice.action, Action::None);
    assert!(advice.confidence.probability() > 0.99, "{advice:?}");
}

#[test]
fn the_pace_is_part_of_the_phase() {
    for (percent, pace) in [(50.0, 0.5), (80.0, 0.8), (100.0, 1.0), (125.0, 0.8), (200.0, 0.5)] {
        let phase = last_hour("clean daily cycle", percent, &GOOD_GATE).judgement.phase;
        assert!(phase.pace.is_some_and(|found| (found - pace).abs() < 1e-9), "{percent}: {phase:?}");
        assert!(phase.smallest().is_some_and(|smallest| smallest <= pace + 1e-9), "{percent}: {phase:?}");
    }
}
