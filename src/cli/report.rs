//! `cost-rhythm report`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use report::periodic::{Period, PeriodKind, html, markdown, read};
use schemas::Currency;

use super::status::write_whole;
use super::{ConfigArg, io_runtime, start_logging};
use crate::config::{Config, Rules};
use crate::service::clickhouse;
use crate::service::report_question::{reader, report_question};

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
    let question = report_question(&config, Rules::read(&config)?, period(&config, args)?, args.currency)?;
    let report = read(&reader(&server, runtime.handle()), &question)?;
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
        None => Period::before(kind, jiff::Timestamp::now(), zone),
    };
    found.with_context(|| format!("CR-3003: windows.time_zone = {zone:?}, or {argument} is beyond the calendar"))
}
