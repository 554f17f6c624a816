//! SIGTERM and SIGINT.

use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on; the future ends when the process is asked to end, also if that was before it is first polled. To be called
/// within a tokio runtime.
///
/// # Errors
/// The signals cannot be listened to.
pub fn listen() -> std::io::Result<impl Future<Output = &'static str> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
