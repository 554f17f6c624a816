//! What an operator can choose, with every default in one place.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::memory::MemoryLimits;

/// Everything [`crate::Engine::start`] needs.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The `libchdb.so` to open; [`crate::find_library`] finds the installed one.
    pub library: PathBuf,
    /// Where tables live; created when missing. One process per directory.
    pub data_dir: PathBuf,
    /// Where to answer; port 0 chooses a free one. Anything but loopback needs [`Self::credentials`].
    pub listen: SocketAddr,
    /// The one user who may connect; `None` lets every local client in, whatever user it names.
    pub credentials: Option<Credentials>,
    /// Bounds of the HTTP front.
    pub limits: Limits,
    /// Bounds of the engine's memory and threads.
    pub memory: MemoryLimits,
}

impl EngineOptions {
    /// Options with every default: loopback on ClickHouse's usual port 8123, no password.
    #[must_use]
    pub fn new(library: PathBuf, data_dir: PathBuf) -> Self {
        Self {
            library,
            data_dir,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8123)),
            credentials: None,
            limits: Limits::default(),
            memory: MemoryLimits::default(),
        }
    }
}

/// A user and its password.
#[derive(Clone)]
pub struct Credentials {
    /// The user's name, usually `default`.
    pub user: String,
    /// The password in clear.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("user", &self.user).field("password", &"***").finish()
    }
}

/// Bounds of the HTTP front; beyond each of them a request is refused with an error that names the bound.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open TCP connections; further ones wait in the kernel's accept queue.
    pub max_connections: usize,
    /// Statements running at once, each on a thread and an engine connection of its own.
    pub max_running: usize,
    /// Statements waiting for a place; one more is refused with HTTP 503 and code 202.
    pub max_waiting: usize,
    /// How long a statement waits for a place before it is refused in the same way.
    pub waiting_timeout: Duration,
    /// Request line and headers together, in bytes (a query in the address counts here).
    pub max_header_bytes: usize,
    /// Header lines.
    pub max_headers: usize,
    /// How long a client may take to send its headers.
    pub header_timeout: Duration,
    /// How long a client may pause inside a body, or stop reading its answer.
    pub idle_timeout: Duration,
    /// One request's body in bytes, as sent and after decompression.
    pub max_body_bytes: u64,
    /// The text of a statement in bytes, without the data of an `INSERT`.
    pub max_statement_bytes: usize,
    /// A result that cannot be streamed, in bytes.
    pub max_buffered_result_bytes: u64,
    /// How long a statement may run when it does not set `max_execution_time` itself.
    pub statement_timeout: Duration,
    /// How long [`crate::EngineHandle::shutdown`] may take; running statements get half of it to end by themselves.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 256,
            max_running: 8,
            max_waiting: 64,
            waiting_timeout: Duration::from_secs(30),
            max_header_bytes: 1024 * 1024,
            max_headers: 100,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            max_body_bytes: 1024 * 1024 * 1024,
            max_statement_bytes: 256 * 1024,
            max_buffered_result_bytes: 256 * 1024 * 1024,
            statement_timeout: Duration::from_secs(300),
            shutdown_timeout: Duration::from_secs(15),
        }
    }
}
