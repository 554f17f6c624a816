//! What can go wrong with the engine itself; what a statement gets wrong is answered to its client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why the engine did not start or did not stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The library is not installed. Configuration; not worth a retry.
    #[error("the engine's library is missing, looked for {}; install it with scripts/install-engine.sh or name it in COST_RHYTHM_ENGINE_LIB", .path.display())]
    LibraryMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Neither `HOME` nor `COST_RHYTHM_CACHE` says where the library could be. Configuration.
    #[error("cannot tell where the engine's library is: set HOME, COST_RHYTHM_CACHE or COST_RHYTHM_ENGINE_LIB")]
    NoCacheDirectory,
    /// The file is there but is not a `libchdb.so` this crate can use. Configuration.
    #[error("cannot use {} as the engine's library (version {expected} is expected, scripts/install-engine.sh installs it)", .path.display())]
    LibraryUnusable {
        /// The file.
        path: PathBuf,
        /// The version this crate is written for.
        expected: &'static str,
        /// What the loader said.
        #[source]
        source: libloading::Error,
    },
    /// This process already opened another library file; it cannot be unloaded.
    #[error("this process already uses {} as the engine's library and cannot change to {}", .loaded.display(), .asked.display())]
    LibraryChanged {
        /// The file in use.
        loaded: PathBuf,
        /// The file asked for.
        asked: PathBuf,
    },
    /// A second engine in one process.
    #[error("this process already runs an engine: shut it down before starting another")]
    AlreadyRunning,
    /// Another process has the directory.
    #[error("{} is used by another engine ({owner}): stop it or choose another directory, one process per directory", .data_dir.display())]
    DirectoryInUse {
        /// The directory.
        data_dir: PathBuf,
        /// What the lock file says of its owner.
        owner: String,
    },
    /// The directory cannot be created, locked or written.
    #[error("cannot use {} as the engine's data directory", .data_dir.display())]
    Directory {
        /// The directory.
        data_dir: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An option that the engine cannot be given. Configuration.
    #[error("invalid engine option {name}: {reason}")]
    InvalidOption {
        /// The option.
        name: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Listening beyond this machine without a password. Configuration.
    #[error("refusing to listen on {listen} without a password: set credentials or listen on loopback")]
    Unprotected {
        /// The address asked for.
        listen: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A thread or the I/O runtime could not be started.
    #[error("cannot start the engine's threads")]
    Threads(#[source] std::io::Error),
    /// The engine refused to open its directory.
    #[error("the engine cannot open {}: {message}", .data_dir.display())]
    Open {
        /// The directory.
        data_dir: PathBuf,
        /// What the engine said, or where it said it.
        message: String,
    },
    /// Statements or merges did not end in time; the process should exit, its directory stays locked until then.
    #[error("the engine did not stop within {deadline:?}: {running} statements still ran; acknowledged data is safe, end the process")]
    ShutdownTimedOut {
        /// The time that was allowed.
        deadline: Duration,
        /// Statements that did not end.
        running: usize,
    },
}
