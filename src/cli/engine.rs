//! `cost-rhythm engine`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use engine::{Credentials, Engine, EngineOptions, find_library};

use super::{io_runtime, start_logging};
use crate::config::LogFormat;
use crate::service::signals;

/// Arguments of `engine`.
#[derive(clap::Args)]
pub(super) struct EngineArgs {
    /// Directory of the data
    #[arg(long)]
    path: PathBuf,
    /// Address and port
    #[arg(long, default_value = "127.0.0.1:8123")]
    listen: SocketAddr,
    /// User who may log in; the password comes from COST_RHYTHM_ENGINE_PASSWORD. Without it everybody may
    #[arg(long)]
    user: Option<String>,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// The library is missing (with the remedy), the directory is in use, the address is taken.
pub(super) fn run(args: &EngineArgs) -> anyhow::Result<ExitCode> {
    start_logging(LogFormat::Text, false);
    let mut options = EngineOptions::new(find_library()?, args.path.clone());
    options.listen = args.listen;
    if let Some(user) = &args.user {
        let password = std::env::var("COST_RHYTHM_ENGINE_PASSWORD").unwrap_or_default();
        options.credentials = Some(Credentials { user: user.clone(), password });
    }
    let runtime = io_runtime()?;
    runtime.block_on(async {
        let stop = signals::listen()?;
        let handle = Engine::start(options)?;
        println!("clickhouse engine listens on http://{}", handle.local_addr());
        let signal = stop.await;
        tracing::info!(signal, "ending in order");
        handle.shutdown().await?;
        Ok(ExitCode::SUCCESS)
    })
}
