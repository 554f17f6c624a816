//! `cost-rhythm scenario`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use jiff::civil::Date;
use report::Amount;
use report::periodic::PeriodKind;
use report::scenario::{MOST_MONTHS, OutlookQuestion, markdown, read, terminal};
use schemas::{Currency, Money};

use super::report::period_of;
use super::status::write_whole;
use super::{ConfigArg, io_runtime, start_logging};
use crate::service::clickhouse;
use crate::service::report_question::{reader, set_views};

/// Arguments of `scenario`.
#[derive(clap::Args)]
pub(super) struct ScenarioArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The measured month (2026-10), in the business time zone; without it, the last month that is over
    #[arg(long, value_name = "MONTH", value_parser = month)]
    month: Option<Date>,
    /// How many months to look ahead
    #[arg(long, value_name = "COUNT", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_MONTHS)))]
    months: u32,
    /// Of all amounts, by the dated rates (KRW, EUR, ...)
    #[arg(long, value_name = "CODE", default_value_t = Currency::USD)]
    currency: Currency,
    /// Cost of a month that no event reports and that does not grow (licences, salaries), in that currency
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = amount)]
    fixed_cost: Amount,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write it to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
}

/// Writes the outlook.
///
/// # Errors
/// ClickHouse cannot be asked, has no rate for the currency, or the file cannot be written.
pub(super) fn run(args: &ScenarioArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let (server, runtime) = (clickhouse(&config)?, io_runtime()?);
    let question = OutlookQuestion {
        month: period_of(&config, PeriodKind::Monthly, args.month, "--month")?,
        months: args.months,
        currency: args.currency,
        unmeasured_fixed_cost: args.fixed_cost,
        sets: set_views(&config),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: config.clickhouse.database.clone(),
    };
    let outlook = read(&reader(&server, runtime.handle()), &question)?;
    let text = match args.format {
        Format::Text => terminal(&outlook),
        Format::Markdown => markdown(&outlook),
        Format::Json => serde_json::to_string_pretty(&outlook)? + "\n",
    };
    match &args.out {
        Some(file) => write_whole(file, &text)?,
        None => print!("{text}"),
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ExitCode::SUCCESS)
}

fn month(text: &str) -> Result<Date, String> {
    format!("{text}-01").parse().map_err(|_| "expected a year and a month, such as 2026-10".to_owned())
}

fn amount(text: &str) -> Result<Amount, String> {
    match Money::parse(text) {
        Ok(money) if !money.is_negative() => Ok(Amount(money)),
        Ok(_) => Err("expected an amount that is not negative".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
