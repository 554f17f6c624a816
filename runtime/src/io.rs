//! What the driver needs of the world.

use std::time::Duration;

use schemas::Timestamp;

/// A record of the log, borrowed from the client's buffers.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its offset.
    pub offset: i64,
    /// The timestamp in the log (LogAppendTime or CreateTime).
    pub timestamp: Timestamp,
    /// `None`: no key.
    pub key: Option<&'a [u8]>,
    /// `None`: a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Name and value; a null value is empty.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// What one poll brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Messages taken.
    pub messages: usize,
    /// The position after this poll: every offset before it was taken or is a gap (control records, aborted
    /// transactions, compacted away). `None` when unknown.
    pub position: Option<i64>,
    /// Is the position the end of the log?
    pub at_end: bool,
}

/// Something outside failed.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    /// It may work later: try again.
    #[error("{0}")]
    Transient(String),
    /// It will not work: the partition must stop (and, after a restart, resume from its snapshot).
    #[error("{0}")]
    Fatal(String),
    /// The partition now belongs to somebody else.
    #[error("partition lost")]
    Lost,
}

/// One partition of a log, positioned by its owner.
pub trait LogPartition: Send {
    /// Hands up to `most` messages to `take`, in offset order and several at a time; waits up to `wait` for the first one. `take` says
    /// how many it took, from the first on: when not all, the poll ends, and the next one hands out the others again.
    ///
    /// # Errors
    /// [`IoError`]
    fn poll(&mut self, most: usize, wait: Duration, take: &mut dyn FnMut(&[Message<'_>]) -> usize) -> Result<Polled, IoError>;

    /// Tells the log how far a snapshot reaches (Kafka: commits the offset, asynchronously and advisory).
    fn commit(&mut self, offset: i64);

    /// How many messages lie between the position and the end of the log, when known.
    fn lag(&self) -> Option<u64>;
}

/// A record to be produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRecord {
    /// To which topic.
    pub topic: OutTopic,
    /// To which partition; `None`: by the key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub payload: Option<Vec<u8>>,
    /// Headers, in order, repeats allowed.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// The topics that stages write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutTopic {
    /// `rollup-partials`
    Partials,
    /// `usage-events-dlq`
    DeadLetters,
    /// `cost-alerts`
    Alerts,
}

/// The outbox is full: ask again when something was acknowledged. Gives the value back.
#[derive(Debug)]
pub struct Full<T>(pub T);

/// Sends records, in order per topic and partition, idempotently. One per driver; a number of acknowledged records is enough
/// to know which, because acknowledgements are counted contiguously from the first record on.
pub trait Outbox: Send {
    /// Takes a record over; returns at once.
    ///
    /// # Errors
    /// [`Full`] when the bounded buffer is full.
    fn send(&mut self, record: OutRecord) -> Result<(), Full<OutRecord>>;

    /// How many of the records sent so far are acknowledged by the log, counted from the first without a gap.
    ///
    /// # Errors
    /// [`IoError::Fatal`] when one can never be acknowledged: nothing after it may be relied on.
    fn acknowledged(&mut self) -> Result<u64, IoError>;
}

/// A table that rows are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row per window, series and generation.
    Rollups,
    /// One row per counted event.
    UsageEvents,
    /// One row per alert event.
    Alerts,
    /// One row per budget, scope and period.
    Budgets,
    /// One row per watched series and hour.
    Rhythm,
    /// One row per projected budget, scope and hour.
    Pace,
    /// One row per rule, watched series and closed hour of what is not as usual.
    Anomalies,
    /// Progress of one shard on one input partition. Written after everything that was submitted before it.
    Accounts,
}

/// Rows in the table's binary form (a block in ClickHouse's `Native` format, see the `sinks` crate's `rows`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowBatch {
    /// Where to.
    pub table: Table,
    /// How many rows.
    pub rows: u32,
    /// The rows.
    pub bytes: Vec<u8>,
}

/// Writes rows. One per driver. Never gives up on a row: an outage is waited out, a row that the server will never take stops
/// the driver.
pub trait TableSink: Send {
    /// Takes rows over; returns at once.
    ///
    /// # Errors
    /// [`Full`] when the bounded buffer is full.
    fn submit(&mut self, batch: RowBatch) -> Result<(), Full<RowBatch>>;

    /// How many of the batches submitted so far are durable, counted from the first without a gap.
    ///
    /// # Errors
    /// [`IoError::Fatal`] when one can never be.
    fn acknowledged(&mut self) -> Result<u64, IoError>;
}

/// The only place where the wall clock is read.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
    /// Monotonic time since some fixed moment.
    fn monotonic(&self) -> Duration;
    /// Lets time pass.
    fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { started: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}
