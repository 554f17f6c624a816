//! The meter's fold, decoding excluded: events per second and core, allocations per event, cost against the size of the state.
//!
//! Times are the thread's processor time as the kernel accounts it, so that other work on the machine counts less; making the
//! events is measured apart and taken off, and so is the storing of sealed identities, which the service does on other threads.
//!
//! `cargo bench -p processor --bench fold`
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use processor::meter::{LookAhead, Meter, MeterPlace, MeterRules};
use processor::pricing::Pricer;
use rustix::time::{ClockId, clock_gettime};
use schemas::identity_run::{ENTRY_BYTES, Identity, IdentityRun, ReadError, ReadRun, RunWriter};
use schemas::{Dimension, Event, GroupingSet, Kind, Timestamp, Tokens};

struct Counting;
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As many events as the pipeline folds at once.
const GROUP: usize = 64;

/// Processor time of this thread, nanoseconds.
fn cpu_nanos() -> u64 {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap().as_nanos() as u64
}

/// The default of `limits.recent_identities`.
const RECENT: usize = 1_000_000;

/// Runs of identities as the service makes them, in memory.
#[derive(Default)]
struct Runs(Vec<(u32, Arc<Entries>)>);

#[derive(Debug)]
struct Entries(Vec<Identity>);

impl ReadRun for Entries {
    fn read(&self, entry: u64) -> Result<[u8; ENTRY_BYTES], ReadError> {
        Ok(self.0[entry as usize].to_bytes())
    }
}

impl Runs {
    /// What the service does beside the fold: sorts what was sealed, merges four runs of a level into one.
    fn store(&mut self, sealed: &[u8]) -> Vec<IdentityRun> {
        let sorted = |mut entries: Vec<Identity>| {
            entries.sort_unstable_by_key(Identity::key);
            Arc::new(Entries(entries))
        };
        self.0.push((0, sorted(Identity::all_of(sealed).collect())));
        while let Some(at) = self.0.len().checked_sub(4).filter(|at| self.0[*at].0 == self.0.last().unwrap().0) {
            let level = self.0[at].0 + 1;
            let merged = self.0.split_off(at).into_iter().flat_map(|(_, run)| run.0.clone()).collect();
            self.0.push((level, sorted(merged)));
        }
        let opened = self.0.iter().map(|(_, entries)| {
            let mut writer = RunWriter::new(entries.0.len() as u64);
            entries.0.iter().for_each(|entry| writer.push(entry));
            IdentityRun::new(Arc::new(writer.finish().directory), Arc::clone(entries) as Arc<dyn ReadRun>)
        });
        opened.collect()
    }
}

const START: i64 = 1_795_305_600_000_000;

/// As texts stand in a message: beside each other, just read.
#[derive(Default)]
struct Texts {
    id: String,
    user: String,
}

/// A repeatable spread of numbers.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn event<'a>(small: &'a [String], texts: &'a Texts, number: u64, at: i64) -> Event<'a> {
    let random = mix(number);
    let pick = |salt: u64, among: u64| small[(mix(random ^ salt) % among) as usize].as_str();
    let mut dimensions = [""; Dimension::COUNT];
    dimensions[Dimension::Provider as usize] = pick(1, 3);
    dimensions[Dimension::Model as usize] = pick(2, 8);
    for (salt, dimension) in
        [(3, Dimension::Feature), (4, Dimension::Route), (5, Dimension::TaskType), (6, Dimension::Team), (7, Dimension::Project)]
    {
        dimensions[dimension as usize] = pick(salt, 20);
    }
    dimensions[Dimension::Environment as usize] = pick(8, 3);
    dimensions[Dimension::CostCenter as usize] = pick(9, 10);
    dimensions[Dimension::UserId as usize] = &texts.user;
    Event {
        source: "bench",
        event_id: &texts.id,
        occurred_at: Timestamp::from_micros(at),
        kind: Kind::Llm,
        adjusts: "",
        dimensions,
        tokens: Tokens { uncached_input: (random % 4000) as i64, output: (random % 900) as i64, ..Tokens::default() },
        usage_known: true,
        amount: None,
        revenue: None,
        latency_ms: Some(random % 3000),
        status: "ok",
        error_type: "",
        tags: &[],
        attributes: &[],
    }
}

/// All events in groups, handed to `each` with the number of the first.
fn groups(count: u64, users: u64, mut each: impl FnMut(u64, &[Event<'_>])) {
    // All within one quarter hour, as a busy stream is: what is measured is the steady state between window changes.
    let at = |n: u64| START + (n as i64 * 800_000_000 / count as i64);
    let small: Vec<String> = (0..32).map(|n| format!("value-{n:02}")).collect();
    let mut texts: [Texts; GROUP] = std::array::from_fn(|_| Texts::default());
    for first in (0..count).step_by(GROUP) {
        for (n, texts) in (first..).zip(&mut texts) {
            texts.id.clear();
            texts.user.clear();
            write!(texts.id, "req-{:016x}", mix(n ^ 0xabcd)).unwrap();
            write!(texts.user, "user-{:06}", mix(n) % users).unwrap();
        }
        let events: [Event<'_>; GROUP] = std::array::from_fn(|k| {
            let n = first + k as u64;
            event(&small, &texts[k], n, at(n))
        });
        each(first, &events);
    }
}

fn place() -> MeterPlace {
    MeterPlace { topic: "in".into(), partition: 0, inputs: 1, shards: 4 }
}

/// Folds `count` events of `users`, flushing before the last `measured`; returns nanoseconds per event over those and allocations there.
fn run(count: u64, users: u64, measured: u64) -> (f64, f64, Meter) {
    let mut meter = Meter::new(MeterRules::new(GroupingSet::defaults()), place(), Pricer::without_prices(), 0).sealing_at(RECENT);
    let (mut runs, mut beside) = (Runs::default(), (0, 0));
    let log_time = Timestamp::from_micros(START + 86_400_000_000);
    let begun = cpu_nanos();
    groups(measured, users, |_, events| {
        std::hint::black_box(events);
    });
    let making = cpu_nanos() - begun;
    let (mut begun, mut allocations) = (0, 0);
    let mut ahead = LookAhead::default();
    groups(count, users, |first, events| {
        if begun == 0 && first >= count - measured {
            meter.flush();
            meter.take_blocks();
            begun = cpu_nanos();
            allocations = ALLOCATIONS.load(Ordering::Relaxed);
            beside = (0, 0);
        }
        if meter.wants_sealing() {
            let segment = meter.take_segment();
            let before = (cpu_nanos(), ALLOCATIONS.load(Ordering::Relaxed));
            let stored = runs.store(&segment.bytes);
            beside = (beside.0 + cpu_nanos() - before.0, beside.1 + ALLOCATIONS.load(Ordering::Relaxed) - before.1);
            meter.stored(stored);
        }
        let mut group = ahead.over(events);
        for offset in first..first + events.len() as u64 {
            meter.fold_next(offset as i64, log_time, &mut group).unwrap();
        }
    });
    let nanos = (cpu_nanos() - begun).saturating_sub(making + beside.0) as f64 / measured as f64;
    (nanos, (ALLOCATIONS.load(Ordering::Relaxed) - allocations - beside.1) as f64 / measured as f64, meter)
}

/// How long a state that was read takes to be a meter again: cells and the identities in memory.
fn recover(mut meter: Meter) {
    meter.flush();
    meter.take_blocks();
    let (cells, identities) = (meter.snapshot().unwrap(), meter.sealing_at(usize::MAX).take_segment().bytes);
    let begun = cpu_nanos();
    let mut restored = Meter::restore(&cells, MeterRules::new(GroupingSet::defaults()), place(), Pricer::without_prices()).unwrap();
    restored.restore_segment(&identities);
    let seconds = (cpu_nanos() - begun) as f64 / 1e9;
    let bytes = cells.len() + identities.len();
    println!("{:>12} restored from {:.1} MB in {:.0} ms, {:.1} s/GB", "", bytes as f64 / 1e6, seconds * 1e3, seconds * 1e9 / bytes as f64);
}

fn main() {
    println!("fold, 12 grouping sets, deduplication on; one core");
    println!("{:>12} {:>9} {:>12} {:>12} {:>10}", "events", "users", "ns/event", "events/s", "allocs/ev");
    let mut first = None;
    // Small ones more often: the best of a few short runs is a matter of luck.
    for (count, users, runs) in [(100_000, 1_000, 20), (1_000_000, 100_000, 5), (10_000_000, 100_000, 3)] {
        let best = (0..runs).map(|_| run(count, users, count / 2)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let (nanos, allocations, meter) = best;
        println!(
            "{count:>12} {users:>9} {nanos:>12.0} {:>12.0} {allocations:>10.4}   {} cells, {} MB",
            1e9 / nanos,
            meter.cells(),
            meter.bytes() / 1_000_000
        );
        let base = *first.get_or_insert(nanos);
        println!("{:>12} ratio to the first row {:.2}", "", nanos / base);
        recover(meter);
    }
}
