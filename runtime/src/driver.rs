//! The loop around a stage: poll, fold, send, flush, wait for acknowledgements, snapshot, commit.
//!
//! One driver owns one partition and runs on a thread of its own; a partition that has to wait disturbs no other. `step` is one
//! turn of the loop, so that a simulator can stop between any two.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::io::{Clock, Full, IoError, LogPartition, OutRecord, Outbox, RowBatch, TableSink};
use crate::stage::{Effects, Stage, StageError, StageState, Taken};
use crate::status::{DriverState, StatusCell};
use crate::store::{SnapshotStore, ToSave};

/// How a driver paces itself.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Most messages of one poll.
    pub batch: usize,
    /// Between flushes when the end of the log is near.
    pub flush_interval: Duration,
    /// Between flushes while catching up, and at most otherwise: fewer, larger blocks.
    pub flush_interval_behind: Duration,
    /// What a flush has sent, in bytes, takes so much of the time until the next one: under load, what changes all the time is sent less often.
    pub flush_bytes_per_second: u32,
    /// Between snapshots.
    pub snapshot_interval: Duration,
    /// Silence at the log's end after which the partition counts as idle.
    pub idle_after: Duration,
}

impl Default for DriverOptions {
    fn default() -> Self {
        DriverOptions {
            batch: 1024,
            flush_interval: Duration::from_millis(100),
            flush_interval_behind: Duration::from_secs(5),
            flush_bytes_per_second: 4 * 1024 * 1024,
            snapshot_interval: Duration::from_secs(30),
            idle_after: Duration::from_secs(60),
        }
    }
}

/// How a turn of the loop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was done.
    Worked,
    /// Nothing to do just now.
    Idle,
}

/// Why a driver ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The stage cannot go on.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Something outside failed for good.
    #[error("CR-2001: {0}; the partition stops and resumes from its snapshot after a restart")]
    Outside(String),
    /// The partition belongs to somebody else now.
    #[error("partition lost")]
    Lost,
}

/// A snapshot that waits until everything sent before it is acknowledged.
struct Pending {
    offset: i64,
    is_final: bool,
    state: StageState,
    records: u64,
    batches: u64,
}

/// See the module's documentation.
pub struct Driver {
    stage: Box<dyn Stage>,
    log: Box<dyn LogPartition>,
    outbox: Box<dyn Outbox>,
    tables: Box<dyn TableSink>,
    store: Box<dyn SnapshotStore>,
    clock: Arc<dyn Clock>,
    options: DriverOptions,
    status: StatusCell,
    effects: Effects,
    /// Effects that did not fit into the bounded queues yet: nothing is polled while there are any.
    waiting_records: VecDeque<OutRecord>,
    waiting_batches: VecDeque<RowBatch>,
    records_sent: u64,
    batches_sent: u64,
    last_flush: Duration,
    /// See [`DriverOptions::flush_bytes_per_second`].
    flush_pause: Duration,
    last_snapshot: Duration,
    last_message: Duration,
    snapshot_offset: Option<i64>,
    pending: Option<Pending>,
    saving: bool,
    near_end: bool,
}

impl Driver {
    /// A driver over a stage that stands where the log is positioned.
    pub fn new(
        stage: Box<dyn Stage>,
        log: Box<dyn LogPartition>,
        outbox: Box<dyn Outbox>,
        tables: Box<dyn TableSink>,
        store: Box<dyn SnapshotStore>,
        clock: Arc<dyn Clock>,
        options: DriverOptions,
    ) -> Self {
        let now = clock.monotonic();
        let status = StatusCell::new(stage.position());
        Driver {
            stage,
            log,
            outbox,
            tables,
            store,
            clock,
            options,
            status,
            effects: Effects::default(),
            waiting_records: VecDeque::new(),
            waiting_batches: VecDeque::new(),
            records_sent: 0,
            batches_sent: 0,
            last_flush: now,
            flush_pause: Duration::ZERO,
            last_snapshot: now,
            last_message: now,
            snapshot_offset: None,
            pending: None,
            saving: false,
            near_end: false,
        }
    }

    /// What it says of itself.
    pub fn status(&self) -> StatusCell {
        self.status.clone()
    }

    /// Runs until `stop` is set, then ends in order within `grace`.
    ///
    /// # Errors
    /// [`DriverError`]; the status says the same.
    pub fn run(mut self, stop: &AtomicBool, grace: &dyn Fn() -> Duration) -> Result<(), DriverError> {
        let result = self.run_until(stop, grace);
        self.status.update(|status| {
            status.state = match &result {
                Ok(()) | Err(DriverError::Lost) => DriverState::Stopped,
                Err(error) => DriverState::Failed(error.to_string()),
            };
        });
        result
    }

    fn run_until(&mut self, stop: &AtomicBool, grace: &dyn Fn() -> Duration) -> Result<(), DriverError> {
        while !stop.load(Ordering::Relaxed) {
            self.step()?;
        }
        self.finish(grace())
    }

    /// One turn of the loop.
    ///
    /// # Errors
    /// [`DriverError`]
    pub fn step(&mut self) -> Result<Step, DriverError> {
        let mut step = Step::Idle;
        if self.send_effects() {
            step = self.poll()?;
        } else {
            self.status.update(|status| status.state = DriverState::Waiting("queues to Kafka or ClickHouse are full".to_owned()));
            self.clock_sleep(Duration::from_millis(5));
        }
        let now = self.clock.monotonic();
        self.flush_if_due(now)?;
        self.snapshot_if_due(now)?;
        self.settle()?;
        self.report();
        Ok(step)
    }

    fn clock_sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }

    /// Moves effects into the bounded queues, in order. `false` when they are full.
    fn send_effects(&mut self) -> bool {
        self.waiting_records.extend(self.effects.records.drain(..));
        self.waiting_batches.extend(self.effects.batches.drain(..));
        while let Some(record) = self.waiting_records.pop_front() {
            match self.outbox.send(record) {
                Ok(()) => self.records_sent += 1,
                Err(Full(record)) => {
                    self.waiting_records.push_front(record);
                    break;
                }
            }
        }
        while let Some(batch) = self.waiting_batches.pop_front() {
            match self.tables.submit(batch) {
                Ok(()) => self.batches_sent += 1,
                Err(Full(batch)) => {
                    self.waiting_batches.push_front(batch);
                    break;
                }
            }
        }
        self.waiting_records.is_empty() && self.waiting_batches.is_empty()
    }

    fn poll(&mut self) -> Result<Step, DriverError> {
        let until_flush = (self.last_flush + self.until_next_flush()).saturating_sub(self.clock.monotonic());
        // Never so long that an end would have to wait for it.
        let wait = until_flush.clamp(Duration::from_millis(1), self.options.flush_interval.max(Duration::from_millis(1)));
        let (stage, effects) = (&mut self.stage, &mut self.effects);
        let mut failed = None;
        let mut waits_for = None;
        let polled = self.log.poll(self.options.batch, wait, &mut |messages| {
            let taken = stage.apply(messages, effects).unwrap_or_else(|error| {
                failed = Some(error);
                Taken::default()
            });
            waits_for = taken.waits_for;
            taken.messages
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        let waits = waits_for.is_some();
        self.status.update(|status| status.state = waits_for.map_or(DriverState::Running, DriverState::Waiting));
        let polled = match polled {
            Ok(polled) => polled,
            Err(IoError::Transient(reason)) => {
                self.status.update(|status| status.state = DriverState::Waiting(reason));
                self.clock_sleep(Duration::from_millis(100));
                return Ok(Step::Idle);
            }
            Err(IoError::Fatal(reason)) => return Err(DriverError::Outside(reason)),
            Err(IoError::Lost) => return Err(DriverError::Lost),
        };
        let now = self.clock.monotonic();
        if waits {
            self.clock_sleep(Duration::from_millis(20));
        } else if let Some(position) = polled.position {
            self.stage.skip_to(position);
        }
        // How many messages a poll brings says nothing: the client hands out what one fetch has brought.
        self.near_end = polled.at_end || self.log.lag().is_none_or(|lag| lag <= self.options.batch as u64);
        if polled.messages > 0 || waits || !polled.at_end {
            self.last_message = now;
        } else if now.saturating_sub(self.last_message) >= self.options.idle_after {
            self.stage.idle(self.clock.now());
            self.last_message = now;
        }
        Ok(if polled.messages > 0 { Step::Worked } else { Step::Idle })
    }

    /// From one flush to the next.
    fn until_next_flush(&self) -> Duration {
        let (shortest, longest) = (self.options.flush_interval, self.options.flush_interval_behind.max(self.options.flush_interval));
        if self.near_end { self.flush_pause.clamp(shortest, longest) } else { longest }
    }

    fn flush_if_due(&mut self, now: Duration) -> Result<(), DriverError> {
        if now.saturating_sub(self.last_flush) >= self.until_next_flush() {
            let before = bytes(&self.effects);
            self.stage.flush(&mut self.effects)?;
            let sent = bytes(&self.effects).saturating_sub(before);
            self.flush_pause = Duration::from_secs_f64(sent as f64 / f64::from(self.options.flush_bytes_per_second.max(1)));
            self.last_flush = now;
        }
        Ok(())
    }

    fn snapshot_if_due(&mut self, now: Duration) -> Result<(), DriverError> {
        let busy = self.pending.is_some() || self.saving;
        let nothing_new = self.snapshot_offset == Some(self.stage.position());
        let is_due = now.saturating_sub(self.last_snapshot) >= self.options.snapshot_interval || self.stage.wants_snapshot();
        if !busy && !nothing_new && is_due {
            self.begin_snapshot(false)?;
            self.last_snapshot = now;
        }
        Ok(())
    }

    fn begin_snapshot(&mut self, is_final: bool) -> Result<(), DriverError> {
        self.stage.flush(&mut self.effects)?;
        self.send_effects();
        let state = self.stage.state()?;
        let records = self.records_sent + self.waiting_records.len() as u64;
        let batches = self.batches_sent + self.waiting_batches.len() as u64;
        self.pending = Some(Pending { offset: self.stage.position(), is_final, state, records, batches });
        Ok(())
    }

    /// Acknowledgements, the snapshot that waits for them, and its commit.
    fn settle(&mut self) -> Result<(), DriverError> {
        let records = settled(self.outbox.acknowledged())?;
        let batches = settled(self.tables.acknowledged())?;
        self.status.update(|status| status.in_flight = (self.records_sent + self.batches_sent).saturating_sub(records + batches));
        if let Some(pending) = self.pending.take_if(|pending| records >= pending.records && batches >= pending.batches) {
            self.store.save(ToSave { offset: pending.offset, is_final: pending.is_final, state: pending.state });
            self.saving = true;
        }
        match self.store.saved() {
            None => {}
            Some(Ok(saved)) => {
                self.saving = false;
                self.snapshot_offset = Some(saved.offset);
                self.stage.stored(saved.runs);
                self.log.commit(saved.offset);
            }
            // The segment that went with it is lost to later snapshots, so they could not be whole: the partition stops and
            // resumes from the last good one.
            Some(Err(error)) => return Err(DriverError::Outside(format!("snapshot cannot be saved: {error}"))),
        }
        Ok(())
    }

    fn report(&mut self) {
        let (position, lag, snapshot_offset, gauges) = (self.stage.position(), self.log.lag(), self.snapshot_offset, self.stage.gauges());
        self.status.update(|status| {
            status.position = position;
            status.lag = lag;
            status.snapshot_offset = snapshot_offset;
            status.gauges = gauges;
        });
    }

    /// Ends in order: sends everything, waits for the acknowledgements, takes a final snapshot. What is not done within
    /// `grace` is left to the next start, which resumes from the last snapshot: nothing is lost by it.
    ///
    /// # Errors
    /// [`DriverError`]
    pub fn finish(&mut self, grace: Duration) -> Result<(), DriverError> {
        let deadline = self.clock.monotonic() + grace;
        let mut asked = false;
        loop {
            let sent = self.send_effects();
            let busy = self.pending.is_some() || self.saving;
            if sent && !busy && !asked {
                self.begin_snapshot(true)?;
                asked = true;
            } else if sent && !busy && asked {
                return Ok(());
            }
            self.settle()?;
            if self.clock.monotonic() >= deadline {
                return Err(DriverError::Outside(format!("not everything was acknowledged within the grace of {} ms", grace.as_millis())));
            }
            self.clock_sleep(Duration::from_millis(2));
        }
    }
}

/// Payloads and rows.
fn bytes(effects: &Effects) -> usize {
    let records = effects.records.iter().filter_map(|record| record.payload.as_ref());
    records.map(Vec::len).sum::<usize>() + effects.batches.iter().map(|batch| batch.bytes.len()).sum::<usize>()
}

fn settled(count: Result<u64, IoError>) -> Result<u64, DriverError> {
    match count {
        Ok(count) => Ok(count),
        Err(IoError::Transient(reason) | IoError::Fatal(reason)) => Err(DriverError::Outside(reason)),
        Err(IoError::Lost) => Err(DriverError::Lost),
    }
}
