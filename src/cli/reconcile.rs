//! `cost-rhythm reconcile`

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use report::reconcile::{
    BillError, BillForm, BillOptions, By, CostColumn, Ledger, Names, ReconciliationQuestion, Tolerance, read, terminal,
};

use super::{ConfigArg, io_runtime, start_logging};
use crate::config::Config;
use crate::service::clickhouse;
use crate::service::report_question::{reader, set_views};

/// Arguments of `reconcile`.
#[derive(clap::Args)]
pub(super) struct ReconcileArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Exports of bills: CSV, of Google Cloud also JSON lines; plain or gzip
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Whose export it is; without it, told by the header
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Which cost of a FOCUS export is compared
    #[arg(long, value_enum, default_value_t = Cost::Billed)]
    cost: Cost,
    /// By what is compared
    #[arg(long, value_enum, default_value_t = ByWhat::Provider)]
    by: ByWhat,
    /// Only charges of this provider; several times for several
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,
    /// A provider's name in the bill (or PROVIDER/SERVICE) or in events, and the one it is compared under; beside `reconcile.providers`
    #[arg(long, value_name = "NAME=OURS", value_parser = pair)]
    provider_name: Vec<(String, String)>,
    /// Likewise of services; beside `reconcile.services`
    #[arg(long, value_name = "NAME=OURS", value_parser = pair)]
    service_name: Vec<(String, String)>,
    /// How much of what is billed the difference may be, on every day and in every total
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = Tolerance::parse)]
    tolerance: Tolerance,
    /// Print JSON with all digits instead of tables
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Focus,
    Aws,
    Gcp,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cost {
    Billed,
    Effective,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ByWhat {
    Provider,
    Service,
}

/// Compares. Exit code 0: all within the tolerance, 1: not, 3: nothing to judge by.
///
/// # Errors
/// A bill cannot be read, ClickHouse cannot be asked, or it has no rate for a currency of the bill.
pub(super) fn run(args: &ReconcileArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let mut ledger = Ledger::new(options(&config, args)?);
    for path in &args.files {
        let file = path.display().to_string();
        let input = File::open(path).map_err(|error| BillError::Unreadable { file: file.clone(), problem: error.to_string() })?;
        ledger.read(&file, input)?;
    }
    let (server, runtime) = (clickhouse(&config)?, io_runtime()?);
    let question = ReconciliationQuestion {
        tolerance: args.tolerance,
        sets: set_views(&config),
        time_zone: config.windows.time_zone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: config.clickhouse.database.clone(),
    };
    let found = read(&reader(&server, runtime.handle()), &ledger, &question)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print!("{}", terminal(&found));
    }
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ExitCode::from(found.verdict.exit_code()))
}

fn options(config: &Config, args: &ReconcileArgs) -> anyhow::Result<BillOptions> {
    Ok(BillOptions {
        form: args.format.map(|form| match form {
            Form::Focus => BillForm::Focus,
            Form::Aws => BillForm::Aws,
            Form::Gcp => BillForm::Gcp,
        }),
        cost: match args.cost {
            Cost::Billed => CostColumn::Billed,
            Cost::Effective => CostColumn::Effective,
        },
        by: match args.by {
            ByWhat::Provider => By::Provider,
            ByWhat::Service => By::Service,
        },
        providers: names("providers", &config.reconcile.providers, &args.provider_name)?,
        services: names("services", &config.reconcile.services, &args.service_name)?,
        only: args.provider.clone(),
    })
}

fn names(key: &str, table: &BTreeMap<String, Vec<String>>, more: &[(String, String)]) -> anyhow::Result<Names> {
    let mut names = match Names::new(table) {
        Ok(names) => names,
        Err(name) => bail!("CR-3003: reconcile.{key}: {name:?} stands under two names: leave it under one"),
    };
    for (name, ours) in more {
        names.add(name, ours);
    }
    Ok(names)
}

fn pair(text: &str) -> Result<(String, String), String> {
    // The last one: a bill's names may have the sign, ours seldom do.
    match text.rsplit_once('=') {
        Some((name, ours)) if !ours.trim().is_empty() => Ok((name.to_owned(), ours.to_owned())),
        _ => Err("expected the name in the bill and ours, such as \"Amazon Web Services=aws\"".to_owned()),
    }
}
