//! SIGTERM and SIGINT.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the process is asked to end.
///
/// # Errors
/// The signals cannot be listened to.
pub async fn stop_requested() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
