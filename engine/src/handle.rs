//! Starting and stopping the engine.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::admission::Admission;
use crate::connection::Connection;
use crate::core::{Core, Occupancy};
use crate::error::EngineError;
use crate::http::Front;
use crate::keeper::Keeper;
use crate::options::EngineOptions;
use crate::{library, server};

/// How often a shutdown looks whether statements have ended.
const SHUTDOWN_POLL: Duration = Duration::from_millis(20);

/// Threads that read and write connections; statements have threads of their own.
const IO_THREADS: usize = 2;

/// The embedded engine; see [`Engine::start`].
#[derive(Debug)]
pub struct Engine;

impl Engine {
    /// Opens the directory and starts to answer. The engine brings its own threads and can be started from anywhere.
    ///
    /// # Errors
    /// [`EngineError`]: the library is missing or not the right one, the directory is in use, the address is taken, an
    /// option is out of its range, or this process runs an engine already.
    pub fn start(options: EngineOptions) -> Result<EngineHandle, EngineError> {
        check(&options)?;
        let symbols = library::load(&options.library)?;
        let occupancy = Occupancy::take(&options.data_dir)?;
        let data_dir =
            options.data_dir.canonicalize().map_err(|source| EngineError::Directory { data_dir: options.data_dir.clone(), source })?;

        let listen_failed = |source| EngineError::Listen { listen: options.listen, source };
        let listener = std::net::TcpListener::bind(options.listen).map_err(listen_failed)?;
        listener.set_nonblocking(true).map_err(listen_failed)?;
        let local_addr = listener.local_addr().map_err(listen_failed)?;

        // The process that embeds the engine decides what a signal means.
        // SAFETY: takes an integer and only sets a flag that is read when the engine opens.
        unsafe { (symbols.set_signal_handlers)(0) };
        let mut query_arguments = vec![
            // Without a suffix: an INSERT is answered when its part is in the table's directory.
            "--async_insert=0".to_owned(),
            // Text that is no statement is an error and not an expression.
            "--implicit_select=0".to_owned(),
            format!("--max_execution_time={}", options.limits.statement_timeout.as_secs()),
        ];
        query_arguments.extend(options.memory.query_arguments());
        let mut opening_arguments = options.memory.server_arguments();
        opening_arguments.extend_from_slice(&query_arguments);
        let mut connection = Connection::open(symbols, &data_dir, &opening_arguments)?;
        let (version, timezone) = identify(&mut connection).map_err(|message| EngineError::Open { data_dir: data_dir.clone(), message })?;

        let keeper = Keeper::start(connection, Arc::clone(&occupancy))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("engine-http")
            .enable_io()
            .enable_time()
            .build()
            .map_err(EngineError::Threads)?;
        let core = Arc::new(Core {
            symbols,
            data_dir,
            query_arguments,
            admission: Admission::new(&options.limits),
            limits: options.limits,
            credentials: options.credentials,
            version,
            timezone,
            stopping: watch::channel(false).0,
            occupancy: Mutex::new(Some(occupancy)),
            next_mark: AtomicU64::new(1),
        });
        let (stop, stopped) = watch::channel(false);
        let front = Front { core: Arc::clone(&core), keeper: keeper.clone() };
        let listener = {
            let _in_runtime = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(listen_failed)?
        };
        let serving = runtime.spawn(server::serve(listener, front, stopped));
        tracing::info!(%local_addr, version = core.version, "the embedded engine answers");
        Ok(EngineHandle { local_addr, core, keeper, stop, serving: Some(serving), runtime: Some(runtime) })
    }
}

fn check(options: &EngineOptions) -> Result<(), EngineError> {
    let limits = &options.limits;
    let positive = [
        ("limits.max_connections", limits.max_connections),
        ("limits.max_running", limits.max_running),
        ("limits.max_statement_bytes", limits.max_statement_bytes),
        ("memory.merge_threads", options.memory.merge_threads),
        ("memory.query_threads", options.memory.query_threads),
    ];
    for (name, value) in positive {
        if value == 0 {
            return Err(EngineError::InvalidOption { name, reason: "0 is not allowed, choose at least 1".to_owned() });
        }
    }
    // hyper panics below this.
    if limits.max_header_bytes < 8192 {
        let reason = format!("{} is not allowed, choose at least 8192", limits.max_header_bytes);
        return Err(EngineError::InvalidOption { name: "limits.max_header_bytes", reason });
    }
    if options.credentials.is_none() && !options.listen.ip().is_loopback() {
        return Err(EngineError::Unprotected { listen: options.listen });
    }
    Ok(())
}

/// Asks the engine for its version and time zone.
fn identify(connection: &mut Connection) -> Result<(String, String), String> {
    let answer = connection.query(b"SELECT version(), serverTimezone()", "TSV", &[]).map_err(|error| error.message)?;
    let text = String::from_utf8_lossy(answer.bytes());
    let (version, timezone) = text.trim().split_once('\t').ok_or_else(|| format!("it does not tell its version: {text}"))?;
    Ok((version.to_owned(), timezone.to_owned()))
}

/// A running engine. Whoever can wait calls [`EngineHandle::shutdown`]; dropping it stops it within the same deadline and blocks until then.
/// One or the other must happen before the process ends: the library's exit handlers take its memory from under its running threads.
pub struct EngineHandle {
    local_addr: SocketAddr,
    core: Arc<Core>,
    keeper: Keeper,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EngineHandle").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

impl EngineHandle {
    /// Where the engine answers.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The engine's address as clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    /// The ClickHouse version inside, such as `26.7.2.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.core.version
    }

    /// Stops the engine: no new statements, running ones get half of the deadline to end and are then stopped, and the
    /// directory is closed.
    ///
    /// # Errors
    /// [`EngineError::ShutdownTimedOut`] at the deadline; what was acknowledged is on disk all the same.
    pub async fn shutdown(mut self) -> Result<(), EngineError> {
        let ended = self.end_in_order().await;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        ended
    }

    async fn end_in_order(&mut self) -> Result<(), EngineError> {
        let deadline = self.core.limits.shutdown_timeout;
        let started = Instant::now();
        self.stop.send_replace(true);
        self.core.admission.close();
        while self.core.admission.running() > 0 && started.elapsed() < deadline / 2 {
            sleep(SHUTDOWN_POLL).await;
        }
        self.core.stopping.send_replace(true);
        while self.core.admission.running() > 0 && started.elapsed() < deadline {
            self.keeper.stop_all();
            sleep(SHUTDOWN_POLL * 5).await;
        }
        let timed_out = |running| EngineError::ShutdownTimedOut { deadline, running };
        if self.core.admission.running() > 0 {
            return Err(timed_out(self.core.admission.running()));
        }
        if let Some(serving) = self.serving.take() {
            // Clients that do not read their last answers are left behind.
            timeout((deadline - started.elapsed().min(deadline)) / 2, serving).await.ok();
        }
        self.core.leave();
        let closed = self.keeper.close();
        while let Err(TryRecvError::Empty) = closed.try_recv() {
            if started.elapsed() > deadline {
                return Err(timed_out(0));
            }
            sleep(SHUTDOWN_POLL).await;
        }
        Ok(())
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let deadline = Instant::now() + self.core.limits.shutdown_timeout;
        self.stop.send_replace(true);
        self.core.admission.close();
        self.core.stopping.send_replace(true);
        while self.core.admission.running() > 0 && Instant::now() < deadline {
            self.keeper.stop_all();
            thread::sleep(SHUTDOWN_POLL);
        }
        self.core.leave();
        self.keeper.close().recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        runtime.shutdown_background();
    }
}
