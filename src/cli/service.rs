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
    // A start may wait long for a server that is away: a signal ends it as well.
    let mut stop = runtime.block_on(async { signals::listen().map(Box::pin) }).context("signals cannot be listened to")?;
    let (stage, grace, handle) = (args.stage, config.run.shutdown_grace, runtime.handle().clone());
    let starting = runtime.spawn_blocking(move || Service::start(&config, stage, &handle));
    let started = runtime.block_on(async {
        tokio::select! {
            signal = &mut stop => {
                tracing::info!(signal, "ending before the start was done");
                None
            }
            started = starting => Some(started),
        }
    });
    let Some(started) = started else {
        guard(grace);
        runtime.shutdown_background();
        return Ok(ExitCode::SUCCESS);
    };
    let service = started.context("the start has panicked")??;
    let broken = runtime.block_on(async {
        loop {
            tokio::select! {
                signal = &mut stop => {
                    tracing::info!(signal, "ending in order");
                    break None;
                }
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    if let Some(reason) = service.broken() {
                        break Some(reason);
                    }
                }
            }
        }
    });
    guard(grace);
    service.stop(runtime.handle());
    runtime.shutdown_timeout(Duration::from_millis(200));
    match broken {
        None => Ok(ExitCode::SUCCESS),
        Some(reason) => {
            tracing::error!(reason, "CR-3108: the connection to Kafka is broken for good; start again");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Whatever hangs, the process ends: outside of everything that could. Not by `exit`, which waits for another exit that hangs.
fn guard(grace: Duration) {
    let limit = grace + Duration::from_secs(2);
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        tracing::error!("not ended within its deadline; the next start resumes from the last snapshots");
        // SAFETY: ends the process, and does nothing before that.
        unsafe { libc::_exit(3) };
    });
}
