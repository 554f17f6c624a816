//! The port against the numbers of the reference program (`data/rhythm/reference.csv.gz`): the same definition gives the same values to 1e-9.
#![allow(clippy::expect_used, clippy::panic, reason = "the lint does not see that helpers of tests are tests")]

mod rhythm_traces;

use std::collections::BTreeMap;

use detection::rhythm::{Hour, HourSpend, Judgement, Limits, Rhythm};
use rhythm_traces::{cases, number, nyc_taxi, servegen_models, table};

/// Absolute for measures, relative for spend.
const TOLERANCE: f64 = 1e-9;

fn close(found: Option<f64>, expected: &str, what: &str) {
    match (found, expected) {
        (_, "") => {}
        (Some(found), text) => {
            let wanted = number(text);
            assert!((found - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0), "{what}: expected {wanted}, found {found}");
        }
        (None, text) => panic!("{what}: expected {text}, found nothing"),
    }
}

fn compare(row: &[String], expected: f64, judgement: &Judgement) {
    let what = |column: &str| format!("{} hour {} {column}", row[0], row[1]);
    close(Some(expected), &row[2], &what("expected"));
    close(judgement.coherence, &row[3], &what("coherence"));
    close(judgement.phase.day, &row[4], &what("phase of the day"));
    close(judgement.phase.week, &row[5], &what("phase of the week"));
    close(judgement.entropy, &row[6], &what("entropy"));
    assert_eq!(judgement.state.as_str(), row[7], "{}", what("state"));
}

#[test]
fn every_measure_and_state_is_that_of_the_reference_program() {
    let mut series = cases();
    series.insert("nyc_taxi".to_owned(), nyc_taxi());
    // The reference read the sums rounded to four decimals.
    let rounded = |spend: Vec<f64>| spend.into_iter().map(|amount| (amount * 1e4).round() / 1e4).collect();
    series.extend(servegen_models().into_iter().map(|(model, spend)| (format!("servegen {model}"), rounded(spend))));

    let mut wanted: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
    for row in table("reference.csv.gz") {
        wanted.insert((row[0].clone(), row[1].parse().expect("an hour")), row);
    }
    let mut compared = 0;
    for (name, spend) in series {
        let limits = Limits::reference();
        let mut rhythm = Rhythm::default();
        for (hour, amount) in (0..).zip(spend) {
            let expected = rhythm.expectation().at(Hour(hour));
            rhythm.close_hour(Hour(hour), HourSpend::new(amount), &limits).expect("in order");
            let judgement = rhythm.judge(None, &limits);
            if let Some(row) = wanted.get(&(name.clone(), hour)) {
                compare(row, expected, &judgement);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, wanted.len(), "every stored row has its series");
    assert!(compared > 2500, "{compared}");
}
