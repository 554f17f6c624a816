//! `cost-rhythm run`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::{ConfigArg, io_runtime, start_logging};
use crate::service::{Service, StageChoice, signals};

/// Arguments of `run`.
#[derive(clap::Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Which part of the pipeline
    #[arg(long, value_enum, default_value = "all")]
    stage: StageChoice,
}

/// Runs until SIGTERM or SIGINT. Exit code 0 after an orderly end, 1 when the connection to Kafka broke for good (to be started
/// again by its supervisor).
///
/// # Errors
/// What keeps the service from starting.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, false);
    let runtime = io_runtime()?;
    let service = Service::start(&config, args.stage, runtime.handle())?;
    let broken = runtime.block_on(async {
        let stop = signals::stop_requested();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                signal = &mut stop => break signal.context("signals cannot be listened to").map(|signal| {
                    tracing::info!(signal, "ending in order");
                    None
                }),
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    if let Some(reason) = service.broken() {
                        break Ok(Some(reason));
                    }
                }
            }
        }
    })?;
    // Whatever hangs, the process ends: a guard outside of everything that could.
    let limit = config.run.shutdown_grace + Duration::from_secs(2);
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        tracing::error!("not ended within its deadline; the next start resumes from the last snapshots");
        std::process::exit(3);
    });
    service.stop(runtime.handle());
    runtime.shutdown_timeout(Duration::from_millis(200));
    match broken {
        None => Ok(ExitCode::SUCCESS),
        Some(reason) => {
            tracing::error!(reason, "the producer is broken for good; start again");
            Ok(ExitCode::FAILURE)
        }
    }
}
