//! What a driver is given: its partition of the log, its ways out, its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runtime::io::{Clock, Full, IoError, LogPartition, Message, OutRecord, Outbox, Polled, RowBatch, TableSink};
use schemas::Timestamp;
use tokio::runtime::Runtime;

use crate::fault::Fault;
use crate::world::{Input, ProcessId, Shared};

/// Records that a driver may have under way.
const OUTBOX_RECORDS: usize = 64;
/// Most messages of one poll: small, so that polls fall anywhere.
const POLL_MESSAGES: usize = 7;

fn away() -> IoError {
    IoError::Transient("simulated".to_owned())
}

/// A partition of a log, read by a process.
pub(crate) struct SimLog {
    /// The world.
    pub(crate) world: Shared,
    /// Whose it is.
    pub(crate) process: ProcessId,
    /// Which log.
    pub(crate) input: Input,
    /// Which partition.
    pub(crate) partition: i32,
    /// The next offset.
    pub(crate) position: i64,
    /// Does the process know that the partition is another's now?
    pub(crate) lost: Arc<AtomicBool>,
}

impl LogPartition for SimLog {
    fn poll(&mut self, most: usize, _wait: Duration, take: &mut dyn FnMut(&[Message<'_>]) -> usize) -> Result<Polled, IoError> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(IoError::Lost);
        }
        let (records, end) = {
            let mut world = self.world.lock();
            let end = world.log(self.input, self.partition).len() as i64;
            if self.position < end {
                match world.call(self.process, true) {
                    Fault::None => {}
                    Fault::Fails | Fault::LiesAboutFailure => return Err(away()),
                    Fault::CrashBefore | Fault::CrashWithin | Fault::CrashAfter => {
                        world.kill(self.process);
                        return Err(away());
                    }
                }
            }
            let count = 1 + world.dice.below(most.min(POLL_MESSAGES));
            let records: Vec<_> = world.log(self.input, self.partition).iter().skip(self.position as usize).take(count).cloned().collect();
            (records, end)
        };
        let next = self.position + records.len() as i64;
        let found: Vec<_> = (self.position..).zip(&records).filter_map(|(offset, record)| Some((offset, record.as_ref()?))).collect();
        let headers: Vec<Vec<(&str, &[u8])>> = found
            .iter()
            .map(|(_, record)| record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect())
            .collect();
        let messages: Vec<Message<'_>> = found
            .iter()
            .zip(&headers)
            .map(|((offset, record), headers)| Message {
                offset: *offset,
                timestamp: Timestamp::from_micros(record.timestamp_us),
                key: record.key.as_deref(),
                payload: record.payload.as_deref(),
                headers,
            })
            .collect();
        let taken = if messages.is_empty() { 0 } else { take(&messages) };
        self.position = messages.get(taken).map_or(next, |message| message.offset);
        Ok(Polled { messages: taken, position: Some(self.position), at_end: self.position >= end })
    }

    fn commit(&mut self, offset: i64) {
        let mut world = self.world.lock();
        if !self.lost.load(Ordering::Relaxed) && world.is_alive(self.process) {
            world.committed.insert((self.input, self.partition), offset);
        }
    }

    fn lag(&self) -> Option<u64> {
        let world = self.world.lock();
        u64::try_from(world.log(self.input, self.partition).len() as i64 - self.position).ok()
    }
}

/// A driver's way to the topics.
pub(crate) struct SimOutbox {
    /// The world.
    pub(crate) world: Shared,
    /// Whose it is.
    pub(crate) process: ProcessId,
    /// Its number.
    pub(crate) outbox: usize,
}

impl Outbox for SimOutbox {
    fn send(&mut self, record: OutRecord) -> Result<(), Full<OutRecord>> {
        let mut world = self.world.lock();
        let is_full = world.records_under_way(self.outbox) >= OUTBOX_RECORDS || (world.faults.is_chaos() && world.dice.per_mille(10));
        if is_full && world.is_alive(self.process) {
            return Err(Full(record));
        }
        match world.call(self.process, false) {
            Fault::CrashBefore => world.kill(self.process),
            Fault::CrashWithin | Fault::CrashAfter => {
                world.fly(self.outbox, record);
                world.kill(self.process);
            }
            Fault::None | Fault::Fails | Fault::LiesAboutFailure => world.fly(self.outbox, record),
        }
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<u64, IoError> {
        Ok(self.world.lock().records_acknowledged(self.outbox))
    }
}

/// A driver's way to the tables.
pub(crate) struct SimTables {
    /// The world.
    pub(crate) world: Shared,
    /// Whose it is.
    pub(crate) process: ProcessId,
    /// Its number.
    pub(crate) sink: usize,
}

impl TableSink for SimTables {
    fn submit(&mut self, batch: RowBatch) -> Result<(), Full<RowBatch>> {
        let mut world = self.world.lock();
        if world.faults.is_chaos() && world.is_alive(self.process) && world.dice.per_mille(10) {
            return Err(Full(batch));
        }
        match world.call(self.process, false) {
            Fault::CrashBefore => world.kill(self.process),
            Fault::CrashWithin | Fault::CrashAfter => {
                world.insert(self.sink, batch);
                world.kill(self.process);
            }
            Fault::None | Fault::Fails | Fault::LiesAboutFailure => world.insert(self.sink, batch),
        }
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<u64, IoError> {
        Ok(self.world.lock().batches_acknowledged(self.sink))
    }
}

/// A process's clock. Whoever sleeps lets the world and the process's own tasks go on.
pub(crate) struct SimClock {
    /// The world.
    pub(crate) world: Shared,
    /// The process's tasks.
    pub(crate) tasks: Arc<Runtime>,
}

impl SimClock {
    /// Lets the process's tasks run for a moment: mostly too short for a whole snapshot, so that those of two processes interleave.
    pub(crate) fn run_tasks(&self) {
        let (turns, pauses) = {
            let mut world = self.world.lock();
            (1 + world.dice.below(4), world.dice.per_mille(200))
        };
        self.tasks.block_on(async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            if pauses {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.world.lock().now_us)
    }

    fn monotonic(&self) -> Duration {
        self.world.lock().monotonic
    }

    fn sleep(&self, duration: Duration) {
        {
            let mut world = self.world.lock();
            world.monotonic += duration;
            world.now_us += duration.as_micros() as i64;
            for _ in 0..4 {
                world.progress();
            }
        }
        self.run_tasks();
    }
}
