//! What is said of real series, hour by hour: `data/rhythm/golden.tsv`. If it changes on purpose, `UPDATE_GOLDEN=1 cargo test -p detection --test rhythm_golden`
//! writes it anew; read the difference.
#![allow(clippy::expect_used, reason = "the lint does not see that helpers of tests are tests")]

mod rhythm_traces;
mod scope_watch;

use std::fmt::Write as _;
use std::path::Path;

use detection::action::GateInputs;
use detection::forecast::Period;
use detection::rhythm::{Hour, HourSpend};
use rhythm_traces::{nyc_taxi, servegen_clients, servegen_models};
use scope_watch::{ScopeWatch, WatchSettings};

/// Absolute for measures, relative for spend: other platforms may differ in a last bit of a logarithm.
const TOLERANCE: f64 = 1e-9;
const COLUMNS: &str =
    "series\thour\tstate\tbasis\taction\tcoherence\tphase\tentropy\texpected_hour\tlow\texpected\thigh\tstraight_line\tconfidence\tgate";

fn lines_of(name: &str, series: &[f64], every: usize, lines: &mut String) {
    let mut watch = ScopeWatch::default();
    let settings = WatchSettings::default();
    for (hour, amount) in series.iter().enumerate() {
        let start = hour / 168 * 168;
        let spent = series[start..=hour].iter().sum();
        // The budget is what the first week came to.
        let budget = series[..168].iter().sum::<f64>().max(1.0);
        let week = Period::new(Hour(start as i64), Hour(start as i64 + 168), spent, budget).expect("a period");
        let gate = GateInputs { revenue: Some(spent), cost: spent, calls: 1000, calls_within_objective: Some(930), age_h: 0 };
        let report = watch.close_hour(Hour(hour as i64), HourSpend::new(*amount), Some(&week), &gate, &settings).expect("in order");
        if hour % every != every - 1 {
            continue;
        }
        let (judgement, forecast, advice) =
            (report.judgement, report.forecast.expect("a budget"), report.recommendation.expect("a budget"));
        let basis = format!("{:?}", judgement.basis);
        let _ = write!(lines, "{name}\t{hour}\t{}\t{basis}\t{}", judgement.state, advice.action);
        let numbers = [
            judgement.coherence,
            judgement.phase.smallest(),
            judgement.entropy,
            Some(judgement.expected),
            Some(forecast.low),
            Some(forecast.expected),
            Some(forecast.high),
            Some(forecast.straight_line),
            Some(advice.confidence.probability()),
            advice.gate.score,
        ];
        for number in numbers {
            let _ = match number {
                Some(number) => write!(lines, "\t{number}"),
                None => write!(lines, "\t-"),
            };
        }
        lines.push('\n');
    }
}

#[test]
fn real_series_are_judged_as_before() {
    let mut found = format!("{COLUMNS}\n");
    lines_of("nyc_taxi", &nyc_taxi(), 37, &mut found);
    for (model, spend) in servegen_models() {
        lines_of(&format!("servegen {model}"), &spend, 11, &mut found);
    }
    for (client, spend) in servegen_clients().iter().step_by(13) {
        lines_of(&format!("servegen {client}"), spend, 29, &mut found);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/rhythm/golden.tsv");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).expect("a file to write");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file");
    assert_eq!(golden.lines().count(), found.lines().count());
    for (wanted, found) in golden.lines().zip(found.lines()) {
        for (wanted_cell, found_cell) in wanted.split('\t').zip(found.split('\t')) {
            let same = match (wanted_cell.parse::<f64>(), found_cell.parse::<f64>()) {
                (Ok(wanted), Ok(found)) => (wanted - found).abs() <= TOLERANCE * wanted.abs().max(1.0),
                _ => wanted_cell == found_cell,
            };
            assert!(same, "{wanted_cell} {found_cell}\n{wanted}\n{found}");
        }
    }
}
