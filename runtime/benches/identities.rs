//! Recognising repeats over the whole horizon: memory and disk for each identity, look-ups per second, and how many of them read from disk.
//!
//! One partition's meter folds events of 35 days, seals and stores identities as the service does, and restarts. Figures are printed at each
//! tenfold; rates of new events are of the partition's thread alone (making the events included), those of repeats of the clock. `IDENTITIES=100000000 cargo bench -p runtime --bench identities`; the disk must have room for 60 bytes for each.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::local::LocalFileSystem;
use processor::meter::{Fate, LookAhead, Meter, MeterPlace, MeterRules};
use processor::pricing::Pricer;
use runtime::io::SystemClock;
use runtime::object_snapshots::{ObjectSnapshots, SnapshotPlace};
use runtime::stage::StageState;
use runtime::store::{SnapshotStore, ToSave};
use rustix::time::{ClockId, clock_gettime};
use schemas::timestamp::DAY_US;
use schemas::{Dimension, Event, GroupingSet, Kind, Timestamp, Tokens};

/// As many events as the pipeline folds at once.
const GROUP: usize = 64;
/// The default of `limits.recent_identities`.
const RECENT: usize = 1_000_000;
const START: i64 = 1_795_305_600_000_000;
const MEASURED: u64 = 1_000_000;

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

struct Bench {
    meter: Meter,
    store: ObjectSnapshots,
    ahead: LookAhead,
    /// Microseconds of event time from one event to the next.
    step: i64,
    offset: i64,
    saving: bool,
}

impl Bench {
    /// Folds `count` events, of which `number_of` says which of all events each is.
    fn fold(&mut self, count: u64, number_of: impl Fn(u64) -> u64, is_expected: fn(&Fate) -> bool) {
        let mut ids: [String; GROUP] = std::array::from_fn(|_| String::new());
        for first in (0..count).step_by(GROUP) {
            let numbers: [u64; GROUP] = std::array::from_fn(|k| number_of(first + k as u64));
            for (id, number) in ids.iter_mut().zip(numbers) {
                id.clear();
                write!(id, "req-{:016x}", mix(number)).unwrap();
            }
            let events: [Event<'_>; GROUP] = std::array::from_fn(|k| self.event(&ids[k], numbers[k]));
            let mut group = self.ahead.over(&events);
            for event in &events {
                let (_, fate) = self.meter.fold_next(self.offset, event.occurred_at, &mut group).unwrap();
                assert!(is_expected(&fate), "{fate:?}");
                self.offset += 1;
            }
            if first % (1 << 14) == 0 {
                self.meter.flush();
                self.meter.take_blocks();
                self.snapshot();
            }
        }
    }

    fn event<'a>(&self, id: &'a str, number: u64) -> Event<'a> {
        let mut dimensions = [""; Dimension::COUNT];
        dimensions[Dimension::Provider as usize] = "openai";
        dimensions[Dimension::Model as usize] = "gpt-5";
        Event {
            source: "bench",
            event_id: id,
            occurred_at: Timestamp::from_micros(START + number as i64 * self.step),
            kind: Kind::Llm,
            adjusts: "",
            dimensions,
            tokens: Tokens { uncached_input: (number % 4000) as i64, output: 7, ..Tokens::default() },
            usage_known: true,
            amount: None,
            revenue: None,
            latency_ms: None,
            status: "ok",
            error_type: "",
            tags: &[],
            attributes: &[],
        }
    }

    /// As the driver does: one at a time, when there is something to seal; with too many identities in memory the partition waits.
    fn snapshot(&mut self) {
        self.settle_or_seal();
        while self.saving && self.meter.identities_in_memory() > 4 * RECENT {
            std::thread::sleep(Duration::from_millis(1));
            self.settle_or_seal();
        }
    }

    fn settle_or_seal(&mut self) {
        if let Some(saved) = self.store.saved() {
            self.meter.stored(saved.unwrap().runs);
            self.saving = false;
        }
        if self.meter.wants_sealing() && !self.saving {
            let body = self.meter.snapshot().unwrap();
            let segment = self.meter.take_segment();
            let (today, horizon_days) = (self.meter.watermark().micros() / DAY_US, self.meter.horizon_days());
            let state = StageState { body, segment: Some(segment), today, horizon_days };
            self.store.save(ToSave { offset: self.offset, is_final: false, state });
            self.saving = true;
        }
    }

    fn settle(&mut self) {
        self.settle_or_seal();
        while self.saving {
            std::thread::sleep(Duration::from_millis(1));
            self.settle_or_seal();
        }
    }
}

fn disk_bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { disk_bytes(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}

/// Processor time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap().as_secs_f64()
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1000
}

fn main() {
    let total: u64 = std::env::var("IDENTITIES").map_or(100_000_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let open = || {
        let store = Arc::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap().with_fsync(true));
        let place = SnapshotPlace { stage: "meter".into(), topic: "in".into(), partition: 0, log_id: "c".into(), rules: "r".into() };
        ObjectSnapshots::new(store, place, Arc::new(SystemClock::default()), runtime.handle().clone())
    };
    let place = MeterPlace { topic: "in".into(), partition: 0, inputs: 1, shards: 1 };
    let rules = || MeterRules { horizon_us: 35 * DAY_US, ..MeterRules::new(vec![GroupingSet::new("total", &[])]) };
    let meter = Meter::new(rules(), place.clone(), Pricer::without_prices(), 0).sealing_at(RECENT);
    let mut store = open();
    store.load().unwrap();
    let step = 35 * DAY_US / total as i64;
    let mut bench = Bench { meter, store, ahead: LookAhead::default(), step, offset: 0, saving: false };
    println!("one partition, events over 35 days, {RECENT} identities in memory at least, then runs");
    println!(
        "{:>11} {:>6} {:>11} {:>11} {:>13} {:>13} {:>15} {:>12} {:>13} {:>9}",
        "identities", "runs", "memory", "resident", "in memory/id", "on disk/id", "new events/s", "reads/new", "repeats/s", "restart"
    );
    let mut done = 0;
    for size in [1_000_000, 10_000_000, 30_000_000, 100_000_000, 300_000_000].into_iter().filter(|size| *size <= total) {
        bench.fold(size - MEASURED - done, |n| done + n, |fate| matches!(fate, Fate::Counted(_)));
        bench.settle();
        let (reads, begun) = (bench.meter.identities_read(), cpu_seconds());
        bench.fold(MEASURED, |n| size - MEASURED + n, |fate| matches!(fate, Fate::Counted(_)));
        let new_rate = MEASURED as f64 / (cpu_seconds() - begun);
        let read_share = (bench.meter.identities_read() - reads) as f64 / MEASURED as f64;
        bench.settle();
        done = size;
        // Repeats of any age: nearly each is read from the disk.
        bench.fold(GROUP as u64, |n| n, |fate| matches!(fate, Fate::Duplicate));
        bench.settle();
        let (count, begun) = (MEASURED / 10, Instant::now());
        bench.fold(count, |n| mix(n) % size, |fate| matches!(fate, Fate::Duplicate));
        let repeat_rate = count as f64 / begun.elapsed().as_secs_f64();
        bench.settle();
        let begun = Instant::now();
        let loaded = open().load().unwrap().newest;
        let restart = begun.elapsed();
        // Only who has loaded last removes what is old.
        bench.store.load().unwrap();
        let (memory, disk) = (bench.meter.bytes() as f64, disk_bytes(directory.path()) as f64);
        println!(
            "{size:>11} {:>6} {:>8.0} MB {:>8} MB {:>11.1} B {:>11.1} B {new_rate:>15.0} {:>11.3}% {repeat_rate:>13.0} {:>6} ms",
            loaded.map_or(0, |loaded| loaded.runs.len()),
            memory / 1e6,
            resident_mb(),
            memory / size as f64,
            disk / size as f64,
            read_share * 100.0,
            restart.as_millis(),
        );
    }
}
