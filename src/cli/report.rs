//! `cost-rhythm report`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use report::SetView;
use report::periodic::{Period, PeriodKind, ReportQuestion, Share, html, markdown, read};
use schemas::Currency;

use super::status::{reader, write_whole};
use super::{ConfigArg, io_runtime, start_logging};
use crate::config::{Config, Rules};
use crate::service::clickhouse;

/// Arguments of `report`.
#[derive(clap::Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// How long
    #[arg(long, value_enum)]
    period: Length,
    /// A day of the period (2026-11-22), in the business time zone; without it, the last period that is over
    #[arg(long, value_name = "DATE")]
    date: Option<jiff::civil::Date>,
    /// Of all amounts, by the dated rates (KRW, EUR, ...)
    #[arg(long, value_name = "CODE", default_value_t = Currency::USD)]
    currency: Currency,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// Write it to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Length {
    Daily,
    Weekly,
    Monthly,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Markdown,
    Html,
}

/// Writes a report.
///
/// # Errors
/// ClickHouse cannot be asked, or the file cannot be written.
pub(super) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let (server, runtime) = (clickhouse(&config)?, io_runtime()?);
    let report = read(&reader(&server, &runtime), &question(&config, args)?)?;
    let text = match args.format {
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
        Format::Markdown => markdown(&report),
        Format::Html => html(&report),
    };
    match &args.out {
        Some(file) => write_whole(file, &text)?,
        None => print!("{text}"),
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ExitCode::SUCCESS)
}

fn question(config: &Config, args: &ReportArgs) -> anyhow::Result<ReportQuestion> {
    let rules = Rules::read(config)?;
    Ok(ReportQuestion {
        period: period(config, args)?,
        currency: args.currency,
        sets: set_views(config),
        usage_events: config.clickhouse.usage_events,
        tags: config.report.tags.clone(),
        shares: shares(config)?,
        rolling_budgets: rules.budgets.iter().filter(|budget| budget.window.is_rolling()).map(|budget| budget.name.clone()).collect(),
        book: rules.book,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: config.clickhouse.database.clone(),
    })
}

/// The configured grouping sets that count everything and have views.
pub(super) fn set_views(config: &Config) -> Vec<SetView> {
    let sets = config.grouping_sets().into_iter().filter(|set| set.is_published() && set.filter.is_empty());
    sets.map(|set| SetView { key: set.key.iter().map(|dimension| dimension.name()).collect(), name: set.name }).collect()
}

fn period(config: &Config, args: &ReportArgs) -> anyhow::Result<Period> {
    let kind = match args.period {
        Length::Daily => PeriodKind::Daily,
        Length::Weekly => PeriodKind::Weekly,
        Length::Monthly => PeriodKind::Monthly,
    };
    period_of(config, kind, args.date, "--date")
}

/// The period that holds a date, or the last one that is over.
///
/// # Errors
/// CR-3003: names the time zone and the argument.
pub(super) fn period_of(config: &Config, kind: PeriodKind, date: Option<jiff::civil::Date>, argument: &str) -> anyhow::Result<Period> {
    let zone = &config.windows.time_zone;
    let found = match date {
        Some(date) => Period::holding(kind, date, zone),
        None => TimeZone::get(zone).and_then(|found| Period::before(kind, jiff::Timestamp::now().to_zoned(found).date(), zone)),
    };
    found.with_context(|| format!("CR-3003: windows.time_zone = {zone:?}, or {argument} is beyond the calendar"))
}

fn shares(config: &Config) -> anyhow::Result<Vec<Share>> {
    let mut shares = Vec::new();
    for (dimension, weights) in &config.report.shares {
        if !["team", "environment"].contains(&dimension.as_str()) && !config.report.tags.contains(dimension) {
            bail!("CR-3003: report.shares.{dimension}: expected team, environment or a tag of report.tags; add it there or take it out");
        }
        let weights: Vec<_> = weights.iter().map(|(name, weight)| (name.clone(), weight.0)).collect();
        if !weights.iter().any(|(_, weight)| weight.units() > 0) {
            bail!("CR-3003: report.shares.{dimension}: all weights are 0; give one more than 0, or take the key out");
        }
        shares.push(Share { dimension: dimension.clone(), weights });
    }
    Ok(shares)
}
