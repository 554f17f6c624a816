//! `cost-rhythm status`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use report::status::{Proof, Question, markdown, read, terminal};
use schemas::budget::CountedBudget;

use super::{ConfigArg, io_runtime, start_logging};
use crate::config::{Config, Rules};
use crate::service::clickhouse;
use crate::service::report_question::reader;

/// There is no judgement: an error, or nothing to judge by.
const NO_JUDGEMENT: u8 = 3;

/// Arguments of `status`.
#[derive(clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Judge this scope (`total`, `provider=openai`, `budget:NAME`), several times for several; all must be judged. Without it: the total and
    /// every budget's scope, as far as they can be judged
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Minutes after which a closed hour, or the newest event, is no ground for a judgement
    #[arg(long, value_name = "MINUTES", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=525_600))]
    stale_after: u32,
    /// Print the state file's JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Write the judgement, with its SHA-256, to this file
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
    /// Write a Markdown report to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Judges. Exit code 0: resonant, 1: dissonant, 2: chaotic, 3: no judgement or an error, which is said here already.
pub(super) fn run(args: &StatusArgs) -> ExitCode {
    judge(args).unwrap_or_else(|error| {
        eprintln!("cost-rhythm: {error:#}");
        ExitCode::from(NO_JUDGEMENT)
    })
}

fn judge(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let (server, runtime) = (clickhouse(&config)?, io_runtime()?);
    let question = Question {
        scopes: args.scope.clone(),
        budgets: counted_budgets(&config)?,
        stale_after_s: i64::from(args.stale_after) * 60,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: config.clickhouse.database.clone(),
    };
    let status = read(&reader(&server, runtime.handle()), &question)?;
    let proof = Proof::of(&status)?;
    if let Some(file) = &args.state_file {
        write_whole(file, &proof.document())?;
    }
    if let Some(file) = &args.report {
        write_whole(file, &markdown(&status, &proof))?;
    }
    print!("{}", if args.json { proof.document() } else { terminal(&status) });
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(ExitCode::from(status.verdict.exit_code))
}

fn counted_budgets(config: &Config) -> anyhow::Result<Vec<CountedBudget>> {
    let sets = config.grouping_sets();
    let budgets = Rules::read(config)?.budgets;
    Ok(budgets.iter().map(|budget| budget.counted(&sets)).collect())
}

/// The file with this text, or what was there before: a reader never finds half of it, and a crash leaves no half.
///
/// # Errors
/// Names the file and the remedy.
pub(super) fn write_whole(file: &Path, text: &str) -> anyhow::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut part = tempfile::Builder::new().prefix(".cost-rhythm-").tempfile_in(directory)?;
        part.write_all(text.as_bytes())?;
        part.as_file().sync_all()?;
        part.persist(file).map_err(|error| error.error)?;
        std::fs::File::open(directory)?.sync_all()
    };
    write().with_context(|| format!("CR-6003: {} cannot be written: check that its directory is there, and its rights", file.display()))
}
