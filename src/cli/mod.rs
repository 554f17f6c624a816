//! The command line: one file per command.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a command line speaks on its standard streams")]

mod audit;
mod check;
mod demo;
mod dlq;
mod engine;
mod estimate;
mod generate;
mod prices;
mod producing;
mod reconcile;
mod report;
mod reprice;
mod scenario;
mod service;
mod status;
mod topic_reader;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat, load};

/// Exact, watched and understood AI and cloud spend, from a Kafka topic to ClickHouse.
#[derive(Parser)]
#[command(name = "cost-rhythm", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole pipeline on embedded parts, fed with real traces
    Demo(demo::DemoArgs),
    /// The service
    Run(service::RunArgs),
    /// Look at configuration, connections, topics, schemas and migrations: say what is wrong and what to do
    Check(check::CheckArgs),
    /// Send realistic load to the input topic
    Generate(generate::GenerateArgs),
    /// Recount the input topic independently and compare with ClickHouse, digit by digit
    Audit(audit::AuditArgs),
    /// Read and re-submit dead letters
    Dlq(dlq::DlqArgs),
    /// How the spend stands: rhythm, budgets, recommended actions; exits with 0 resonant, 1 dissonant, 2 chaotic, 3 no judgement
    Status(status::StatusArgs),
    /// A report of a day, a week or a month: JSON, Markdown or HTML
    Report(report::ReportArgs),
    /// Where the spend goes if the business grows, and what a user must bring in, over a measured month
    Scenario(scenario::ScenarioArgs),
    /// Bills of providers (FOCUS, AWS, Google Cloud) against what was counted; exits with 0 within the tolerance, 1 not, 3 no judgement
    Reconcile(reconcile::ReconcileArgs),
    /// What a prompt costs on every model of the price book, by an estimate of its tokens, and what a cache would save
    Estimate(estimate::EstimateArgs),
    /// The price book: check it, import prices into it
    Prices(prices::PricesArgs),
    /// Price what was counted anew: show what would change by scope, or send corrections
    Reprice(reprice::RepriceArgs),
    /// The embedded ClickHouse engine alone, behind ClickHouse's HTTP protocol
    Engine(engine::EngineArgs),
}

/// Where the configuration is.
#[derive(clap::Args)]
struct ConfigArg {
    /// The configuration file; without it, defaults and environment variables
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArg {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(load(self.config.as_deref())?)
    }
}

/// Runs a command. The exit code is the command's own; errors are exit code 2 (of `status` 3).
///
/// # Errors
/// What went wrong, where, and the remedy.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Run(args) => service::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Dlq(args) => dlq::run(&args),
        Command::Status(args) => Ok(status::run(&args)),
        Command::Report(args) => report::run(&args),
        Command::Scenario(args) => scenario::run(&args),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Estimate(args) => estimate::run(&args),
        Command::Prices(args) => prices::run(&args),
        Command::Reprice(args) => reprice::run(&args),
        Command::Engine(args) => engine::run(&args),
    }
}

/// Log lines go to standard error; `RUST_LOG` chooses (default: info).
fn start_logging(format: LogFormat, quiet: bool) {
    let default = if quiet { "warn" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // A second initialisation (tests) is no harm.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

fn io_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("io").build()
}
