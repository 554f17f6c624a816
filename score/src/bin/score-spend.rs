//! Injects trouble into real hourly spend and prints which share each method finds at one alert per series and week; alone on the last line, ours.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::path::PathBuf;

use detection::spike::{Measure, SpikeDetector};
use score::figures::Figures;
use score::pictures::SEED;
use score::rivals::five_view::FiveView;
use score::rivals::{Bocpd, Dspot, HoltWinters, MeanDeviation, MedianDeviation, TimesHourlyMean};
use score::spend::{KINDS, Method, Outcome, Spending, Trouble, evaluate, read, troubles};

const HOUR_S: u32 = 3_600;
/// Hours of an episode of the prototype.
const PROTOTYPE_HOLD: u64 = 12;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map_or_else(|| PathBuf::from("data/servegen"), PathBuf::from);
    let seed = arguments.next().and_then(|seed| seed.to_str()?.parse().ok()).unwrap_or(SEED);
    let figures_file = arguments.next();
    let series = read(&folder)?;
    let troubles = troubles(&series, seed);
    println!("{}: {} series of 14 days, {} troubles, seed {seed}", folder.display(), series.len(), troubles.len());
    println!("recall at one alert per series and week (median hours from start to alert)\n");
    let kinds = KINDS.map(|kind| {
        let count = troubles.iter().filter(|trouble| trouble.kind == kind).count();
        format!("{:>16}", format!("{} ({count})", kind.name()))
    });
    println!("| {:<20} | {} | total | threshold |", "", kinds.join(" | "));
    let outcomes = [
        row("ours", &series, &troubles, || SpikeDetector::new(HOUR_S, Measure::Spend)),
        row("five-view prototype", &series, &troubles, || FiveView::new(f64::from(HOUR_S), PROTOTYPE_HOLD, true)),
        row("Holt-Winters", &series, &troubles, HoltWinters::default),
        row("DSPOT", &series, &troubles, Dspot::default),
        row("BOCPD", &series, &troubles, Bocpd::default),
        row("mean + k sd", &series, &troubles, MeanDeviation::default),
        row("median + k MAD", &series, &troubles, MedianDeviation::default),
        row("k x hourly mean", &series, &troubles, TimesHourlyMean::default),
    ];
    if let Some(file) = figures_file {
        let recalls = KINDS.map(|kind| kind.name().to_owned()).into_iter().chain(["total".to_owned()]);
        let mut figures = Figures::new(recalls.chain(KINDS.map(|kind| format!("hours to {}", kind.name()))));
        for (name, outcome) in &outcomes {
            figures.push(name, outcome.by_kind.into_iter().chain([outcome.total]).chain(outcome.delay_hours));
        }
        figures.write(file.as_ref())?;
    }
    println!("\n{:.3}", outcomes[0].1.total);
    Ok(())
}

fn row<'a, M: Method>(name: &'a str, series: &[Spending], troubles: &[Trouble], fresh: impl Fn() -> M) -> (&'a str, Outcome) {
    let outcome = evaluate(series, troubles, fresh);
    let kinds =
        outcome.by_kind.iter().zip(outcome.delay_hours).map(|(recall, delay)| format!("{:>16}", format!("{recall:.2} ({delay:.0} h)")));
    println!("| {name:<20} | {} | {:.3} | {:>9.2} |", kinds.collect::<Vec<_>>().join(" | "), outcome.total, outcome.threshold);
    (name, outcome)
}
