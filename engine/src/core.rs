//! What every statement of one engine shares.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::admission::Admission;
use crate::connection::Connection;
use crate::directory_lock::DirectoryLock;
use crate::error::EngineError;
use crate::ffi::Symbols;
use crate::options::{Credentials, Limits};

/// Every statement is marked with this in its `log_comment`, so that it can be found and stopped.
pub(crate) const MARK_PREFIX: &str = "cost-rhythm-";

/// Whether this process runs an engine: the library has room for one.
static OCCUPIED: AtomicBool = AtomicBool::new(false);

/// The directory and the process's one place for an engine, kept by everyone with an open connection: the last one
/// to let go frees both.
pub(crate) struct Occupancy {
    _lock: DirectoryLock,
    _slot: Slot,
}

impl Occupancy {
    /// Takes the process's place and the directory.
    pub(crate) fn take(data_dir: &std::path::Path) -> Result<Arc<Self>, EngineError> {
        let slot = Slot::take()?;
        Ok(Arc::new(Self { _lock: DirectoryLock::take(data_dir)?, _slot: slot }))
    }
}

/// The process's place.
struct Slot;

impl Slot {
    fn take() -> Result<Self, EngineError> {
        if OCCUPIED.swap(true, Ordering::AcqRel) { Err(EngineError::AlreadyRunning) } else { Ok(Self) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        OCCUPIED.store(false, Ordering::Release);
    }
}

/// The engine as a statement sees it.
pub(crate) struct Core {
    pub(crate) symbols: &'static Symbols,
    pub(crate) data_dir: PathBuf,
    /// Settings every connection starts with.
    pub(crate) query_arguments: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) admission: Admission,
    /// The engine's version, for messages and headers.
    pub(crate) version: String,
    /// The engine's time zone, for a header.
    pub(crate) timezone: String,
    /// Set when statements are to end at once.
    pub(crate) stopping: watch::Sender<bool>,
    /// Gone once the engine shuts down.
    pub(crate) occupancy: Mutex<Option<Arc<Occupancy>>>,
    /// Numbers the statements.
    pub(crate) next_mark: AtomicU64,
}

impl Core {
    /// A connection for one statement, with `extra` arguments for it alone.
    pub(crate) fn connect(&self, extra: &[String]) -> Result<Connection, EngineError> {
        let arguments: Vec<String> = self.query_arguments.iter().chain(extra).cloned().collect();
        Connection::open(self.symbols, &self.data_dir, &arguments)
    }

    /// A share of the directory, or nothing once the engine shuts down.
    pub(crate) fn occupancy(&self) -> Option<Arc<Occupancy>> {
        self.occupancy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives up the engine's own share of the directory.
    pub(crate) fn leave(&self) {
        drop(self.occupancy.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Returns when statements are to end at once.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        stopping.wait_for(|stopping| *stopping).await.ok();
    }

    /// A mark no other running statement has.
    pub(crate) fn new_mark(&self) -> String {
        format!("{MARK_PREFIX}{}.", self.next_mark.fetch_add(1, Ordering::Relaxed))
    }
}
