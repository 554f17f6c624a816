//! Injects trouble into real hourly spend and prints which share each method finds at one alert per series and week; alone on the last line, ours.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::path::PathBuf;

use detection::spike::{Measure, SpikeDetector};
use score::rivals::five_view::FiveView;
use score::rivals::{Bocpd, Dspot, HoltWinters, MeanDeviation, MedianDeviation, TimesHourlyMean};
use score::spend::{KINDS, Method, Outcome, Spending, Trouble, evaluate, read, troubles};

const SEED: u64 = 1;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("data/servegen"), PathBuf::from);
    let series = read(&folder)?;
    let troubles = troubles(&series, SEED);
    println!("{} series of 14 days, {} troubles, seed {SEED}", series.len(), troubles.len());
    println!(
        "| method | {} | total |",
        KINDS.map(|kind| format!("{} (n={})", kind.name(), troubles.iter().filter(|t| t.kind == kind).count())).join(" | ")
    );
    row("ours", &series, &troubles, || SpikeDetector::new(3600, Measure::Spend));
    row("five-view prototype", &series, &troubles, || FiveView::new(3600.0, 12, true));
    row("Holt-Winters", &series, &troubles, HoltWinters::default);
    row("DSPOT", &series, &troubles, Dspot::default);
    row("BOCPD", &series, &troubles, Bocpd::default);
    row("mean + k sd", &series, &troubles, MeanDeviation::default);
    row("median + k MAD", &series, &troubles, MedianDeviation::default);
    row("k x hourly mean", &series, &troubles, TimesHourlyMean::default);
    Ok(())
}

fn row<M: Method>(name: &str, series: &[Spending], troubles: &[Trouble], fresh: impl Fn() -> M) -> Outcome {
    let outcome = evaluate(series, troubles, fresh);
    let kinds: Vec<String> =
        outcome.by_kind.iter().zip(outcome.delay_hours).map(|(recall, delay)| format!("{recall:.2} ({delay:.0} h)")).collect();
    println!("| {name} | {} | {:.3} | thr {:.2}", kinds.join(" | "), outcome.total, outcome.threshold);
    outcome
}
