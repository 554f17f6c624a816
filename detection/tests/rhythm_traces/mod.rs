//! The committed series (`data/rhythm`), read for tests, benches and examples.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the lint does not see that helpers of tests are tests")]
#![allow(dead_code)]

pub(crate) mod outcomes;
pub(crate) mod trouble;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use detection::rhythm::{Hour, HourSpend, Judgement, Limits, Rhythm};

/// Hours in the ServeGen traces: two weeks.
const SERVEGEN_H: usize = 336;

pub(crate) fn table(file: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/rhythm").join(file);
    let packed = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("a gzip of text");
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

pub(crate) fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The synthetic series by name: hourly spend from hour 0.
pub(crate) fn cases() -> BTreeMap<String, Vec<f64>> {
    let mut cases: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in table("cases.csv.gz") {
        cases.entry(row[0].clone()).or_default().push(number(&row[2]));
    }
    cases
}

pub(crate) fn case(name: &str) -> Vec<f64> {
    cases().remove(name).unwrap_or_else(|| panic!("no case {name}"))
}

/// Taxi trips per hour in New York, from 2014-07-01 00:00 to 2015-01-31 23:00.
pub(crate) fn nyc_taxi() -> Vec<f64> {
    table("nyc_taxi_hourly.csv.gz").iter().map(|row| number(&row[1])).collect()
}

/// Every client's hourly spend, by "model client".
pub(crate) fn servegen_clients() -> BTreeMap<String, Vec<f64>> {
    let mut clients: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in table("servegen_hourly_spend.csv.gz") {
        let spend = clients.entry(format!("{} {}", row[0], row[1])).or_insert_with(|| vec![0.0; SERVEGEN_H]);
        let hour: usize = row[2].parse().expect("an hour");
        if let Some(hour) = spend.get_mut(hour) {
            *hour += number(&row[3]);
        }
    }
    clients
}

/// Each model's hourly spend, all clients together.
pub(crate) fn servegen_models() -> BTreeMap<String, Vec<f64>> {
    let mut models: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, spend) in servegen_clients() {
        let model = name.split(' ').next().unwrap_or_default().to_owned();
        let total = models.entry(model).or_insert_with(|| vec![0.0; SERVEGEN_H]);
        for (sum, amount) in total.iter_mut().zip(spend) {
            *sum += amount;
        }
    }
    models
}

/// Hour after hour through a fresh rhythm; what was judged after each.
pub(crate) fn judged(series: &[f64], limits: &Limits) -> Vec<Judgement> {
    let mut rhythm = Rhythm::default();
    (0..)
        .zip(series)
        .map(|(hour, amount)| {
            rhythm.close_hour(Hour(hour), HourSpend::new(*amount), limits).expect("in order");
            rhythm.judge(None, limits)
        })
        .collect()
}
