//! Starting and stopping the writer, and the sink that each driver holds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use runtime::io::{Full, IoError, RowBatch, TableSink};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::client::ClickHouse;
use super::options::SinkOptions;
use super::queue::{Driver, Queue, RoundLimits, lock};
use super::state::{SinkState, StateCell};
use super::writer::{SinkObserver, Tokens, Writer};

/// Starts the writer.
#[derive(Debug)]
pub struct ClickHouseSink;

/// The running writer. Clones speak of the same one.
#[derive(Clone, Debug)]
pub struct ClickHouseHandle {
    queue: Arc<Queue>,
    state: Arc<StateCell>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// The deadline passed before everything was written. What was left is not lost: it is not acknowledged, so no snapshot stands
/// beyond it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{batches} batches ({rows} rows; {bytes} bytes with those under way) were left unwritten at the deadline; clickhouse: {state:?}")]
pub struct LeftBehind {
    /// Batches that no attempt was made for.
    pub batches: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes of everything that is not acknowledged.
    pub bytes: u64,
    /// Why, when the server is down.
    pub state: SinkState,
}

impl ClickHouseSink {
    /// Starts the writer on `runtime`. The migrations should have run.
    pub fn start(server: ClickHouse, options: SinkOptions, observer: Arc<dyn SinkObserver>, runtime: &Handle) -> ClickHouseHandle {
        let limits = RoundLimits { rows: options.max_batch_rows, bytes: options.max_batch_bytes };
        let queue = Arc::new(Queue::new(options.max_queue_bytes, limits));
        let state = Arc::new(StateCell::default());
        let writer = Writer { server, options, queue: Arc::clone(&queue), state: Arc::clone(&state), observer, tokens: Tokens::new() };
        let task = runtime.spawn(writer.run());
        ClickHouseHandle { queue, state, task: Arc::new(Mutex::new(Some(task))) }
    }
}

impl ClickHouseHandle {
    /// A sink of its own for one driver.
    pub fn table_sink(&self) -> ClickHouseTableSink {
        ClickHouseTableSink { queue: Arc::clone(&self.queue), driver: Arc::default(), submitted: 0 }
    }

    /// Is the server taking rows?
    pub fn state(&self) -> SinkState {
        self.state.get()
    }

    /// Bytes waiting or under way.
    pub fn queue_bytes(&self) -> u64 {
        self.queue.level().held_bytes
    }

    /// Batches waiting or under way.
    pub fn queue_batches(&self) -> u64 {
        self.queue.level().batches
    }

    /// Takes nothing more, writes what is there, and ends within the deadline.
    ///
    /// # Errors
    /// [`LeftBehind`] says what was not written.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), LeftBehind> {
        self.queue.close();
        let Some(mut task) = lock(&self.task).take() else { return Ok(()) };
        if timeout(deadline, &mut task).await.is_err() {
            task.abort();
        }
        let level = self.queue.level();
        if level.held_bytes == 0 {
            return Ok(());
        }
        Err(LeftBehind { batches: level.batches, rows: level.rows, bytes: level.held_bytes, state: self.state() })
    }
}

/// One driver's way to the tables. Dropping it withdraws nothing: rows are absolute values, so what a driver leaves behind is harmless.
#[derive(Debug)]
pub struct ClickHouseTableSink {
    queue: Arc<Queue>,
    driver: Arc<Driver>,
    submitted: u64,
}

impl TableSink for ClickHouseTableSink {
    fn submit(&mut self, batch: RowBatch) -> Result<(), Full<RowBatch>> {
        self.queue.push(&self.driver, self.submitted, batch)?;
        self.submitted += 1;
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<u64, IoError> {
        self.driver.acknowledged().map_err(IoError::Fatal)
    }
}
