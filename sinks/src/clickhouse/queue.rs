//! Batches of all drivers on their way to the server: bounded by bytes, in the order of submission.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use runtime::io::{Full, RowBatch, Table};
use tokio::sync::Notify;

/// What a batch costs beside its bytes, so that many small ones are bounded too.
const OVERHEAD_BYTES: u64 = 128;

/// One submitted batch.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) driver: Arc<Driver>,
    /// How many its driver had submitted before.
    pub(crate) sequence: u64,
    pub(crate) table: Table,
    pub(crate) rows: u64,
    pub(crate) bytes: Bytes,
}

impl Submission {
    fn cost(&self) -> u64 {
        self.bytes.len() as u64 + OVERHEAD_BYTES
    }
}

/// What is known of one driver's batches.
#[derive(Debug, Default)]
pub(crate) struct Driver(Mutex<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// Durable from the first one on, without a gap.
    acknowledged: u64,
    /// Durable beyond the first gap.
    ahead: BTreeSet<u64>,
    failed: Option<String>,
}

impl Driver {
    pub(crate) fn acknowledge(&self, sequence: u64) {
        let mut guard = lock(&self.0);
        let progress = &mut *guard;
        progress.ahead.insert(sequence);
        while progress.ahead.remove(&progress.acknowledged) {
            progress.acknowledged += 1;
        }
    }

    pub(crate) fn fail(&self, why: &str) {
        lock(&self.0).failed.get_or_insert_with(|| why.to_owned());
    }

    pub(crate) fn acknowledged(&self) -> Result<u64, String> {
        let progress = lock(&self.0);
        progress.failed.clone().map_or(Ok(progress.acknowledged), Err)
    }

    pub(crate) fn is_failed(&self) -> bool {
        lock(&self.0).failed.is_some()
    }
}

/// What one insert per table is made of at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundLimits {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    /// Waiting and under way.
    held_bytes: u64,
    waiting_rows: u64,
    waiting_bytes: u64,
    closed: bool,
}

/// The bounded queue between drivers and writer.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    max_bytes: u64,
    limits: RoundLimits,
    /// Something was put in, or the queue was closed.
    changed: Notify,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) batches: u64,
    pub(crate) rows: u64,
    /// Waiting and under way.
    pub(crate) held_bytes: u64,
    pub(crate) is_empty: bool,
    pub(crate) is_full_round: bool,
    pub(crate) closed: bool,
}

impl Queue {
    pub(crate) fn new(max_bytes: u64, limits: RoundLimits) -> Self {
        Queue { waiting: Mutex::default(), max_bytes, limits, changed: Notify::new() }
    }

    /// Takes a batch, or gives it back when the bound is reached. A batch larger than the bound passes when nothing else
    /// is held, or it never could.
    pub(crate) fn push(&self, driver: &Arc<Driver>, sequence: u64, batch: RowBatch) -> Result<(), Full<RowBatch>> {
        let mut guard = lock(&self.waiting);
        let waiting = &mut *guard;
        let cost = batch.bytes.len() as u64 + OVERHEAD_BYTES;
        let fits = waiting.held_bytes == 0 || waiting.held_bytes + cost <= self.max_bytes;
        if waiting.closed || driver.is_failed() || !fits {
            return Err(Full(batch));
        }
        waiting.held_bytes += cost;
        waiting.waiting_rows += u64::from(batch.rows);
        waiting.waiting_bytes += batch.bytes.len() as u64;
        let (table, rows, bytes) = (batch.table, u64::from(batch.rows), Bytes::from(batch.bytes));
        waiting.submissions.push_back(Submission { driver: Arc::clone(driver), sequence, table, rows, bytes });
        drop(guard);
        self.changed.notify_one();
        Ok(())
    }

    /// Takes the oldest batches, as many as one round may hold and at least one.
    pub(crate) fn take_round(&self) -> Vec<Submission> {
        let mut guard = lock(&self.waiting);
        let waiting = &mut *guard;
        let (mut rows, mut bytes, mut round) = (0, 0, Vec::new());
        while let Some(next) = waiting.submissions.front() {
            rows += next.rows;
            bytes += next.bytes.len() as u64;
            if !round.is_empty() && (rows > self.limits.rows || bytes > self.limits.bytes) {
                break;
            }
            let Some(taken) = waiting.submissions.pop_front() else { break };
            waiting.waiting_rows -= taken.rows;
            waiting.waiting_bytes -= taken.bytes.len() as u64;
            round.push(taken);
        }
        round
    }

    /// Makes room again for what is durable or given up.
    pub(crate) fn release(&self, submission: &Submission) {
        let mut waiting = lock(&self.waiting);
        waiting.held_bytes = waiting.held_bytes.saturating_sub(submission.cost());
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.changed.notify_one();
    }

    pub(crate) fn level(&self) -> Level {
        let waiting = lock(&self.waiting);
        Level {
            batches: waiting.submissions.len() as u64,
            rows: waiting.waiting_rows,
            held_bytes: waiting.held_bytes,
            is_empty: waiting.submissions.is_empty(),
            is_full_round: waiting.waiting_rows >= self.limits.rows || waiting.waiting_bytes >= self.limits.bytes,
            closed: waiting.closed,
        }
    }

    /// Until something is put in or the queue is closed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// A panic elsewhere while the lock was held leaves plain numbers behind: they are still the best that is known.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(table: Table, length: usize) -> RowBatch {
        RowBatch { table, rows: 1, bytes: vec![0; length] }
    }

    fn queue(max_bytes: u64) -> Queue {
        Queue::new(max_bytes, RoundLimits { rows: 2, bytes: 10_000 })
    }

    #[test]
    fn beyond_the_bound_a_batch_is_given_back_until_there_is_room() {
        let (queue, driver) = (queue(2 * (100 + OVERHEAD_BYTES)), Arc::new(Driver::default()));
        assert!(queue.push(&driver, 0, batch(Table::Rollups, 100)).is_ok());
        assert!(queue.push(&driver, 1, batch(Table::Rollups, 100)).is_ok());
        let Full(back) = queue.push(&driver, 2, batch(Table::Rollups, 100)).unwrap_err();
        assert_eq!(back, batch(Table::Rollups, 100));
        let round = queue.take_round();
        assert!(queue.push(&driver, 2, batch(Table::Rollups, 100)).is_err(), "what is under way is still held");
        queue.release(&round[0]);
        assert!(queue.push(&driver, 2, batch(Table::Rollups, 100)).is_ok());
    }

    #[test]
    fn a_batch_larger_than_the_bound_passes_alone() {
        let (queue, driver) = (queue(10), Arc::new(Driver::default()));
        assert!(queue.push(&driver, 0, batch(Table::Rollups, 100)).is_ok());
        assert!(queue.push(&driver, 1, batch(Table::Rollups, 1)).is_err());
    }

    #[test]
    fn a_round_is_a_prefix_within_the_limits() {
        let (queue, driver) = (queue(1_000_000), Arc::new(Driver::default()));
        for sequence in 0..5 {
            queue.push(&driver, sequence, batch(Table::Rollups, 10)).unwrap();
        }
        let sequences: Vec<Vec<u64>> = (0..4).map(|_| queue.take_round().iter().map(|s| s.sequence).collect()).collect();
        assert_eq!(sequences, [vec![0, 1], vec![2, 3], vec![4], vec![]]);
    }

    #[test]
    fn acknowledgements_count_without_a_gap() {
        let driver = Driver::default();
        driver.acknowledge(1);
        driver.acknowledge(2);
        assert_eq!(driver.acknowledged(), Ok(0));
        driver.acknowledge(0);
        assert_eq!(driver.acknowledged(), Ok(3));
        driver.fail("no such column");
        driver.fail("later");
        assert_eq!(driver.acknowledged(), Err("no such column".to_owned()));
    }
}
