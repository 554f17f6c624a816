//! A thread that does something every few seconds, until that is done or it is told to stop.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a flag to stop may go unseen.
const NAP: Duration = Duration::from_millis(100);

/// The thread.
pub(super) struct Ticking {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Ticking {
    /// Starts it; `stop` may be looked at by what it does.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn start(
        name: &str,
        every: Duration,
        stop: Arc<AtomicBool>,
        mut tick: impl FnMut() -> ControlFlow<()> + Send + 'static,
    ) -> std::io::Result<Self> {
        let stopped = Arc::clone(&stop);
        let run = move || {
            let mut last: Option<Instant> = None;
            while !stopped.load(Ordering::SeqCst) {
                std::thread::sleep(NAP);
                if last.is_some_and(|at| at.elapsed() < every) {
                    continue;
                }
                last = Some(Instant::now());
                if tick().is_break() {
                    return;
                }
            }
        };
        Ok(Ticking { stop, thread: std::thread::Builder::new().name(name.to_owned()).spawn(run)? })
    }

    /// Tells the thread to end, and waits for it at most so long.
    pub(super) fn stop(self, limit: Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        while !self.thread.is_finished() && begun.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
