//! The driver against parts in memory: what is durable before what, what a crash at any step leaves, what full queues and waiting do.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runtime::io::{Clock, Full, IoError, LogPartition, Message, OutRecord, OutTopic, Outbox, Polled, RowBatch, TableSink};
use runtime::stage::StageState;
use runtime::store::{Holdings, Saved, SnapshotStore, ToSave};
use runtime::{Driver, DriverOptions, Effects, Stage, StageError, Taken};
use schemas::Timestamp;

/// What outlives a driver.
#[derive(Default)]
struct World {
    /// The log: number i stands at offset i.
    length: AtomicI64,
    /// What the outbox has taken, acknowledged or not: (position, sum).
    taken: Mutex<Vec<(i64, i64)>>,
    /// The newest snapshot.
    saved: Mutex<Option<(ToSave, u64)>>,
    committed: AtomicI64,
    /// Milliseconds; each reading lets one pass.
    now: AtomicU64,
    /// Does the log acknowledge?
    acknowledges: AtomicBool,
    /// Room in the outbox.
    room: AtomicU64,
    /// The stage does not take this number while it is set.
    waits_at: AtomicI64,
    /// How often the stage was asked for what has changed.
    flushes: AtomicU64,
}

struct Parts(Arc<World>);

impl Clock for Parts {
    fn now(&self) -> Timestamp {
        Timestamp::MIN
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.now.fetch_add(1, Ordering::SeqCst))
    }
    fn sleep(&self, duration: Duration) {
        self.0.now.fetch_add(duration.as_millis() as u64, Ordering::SeqCst);
    }
}

struct Log {
    world: Arc<World>,
    position: i64,
}

impl LogPartition for Log {
    fn poll(&mut self, most: usize, _: Duration, take: &mut dyn FnMut(&[Message<'_>]) -> usize) -> Result<Polled, IoError> {
        let end = self.world.length.load(Ordering::SeqCst).min(self.position + most.min(3) as i64);
        let payloads: Vec<[u8; 8]> = (self.position..end).map(i64::to_le_bytes).collect();
        let message = |(offset, payload)| Message { offset, timestamp: Timestamp::MIN, key: None, payload: Some(payload), headers: &[] };
        let all: Vec<Message<'_>> = (self.position..end).zip(payloads.iter().map(|payload| &payload[..])).map(message).collect();
        let mut messages = 0;
        // Two at a time, then the rest.
        for slice in all.chunks(2) {
            let taken = take(slice);
            messages += taken;
            if taken < slice.len() {
                break;
            }
        }
        self.position += messages as i64;
        Ok(Polled { messages, position: Some(self.position), at_end: messages == 0 })
    }
    fn commit(&mut self, offset: i64) {
        self.world.committed.store(offset, Ordering::SeqCst);
    }
    fn lag(&self) -> Option<u64> {
        None
    }
}

struct Box1 {
    world: Arc<World>,
    sent: u64,
}

impl Outbox for Box1 {
    fn send(&mut self, record: OutRecord) -> Result<(), Full<OutRecord>> {
        if self.world.room.load(Ordering::SeqCst) == 0 {
            return Err(Full(record));
        }
        let payload = record.payload.unwrap();
        let number = |at: usize| i64::from_le_bytes(payload[at..at + 8].try_into().unwrap());
        self.world.taken.lock().unwrap().push((number(0), number(8)));
        self.sent += 1;
        Ok(())
    }
    fn acknowledged(&mut self) -> Result<u64, IoError> {
        Ok(if self.world.acknowledges.load(Ordering::SeqCst) { self.sent } else { 0 })
    }
}

struct NoTables;

impl TableSink for NoTables {
    fn submit(&mut self, _: RowBatch) -> Result<(), Full<RowBatch>> {
        Ok(())
    }
    fn acknowledged(&mut self) -> Result<u64, IoError> {
        Ok(0)
    }
}

struct Store(Arc<World>, Option<i64>);

impl SnapshotStore for Store {
    fn load(&mut self) -> Result<Holdings, IoError> {
        Ok(Holdings::default())
    }
    fn save(&mut self, snapshot: ToSave) {
        let taken = self.0.taken.lock().unwrap().len() as u64;
        self.1 = Some(snapshot.offset);
        *self.0.saved.lock().unwrap() = Some((snapshot, taken));
    }
    fn saved(&mut self) -> Option<Result<Saved, IoError>> {
        self.1.take().map(|offset| Ok(Saved { offset, runs: Vec::new() }))
    }
}

/// Sums up the numbers; a flush sends the sum with its position.
struct Sum {
    world: Arc<World>,
    position: i64,
    sum: i64,
    sent: i64,
}

impl Stage for Sum {
    fn apply(&mut self, messages: &[Message<'_>], _: &mut Effects) -> Result<Taken, StageError> {
        for (number, message) in messages.iter().enumerate() {
            if message.offset == self.world.waits_at.load(Ordering::SeqCst) {
                return Ok(Taken { messages: number, waits_for: Some("not yet".to_owned()) });
            }
            assert_eq!(message.offset, self.position, "every offset once, in order");
            self.sum += i64::from_le_bytes(message.payload.unwrap().try_into().unwrap());
            self.position += 1;
        }
        Ok(Taken { messages: messages.len(), waits_for: None })
    }
    fn skip_to(&mut self, offset: i64) {
        assert!(offset <= self.position, "nothing is skipped here");
    }
    fn flush(&mut self, effects: &mut Effects) -> Result<(), StageError> {
        self.world.flushes.fetch_add(1, Ordering::SeqCst);
        if self.sent < self.position {
            let payload = [self.position.to_le_bytes(), self.sum.to_le_bytes()].concat();
            effects.records.push(OutRecord {
                topic: OutTopic::Partials,
                partition: None,
                key: None,
                payload: Some(payload),
                headers: Vec::new(),
            });
            self.sent = self.position;
        }
        Ok(())
    }
    fn idle(&mut self, _: Timestamp) {}
    fn position(&self) -> i64 {
        self.position
    }
    fn state(&mut self) -> Result<StageState, StageError> {
        Ok(StageState { body: [self.position.to_le_bytes(), self.sum.to_le_bytes()].concat(), segment: None, today: 0, horizon_days: 0 })
    }
    fn gauges(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

fn world(length: i64) -> Arc<World> {
    let world = World { acknowledges: true.into(), room: 1.into(), waits_at: (-1).into(), ..World::default() };
    world.length.store(length, Ordering::SeqCst);
    Arc::new(world)
}

fn driver(world: &Arc<World>) -> Driver {
    let options = DriverOptions {
        flush_interval: Duration::from_millis(5),
        flush_interval_behind: Duration::from_millis(10),
        snapshot_interval: Duration::from_millis(25),
        ..DriverOptions::default()
    };
    driver_with(world, options)
}

fn driver_with(world: &Arc<World>, options: DriverOptions) -> Driver {
    let saved = world.saved.lock().unwrap().as_ref().map(|(snapshot, _)| snapshot.state.body.clone()).unwrap_or(vec![0; 16]);
    let number = |at: usize| i64::from_le_bytes(saved[at..at + 8].try_into().unwrap());
    let (position, sum) = (number(0), number(8));
    Driver::new(
        Box::new(Sum { world: Arc::clone(world), position, sum, sent: position }),
        Box::new(Log { world: Arc::clone(world), position }),
        Box::new(Box1 { world: Arc::clone(world), sent: 0 }),
        Box::new(NoTables),
        Box::new(Store(Arc::clone(world), None)),
        Arc::new(Parts(Arc::clone(world))),
        options,
    )
}

/// Every value ever sent is the right sum for its position, and the last one is of the whole log.
fn assert_sums(world: &World) {
    let taken = world.taken.lock().unwrap();
    assert!(taken.iter().all(|(position, sum)| *sum == position * (position - 1) / 2), "{taken:?}");
    let last = taken.iter().map(|(position, _)| *position).max();
    assert_eq!(last, Some(world.length.load(Ordering::SeqCst)));
}

#[test]
fn a_crash_at_any_step_ends_with_the_same_sums() {
    for crash_after in 0..120 {
        let world = world(100);
        let mut first = driver(&world);
        for _ in 0..crash_after {
            first.step().unwrap();
        }
        drop(first);
        let mut second = driver(&world);
        for _ in 0..120 {
            second.step().unwrap();
        }
        second.finish(Duration::from_secs(10)).unwrap();
        assert_sums(&world);
        let (last, _) = world.saved.lock().unwrap().clone().unwrap();
        assert_eq!((last.offset, last.is_final, world.committed.load(Ordering::SeqCst)), (100, true, 100), "crash after {crash_after}");
    }
}

#[test]
fn a_snapshot_waits_until_everything_before_it_is_acknowledged() {
    let world = world(50);
    world.acknowledges.store(false, Ordering::SeqCst);
    let mut driver = driver(&world);
    for _ in 0..200 {
        driver.step().unwrap();
    }
    assert!(world.saved.lock().unwrap().is_none() && world.committed.load(Ordering::SeqCst) == 0);
    world.acknowledges.store(true, Ordering::SeqCst);
    for _ in 0..200 {
        driver.step().unwrap();
    }
    let (snapshot, taken_then) = world.saved.lock().unwrap().clone().unwrap();
    let taken = world.taken.lock().unwrap();
    assert!(taken[..taken_then as usize].iter().any(|(position, _)| *position == snapshot.offset), "what it stands for was sent before");
}

#[test]
fn without_acknowledgements_the_end_keeps_its_deadline_and_leaves_no_final_snapshot() {
    let world = world(10);
    world.acknowledges.store(false, Ordering::SeqCst);
    let mut driver = driver(&world);
    for _ in 0..20 {
        driver.step().unwrap();
    }
    let begun = world.now.load(Ordering::SeqCst);
    assert!(driver.finish(Duration::from_secs(1)).is_err());
    assert!(world.now.load(Ordering::SeqCst) - begun < 1_200);
    assert!(world.saved.lock().unwrap().is_none());
}

#[test]
fn a_full_outbox_stops_the_reading_and_loses_nothing() {
    let world = world(10_000);
    world.room.store(0, Ordering::SeqCst);
    let mut driver = driver(&world);
    for _ in 0..100 {
        driver.step().unwrap();
    }
    assert!(driver.status().get().position < 100, "{:?}", driver.status().get());
    world.room.store(1, Ordering::SeqCst);
    for _ in 0..4_000 {
        driver.step().unwrap();
    }
    driver.finish(Duration::from_secs(10)).unwrap();
    assert_sums(&world);
}

#[test]
fn a_message_that_has_to_wait_is_offered_again_and_none_after_it_before() {
    let world = world(20);
    world.waits_at.store(7, Ordering::SeqCst);
    let mut driver = driver(&world);
    for _ in 0..50 {
        driver.step().unwrap();
    }
    assert_eq!(driver.status().get().position, 7);
    assert!(matches!(driver.status().get().state, runtime::DriverState::Waiting(reason) if reason == "not yet"));
    world.waits_at.store(-1, Ordering::SeqCst);
    for _ in 0..50 {
        driver.step().unwrap();
    }
    driver.finish(Duration::from_secs(10)).unwrap();
    assert_sums(&world);
}

/// A value has 16 bytes and each step takes some milliseconds: at 160 bytes a second 100 ms lie between two flushes, not 5.
#[test]
fn the_more_a_flush_sends_the_longer_the_next_one_waits_up_to_a_limit() {
    let flushes = |flush_bytes_per_second, flush_interval_behind| {
        let world = world(1_000_000);
        let options = DriverOptions {
            flush_interval: Duration::from_millis(5),
            flush_interval_behind,
            flush_bytes_per_second,
            snapshot_interval: Duration::from_secs(1_000_000),
            ..DriverOptions::default()
        };
        let mut driver = driver_with(&world, options);
        while world.now.load(Ordering::SeqCst) < 10_000 {
            driver.step().unwrap();
        }
        world.flushes.load(Ordering::SeqCst)
    };
    let (long, short) = (Duration::from_secs(60), Duration::from_millis(50));
    assert!((90..=100).contains(&flushes(160, long)), "{}", flushes(160, long));
    assert!((170..=200).contains(&flushes(160, short)), "{}", flushes(160, short));
    assert!(flushes(1_000_000, long) > 1000, "{}", flushes(1_000_000, long));
}
