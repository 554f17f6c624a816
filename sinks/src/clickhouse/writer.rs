//! The one task that writes: round by round, each the oldest batches of all drivers, merged per table.
//!
//! Within a round the tables are written at the same time, but the accounts after all others. A round is a prefix of the queue, so accounts are never
//! durable before what was submitted before them.
//!
//! | the server | what happens |
//! |---|---|
//! | takes the insert | its batches are acknowledged |
//! | fails in passing, or does not answer | the same bytes with the same token again, for ever, pauses doubling up to a bound |
//! | refuses it for good | the batches go one by one, so that only the drivers stop whose rows are refused by themselves |

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use runtime::io::Table;
use tokio::time::{sleep, timeout};

use super::client::ClickHouse;
use super::error::ClickHouseError;
use super::fault::Fault;
use super::options::SinkOptions;
use super::queue::{Queue, Submission};
use super::state::StateCell;

/// What happens in the sink, for meters. Called from the writer's task: must not block.
pub trait SinkObserver: Send + Sync + 'static {
    /// An insert became durable, `elapsed` after its first attempt began.
    fn inserted(&self, _table: Table, _rows: u64, _bytes: u64, _elapsed: Duration) {}
    /// An attempt failed and will be repeated.
    fn retried(&self, _table: Table) {}
    /// Rows were refused for good.
    fn refused(&self, _table: Table, _rows: u64) {}
}

/// Nobody watches.
impl SinkObserver for () {}

pub(crate) struct Writer {
    pub(crate) server: ClickHouse,
    pub(crate) options: SinkOptions,
    pub(crate) queue: Arc<Queue>,
    pub(crate) state: Arc<StateCell>,
    pub(crate) observer: Arc<dyn SinkObserver>,
    /// Makes the tokens of this process unlike any other's.
    pub(crate) tokens: Tokens,
}

impl Writer {
    /// Until the queue is closed and empty.
    pub(crate) async fn run(self) {
        while self.gather().await {
            let round = self.queue.take_round();
            self.write_round(round).await;
        }
    }

    /// Waits for work and a little longer for company. False: there will be no more.
    async fn gather(&self) -> bool {
        loop {
            let level = self.queue.level();
            if !level.is_empty {
                break;
            }
            if level.closed {
                return false;
            }
            self.queue.changed().await;
        }
        let full = async {
            loop {
                let level = self.queue.level();
                if level.is_full_round || level.closed {
                    break;
                }
                self.queue.changed().await;
            }
        };
        // Elapsed or not, there is something to write.
        let _elapsed = timeout(self.options.linger, full).await;
        true
    }

    async fn write_round(&self, round: Vec<Submission>) {
        let mut tables: BTreeMap<Table, Vec<Submission>> = BTreeMap::new();
        for submission in round {
            tables.entry(submission.table).or_default().push(submission);
        }
        let mut write = |table| self.write_table(table, tables.remove(&table).unwrap_or_default());
        let (rollups, events, alerts) = (write(Table::Rollups), write(Table::UsageEvents), write(Table::Alerts));
        let (budgets, rhythm, pace) = (write(Table::Budgets), write(Table::Rhythm), write(Table::Pace));
        let anomalies = write(Table::Anomalies);
        let accounts = write(Table::Accounts);
        tokio::join!(rollups, events, alerts, budgets, rhythm, pace, anomalies);
        accounts.await;
    }

    async fn write_table(&self, table: Table, submissions: Vec<Submission>) {
        // A driver that has stopped must not write what comes after the batch that stopped it.
        let (stopped, live): (Vec<_>, Vec<_>) = submissions.into_iter().partition(|submission| submission.driver.is_failed());
        for submission in &stopped {
            self.queue.release(submission);
        }
        match self.insert(table, &live).await {
            Ok(()) => self.settle(&live, None),
            Err(_) if live.len() > 1 => {
                for submission in live {
                    let alone = [submission];
                    let result = if alone[0].driver.is_failed() { Ok(()) } else { self.insert(table, &alone).await };
                    self.settle(&alone, result.err().as_ref());
                }
            }
            Err(error) => self.settle(&live, Some(&error)),
        }
    }

    fn settle(&self, submissions: &[Submission], error: Option<&ClickHouseError>) {
        for submission in submissions {
            match error {
                None if submission.driver.is_failed() => {}
                None => submission.driver.acknowledge(submission.sequence),
                Some(error) => {
                    submission.driver.fail(&error.to_string());
                    self.observer.refused(submission.table, submission.rows);
                }
            }
            self.queue.release(submission);
        }
        if let Some(error) = error {
            self.state.failed(error);
            tracing::error!(%error, "ClickHouse refuses rows for good: their partitions stop");
        }
    }

    /// Until the server has taken it or refuses it for good.
    async fn insert(&self, table: Table, submissions: &[Submission]) -> Result<(), ClickHouseError> {
        let pieces: Vec<Bytes> = submissions.iter().map(|s| s.bytes.clone()).filter(|bytes| !bytes.is_empty()).collect();
        if pieces.is_empty() {
            return Ok(());
        }
        let rows = submissions.iter().map(|s| s.rows).sum();
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        let token = self.tokens.next();
        let begun = Instant::now();
        let mut pause = self.options.first_pause;
        loop {
            match self.server.insert(table, &pieces, &token).await {
                Ok(()) => {
                    self.state.succeeded();
                    self.observer.inserted(table, rows, bytes, begun.elapsed());
                    return Ok(());
                }
                Err(error) if error.fault() == Fault::Passing => {
                    if self.state.failed(&error) {
                        tracing::warn!(%error, ?table, rows, "ClickHouse does not take rows; trying again until it does");
                    }
                    self.observer.retried(table);
                    sleep(pause).await;
                    pause = (pause * 2).min(self.options.longest_pause);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Deduplication tokens: the same for every attempt of an insert, and never the same for two inserts. They are not made of
/// the content: the same rows again, after an operator emptied the table, must be written again.
pub(crate) struct Tokens {
    process: u64,
    count: AtomicU64,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        // The standard library's hasher is seeded at random per process.
        Tokens { process: RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now())), count: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        format!("cost-rhythm-{:016x}-{}", self.process, self.count.fetch_add(1, Ordering::Relaxed))
    }
}
