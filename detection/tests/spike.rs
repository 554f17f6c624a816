//! What the monitor relies on.

#![allow(clippy::unwrap_used)] // helpers of tests

use detection::spike::{Measure, MoneyGate, SpikeDetector, Standing, Verdict};
use proptest::prelude::*;

const HOUR_S: i64 = 3_600;

/// Office hours with noise, from integers only.
fn office(hour: i64) -> f64 {
    let noise = (hour * 7_919 % 101) as f64 / 101.0;
    let busy = if (8..20).contains(&hour.rem_euclid(24)) { 10.0 } else { 2.0 };
    busy * (0.85 + 0.3 * noise)
}

fn after(hours: i64) -> SpikeDetector {
    let mut detector = SpikeDetector::new(HOUR_S as u32, Measure::Spend);
    (0..hours).for_each(|hour| {
        detector.observe(hour * HOUR_S, office(hour));
    });
    detector
}

fn verdicts(detector: &mut SpikeDetector, from: i64, values: &[f64]) -> Vec<Verdict> {
    (from..).zip(values).map(|(hour, value)| detector.observe(hour * HOUR_S, *value)).collect()
}

#[test]
fn the_first_day_is_said_to_be_learning() {
    let mut detector = SpikeDetector::new(HOUR_S as u32, Measure::Spend);
    let standings: Vec<Standing> = (0..25).map(|hour| detector.observe(hour * HOUR_S, office(hour)).standing).collect();
    assert!(standings[..24].iter().all(|standing| *standing == Standing::Learning), "{standings:?}");
    assert_ne!(standings[24], Standing::Learning);
}

#[test]
fn usual_hours_are_quiet_for_three_weeks() {
    let mut detector = after(48);
    let alerts = (48..504).filter(|hour| detector.observe(hour * HOUR_S, office(*hour)).standing != Standing::Quiet).count();
    assert!(alerts <= 3, "{alerts} alerts");
}

#[test]
fn ten_times_the_usual_is_a_spike_once() {
    let mut detector = after(240);
    let found = verdicts(&mut detector, 240, &[40.0, 38.0, 2.0, 2.0]);
    assert_eq!(found[0].standing, Standing::Spike, "{found:?}");
    assert!(found[1..].iter().all(|verdict| verdict.standing != Standing::Spike), "{found:?}");
    assert!((found[0].expected - 2.0).abs() < 1.0);
}

#[test]
fn a_spike_on_the_second_day_is_seen() {
    let mut detector = after(40);
    let found = verdicts(&mut detector, 40, &[150.0]);
    assert_eq!(found[0].standing, Standing::Spike, "{found:?}");
}

#[test]
fn an_outage_is_a_drop_and_no_spike() {
    let mut detector = after(250);
    let values: Vec<f64> = vec![0.0; 10];
    let found = verdicts(&mut detector, 250, &values);
    assert_eq!(found.iter().filter(|verdict| verdict.standing == Standing::Drop).count(), 1, "{found:?}");
    assert!(found.iter().all(|verdict| verdict.standing != Standing::Spike));
}

#[test]
fn the_threshold_of_the_coming_hour_is_what_observe_judges_by() {
    for hours in [60, 100, 247, 400] {
        let detector = after(hours);
        let least = detector.threshold(hours * HOUR_S).unwrap();
        let standing = |value: f64| detector.clone().observe(hours * HOUR_S, value).standing;
        assert!(matches!(standing(least), Standing::Spike | Standing::Escalation), "{least} after {hours}");
        let expected = detector.expected(hours * HOUR_S);
        assert!(least > expected);
        assert!(!matches!(standing(expected), Standing::Spike | Standing::Escalation));
    }
}

#[test]
fn there_is_no_threshold_while_learning() {
    assert_eq!(after(10).threshold(10 * HOUR_S), None);
}

#[test]
fn a_restored_detector_goes_on_with_the_same_bits() {
    let mut kept = after(300);
    let bytes = postcard::to_allocvec(&kept).unwrap();
    let mut restored: SpikeDetector = postcard::from_bytes(&bytes).unwrap();
    for hour in 300..400 {
        let value = office(hour) * if hour == 350 { 9.0 } else { 1.0 };
        assert_eq!(kept.observe(hour * HOUR_S, value), restored.observe(hour * HOUR_S, value));
    }
    assert_eq!(kept, restored);
}

/// Written after `after(100)` by the program before the view of the hour (commit 9d83cca): `Measure::Spend`, postcard.
const BEFORE_HOURS: &[u8] = include_bytes!("spike_states/before_hours.bin");

#[test]
fn a_state_from_before_the_view_of_the_hour_goes_on_and_learns_it() {
    let mut former: SpikeDetector = postcard::from_bytes(BEFORE_HOURS).unwrap();
    assert_eq!(postcard::to_allocvec(&former).unwrap(), BEFORE_HOURS, "untouched it is written as it was");
    assert_eq!((former.points(), former.expected(100 * HOUR_S)), (100, after(100).expected(100 * HOUR_S)));
    assert!(former.threshold(100 * HOUR_S).is_some());
    for hour in 100..200 {
        former.observe(hour * HOUR_S, office(hour));
    }
    let restored: SpikeDetector = postcard::from_bytes(&postcard::to_allocvec(&former).unwrap()).unwrap();
    assert_eq!(restored, former);
    let night = restored.views(219 * HOUR_S, 40.0);
    assert!(night[7] > 1.0, "{night:?}");
}

#[test]
fn as_much_at_night_as_by_day_is_a_spike() {
    let mut detector = after(243);
    let found = verdicts(&mut detector, 243, &[10.0]);
    assert_eq!(found[0].standing, Standing::Spike, "{found:?}");
    let mut by_day = after(251);
    assert_eq!(verdicts(&mut by_day, 251, &[10.0])[0].standing, Standing::Quiet);
}

/// A metric of this many calm points: 10 with noise.
fn calm(points: i64) -> SpikeDetector {
    let mut detector = SpikeDetector::new(300, Measure::Metric);
    (0..points).for_each(|point| {
        detector.observe(point * 300, noisy(point));
    });
    detector
}

fn noisy(point: i64) -> f64 {
    10.0 + (point * 7_919 % 101) as f64 / 101.0
}

#[test]
fn an_outlier_of_a_metric_moves_what_is_expected_no_more_than_five_spreads_do() {
    let moved = |outlier: f64| {
        let mut detector = calm(2_000);
        let before = detector.expected(2_000 * 300);
        detector.observe(2_000 * 300, outlier);
        (detector.expected(2_000 * 300) - before).abs()
    };
    let by_much = moved(1_000.0);
    assert!(by_much > 0.0 && by_much < 0.1, "{by_much}; 0.5 if the whole of it were learnt");
}

#[test]
fn the_state_of_a_series_is_small() {
    let dense = postcard::to_allocvec(&after(5_000)).unwrap().len();
    assert!(dense < 15_000, "{dense} bytes");
    let mut sparse = SpikeDetector::new(HOUR_S as u32, Measure::Spend);
    (0..336).for_each(|hour| {
        sparse.observe(hour * HOUR_S, if hour % 20 == 3 { office(hour) } else { 0.0 });
    });
    let sparse = postcard::to_allocvec(&sparse).unwrap().len();
    assert!(sparse < 7_000, "{sparse} bytes");
}

#[test]
fn the_gate_asks_for_both_impacts() {
    let gate = MoneyGate { absolute: 10.0, relative: 0.5 };
    assert!(gate.passes(30.0, 10.0));
    assert!(!gate.passes(9.0, 1.0), "nine times as much, but 8 dollars");
    assert!(!gate.passes(120.0, 100.0), "20 dollars, but a fifth");
    assert!(gate.passes(gate.least(100.0), 100.0) && gate.passes(gate.least(1.0), 1.0));
}

proptest! {
    #[test]
    fn any_values_give_finite_verdicts(values in prop::collection::vec(prop_oneof![Just(0.0), -1e12..1e12_f64, Just(f64::NAN), Just(1e300), 0.0..1.0_f64], 1..200)) {
        for measure in [Measure::Spend, Measure::Metric] {
            let mut detector = SpikeDetector::new(300, measure);
            for (point, value) in (0..).zip(&values) {
                let verdict = detector.observe(point * 300, *value);
                prop_assert!(verdict.surprise.is_finite() && verdict.surprise >= 0.0, "{verdict:?}");
                prop_assert!(verdict.views.iter().all(|view| (0.0..=6.0).contains(view)), "{verdict:?}");
            }
        }
    }
}
