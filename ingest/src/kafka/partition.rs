//! One assigned partition, read in batches by its owner.

use std::{
    ffi::CString,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer},
};
use rdkafka_sys::rd_kafka_resp_err_t as Code;
use runtime::io::{IoError, LogPartition, Message, Polled};

use super::{
    TopicPartition, fault,
    group::GroupClient,
    native_queue::{Batch, NativeQueue, known_log_end, read_position},
    slice::Slice,
};

/// More messages than this are not taken from librdkafka at once.
const BATCH_MAX: usize = 1024;

/// The door to a partition's queue; the group closes it when the partition is taken away.
///
/// The queue belongs to the partition, not to the assignment: if the partition comes back later, a reader of the former
/// assignment that still waits on the queue would steal messages of the new one. So closing waits for it to come out.
#[derive(Debug)]
pub(super) struct Gate {
    queue: NativeQueue,
    closed: AtomicBool,
    reading: Mutex<()>,
}

impl Gate {
    pub(super) fn new(queue: NativeQueue) -> Self {
        Gate { queue, closed: AtomicBool::new(false), reading: Mutex::new(()) }
    }

    /// No message comes out after this. Returns at once, as a waiting reader is woken.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.queue.wake();
        let _out = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn read(&self, batch: &mut Batch, most: usize, wait: Duration) -> Result<(), IoError> {
        let _in = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_closed() {
            return Err(IoError::Lost);
        }
        self.queue.read(batch, most, wait);
        // Messages that came out before the door was closed were ours when they came.
        Ok(())
    }
}

/// One assigned partition of the group; a [`LogPartition`]. May be used on any thread, and dropped at any time: nobody reads
/// the partition then until it is assigned anew, here or elsewhere.
///
/// What its errors mean: see the table in `fault.rs`. A fatal error stays; the partition yields nothing more.
#[derive(Debug)]
pub struct KafkaPartition {
    name: TopicPartition,
    c_topic: CString,
    start: i64,
    position: i64,
    at_end: bool,
    /// An error that came after messages of the same batch: it is told by the next poll.
    pending: Option<IoError>,
    failure: Option<String>,
    // Before `client`: messages and queue must go before the client does.
    batch: Batch,
    /// How much of the batch is done with; the rest is there because the reader broke off.
    done: usize,
    gate: Arc<Gate>,
    client: Arc<GroupClient>,
}

impl KafkaPartition {
    pub(super) fn new(name: TopicPartition, c_topic: CString, start: i64, gate: Arc<Gate>, client: Arc<GroupClient>) -> Self {
        KafkaPartition {
            name,
            c_topic,
            start,
            position: start,
            at_end: false,
            pending: None,
            failure: None,
            batch: Batch::default(),
            done: 0,
            gate,
            client,
        }
    }

    /// Which partition.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The offset that reading began at.
    pub fn start(&self) -> i64 {
        self.start
    }

    fn fill(&mut self, most: usize, wait: Duration) -> Result<(), IoError> {
        if self.done < self.batch.len() {
            return Ok(());
        }
        self.batch.clear();
        self.done = 0;
        self.gate.read(&mut self.batch, most, Duration::ZERO)?;
        if self.batch.is_empty() && !wait.is_zero() {
            self.gate.read(&mut self.batch, 1, wait.max(Duration::from_millis(1)))?;
            if most > 1 && !self.batch.is_empty() {
                self.gate.read(&mut self.batch, most - 1, Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// A message's offset against what was read before.
    fn order_after(&self, position: i64, offset: i64) -> Result<Order, IoError> {
        match offset {
            _ if offset >= position => Ok(Order::Next),
            _ if offset < self.start => Ok(Order::BeforeStart),
            _ => Err(IoError::Fatal(format!(
                "{}: offset {offset} came when {position} was expected: the log was cut or made anew behind this reader",
                self.name
            ))),
        }
    }
}

/// Where a message stands.
enum Order {
    Next,
    BeforeStart,
}

impl LogPartition for KafkaPartition {
    fn poll(&mut self, most: usize, wait: Duration, take: &mut dyn FnMut(&[Message<'_>]) -> usize) -> Result<Polled, IoError> {
        if self.gate.is_closed() {
            return Err(IoError::Lost);
        }
        if let Some(failure) = &self.failure {
            return Err(IoError::Fatal(failure.clone()));
        }
        if let Some(pending) = self.pending.take() {
            return Err(pending);
        }
        let most = most.clamp(1, BATCH_MAX);
        self.fill(most, wait)?;

        let mut messages = 0;
        let mut position = self.position;
        let mut error = None;
        let mut done = self.done;
        let mut slice = Slice::new();
        let mut broken_off = None;
        for (place, raw) in self.batch.iter_from(self.done) {
            let order = match raw.error_code() {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => self.order_after(position, raw.offset()),
                code => Err(fault::classify(code, &format!("{}@{}", self.name, raw.offset()), &raw.error_text())),
            };
            // An error is told after the messages before it, and only if they were taken.
            if slice.is_full() || messages + slice.len() == most || order.is_err() {
                let handed_on = slice.hand_on(take);
                messages += handed_on.taken;
                broken_off = handed_on.left;
                if broken_off.is_some() || messages == most {
                    break;
                }
            }
            match order {
                Ok(Order::Next) => {
                    slice.push(place, raw);
                    position = raw.offset() + 1;
                }
                Ok(Order::BeforeStart) => {}
                Err(found) => error = Some(found),
            }
            done = place + 1;
            if matches!(error, Some(IoError::Fatal(_) | IoError::Lost)) {
                break;
            }
        }
        if broken_off.is_none() {
            let handed_on = slice.hand_on(take);
            messages += handed_on.taken;
            broken_off = handed_on.left;
        }
        if let Some((offset, place)) = broken_off {
            (position, done) = (offset, place);
        }
        let mut at_end = self.at_end && messages == 0;
        self.done = done;
        if self.done >= self.batch.len() {
            self.batch.clear();
            self.done = 0;
        }
        if messages == 0 && error.is_none() && self.batch.is_empty() {
            let client = self.client.consumer().client();
            // Control records at the end of the log bring no message, but are read.
            position = position.max(read_position(client, &self.c_topic, self.name.partition).unwrap_or(position));
            at_end = known_log_end(client, &self.c_topic, self.name.partition).is_some_and(|end| end <= position);
        }
        (self.position, self.at_end) = (position, at_end);
        if let Some(IoError::Fatal(text)) = &error {
            self.failure = Some(text.clone());
        }
        match error {
            Some(error) if messages == 0 => return Err(error),
            later => self.pending = later,
        }
        Ok(Polled { messages, position: Some(position), at_end })
    }

    fn commit(&mut self, offset: i64) {
        // After a loss the coordinator would refuse it at best; at worst it would set the new owner's offset back.
        if self.gate.is_closed() {
            return;
        }
        let mut offsets = TopicPartitionList::with_capacity(1);
        let added = offsets.add_partition_offset(&self.name.topic, self.name.partition, Offset::Offset(offset));
        let committed = added.and_then(|()| self.client.consumer().commit(&offsets, CommitMode::Async));
        if let Err(error) = committed {
            self.client.consumer().context().commit_refused(&error);
        }
    }

    fn lag(&self) -> Option<u64> {
        let end = known_log_end(self.client.consumer().client(), &self.c_topic, self.name.partition)?;
        Some(u64::try_from(end - self.position).unwrap_or(0))
    }
}
