//! A scope's state goes through a snapshot: the hours after it are judged bit for bit as if nothing had happened.
#![allow(clippy::expect_used, reason = "the lint does not see that helpers of tests are tests")]

mod rhythm_traces;
mod scope_watch;

use detection::action::GateInputs;
use detection::forecast::Period;
use detection::rhythm::{Hour, HourIsClosed, HourSpend, State};
use rhythm_traces::trouble::{Dice, job_at_any_hour};
use rhythm_traces::{case, nyc_taxi};
use scope_watch::{ScopeReport, ScopeWatch, WatchSettings};

/// Bytes of one scope in a snapshot (postcard), at most.
const MOST_BYTES: usize = 5_000;

fn close(watch: &mut ScopeWatch, series: &[f64], hour: usize) -> ScopeReport {
    let start = hour / 168 * 168;
    let spent = series[start..=hour].iter().sum();
    let period = Period::new(Hour(start as i64), Hour(start as i64 + 168), spent, 1000.0).expect("a period");
    let gate = GateInputs { revenue: Some(900.0), cost: spent, calls: 100, calls_within_objective: Some(97), age_h: 0 };
    watch.close_hour(Hour(hour as i64), HourSpend::new(series[hour]), Some(&period), &gate, &WatchSettings::default()).expect("in order")
}

#[test]
fn a_restored_scope_goes_on_bit_for_bit() {
    let taxi = nyc_taxi();
    for series in [&taxi[..1500], &case("daily + 1 spike (200x night) day 20"), &job_at_any_hour(&[1, 4], 9, 1)] {
        let mut dice = Dice(5);
        let mut whole = ScopeWatch::default();
        let mut restored = ScopeWatch::default();
        for hour in 0..series.len() {
            if dice.below(50) == 0 {
                let bytes = postcard::to_allocvec(&restored).expect("bytes");
                assert!(bytes.len() <= MOST_BYTES, "{} bytes", bytes.len());
                restored = postcard::from_bytes(&bytes).expect("a watch");
            }
            // Shortest text of a float is exact, so equal texts are equal bits.
            let text = |report: &ScopeReport| serde_json::to_string(report).expect("json");
            let (expected, found) = (close(&mut whole, series, hour), close(&mut restored, series, hour));
            assert_eq!(text(&found), text(&expected), "hour {hour}");
        }
        assert_eq!(postcard::to_allocvec(&restored), postcard::to_allocvec(&whole));
    }
}

#[test]
fn hours_left_out_are_hours_without_spend() {
    let settings = WatchSettings::default();
    let none = GateInputs::default();
    let mut told = ScopeWatch::default();
    let mut silent = ScopeWatch::default();
    for hour in 0..900 {
        let spend = HourSpend::new(if hour % 7 == 0 { 3.0 } else { 0.0 });
        let report = told.close_hour(Hour(hour), spend, None, &none, &settings).expect("in order");
        if spend > HourSpend::ZERO {
            let short = silent.close_hour(Hour(hour), spend, None, &none, &settings).expect("in order");
            assert_eq!(short.judgement.coherence, report.judgement.coherence, "hour {hour}");
            assert_eq!(short.judgement.phase, report.judgement.phase, "hour {hour}");
        }
    }
}

#[test]
fn an_hour_is_closed_once_and_a_refusal_changes_nothing() {
    let settings = WatchSettings::default();
    let mut watch = ScopeWatch::default();
    for hour in 10..200 {
        watch.close_hour(Hour(hour), HourSpend::new(1.0), None, &GateInputs::default(), &settings).expect("in order");
    }
    let before = watch.clone();
    let refused = watch.close_hour(Hour(199), HourSpend::new(5.0), None, &GateInputs::default(), &settings);
    assert_eq!(refused, Err(HourIsClosed { given: Hour(199), closed: Hour(199) }));
    assert_eq!(watch, before);
}

#[test]
fn a_scope_that_was_away_for_years_is_idle_and_learns_again() {
    let settings = WatchSettings::default();
    let none = GateInputs::default();
    let mut watch = ScopeWatch::default();
    for hour in 0..400 {
        watch.close_hour(Hour(hour), HourSpend::new(1.0), None, &none, &settings).expect("in order");
    }
    let away = watch.close_hour(Hour(30_000), HourSpend::ZERO, None, &none, &settings).expect("in order");
    assert_eq!(away.judgement.state, State::Idle);
    let mut state = away.judgement.state;
    for hour in 30_001..30_700 {
        state = watch.close_hour(Hour(hour), HourSpend::new(1.0), None, &none, &settings).expect("in order").judgement.state;
    }
    assert_eq!(state, State::Resonant);
}
