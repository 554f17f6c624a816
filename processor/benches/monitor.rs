//! The monitor's fold, block decoding included: cells per second and core, with the default sets' shape and three budgets.
//!
//! `cargo bench -p processor --bench monitor`
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use processor::monitor::{Monitor, MonitorEffects, MonitorLimits, MonitorRules, WatchRules};
use schemas::alert::Alert;
use schemas::budget::Budget;
use schemas::calendar::Calendar;
use schemas::partial::{BlockBuilder, BlockHeader};
use schemas::rates::Rates;
use schemas::rollup::{AccountsRow, AnomalyRow, BudgetRow, PaceRow, RhythmRow, RollupRow};
use schemas::timestamp::HOUR_US;
use schemas::{Accounts, Bucket, GroupingSet, Measures, Money, Timestamp};

const BUDGETS: &str = r#"
    [[budget]]
    name = "daily"
    limit = "100000000"
    window = "daily"
    thresholds = [{ at = "0.8", level = "warning" }]
    [[budget]]
    name = "monthly"
    limit = "100000000"
    window = "monthly"
    thresholds = [{ at = "0.8", level = "warning" }]
    [[budget]]
    name = "user-daily"
    limit = "1000000"
    window = "daily"
    per = ["user_id"]
    thresholds = [{ at = "0.9", level = "warning" }]
"#;
const START: i64 = 1_795_305_600_000_000;
const INPUTS: i32 = 4;
const FLUSHES_PER_BUCKET: i64 = 3;

/// Counts rows and touches what it is given.
#[derive(Default)]
struct Counter {
    rows: u64,
    bytes: usize,
}

impl MonitorEffects for Counter {
    fn rollup(&mut self, row: &RollupRow<'_, Box<str>>) {
        self.rows += 1;
        self.bytes += row.values.len() + row.set.len();
    }
    fn budget(&mut self, row: &BudgetRow<'_>) {
        self.rows += 1;
        self.bytes += row.scope.len();
    }
    fn pace(&mut self, row: &PaceRow<'_>) {
        self.rows += 1;
        self.bytes += row.scope.len();
    }
    fn rhythm(&mut self, row: &RhythmRow<'_>) {
        self.rows += 1;
        self.bytes += row.scope.len();
    }
    fn anomaly(&mut self, row: &AnomalyRow<'_>) {
        self.rows += 1;
        self.bytes += row.scope.len();
    }
    fn accounts(&mut self, _: &AccountsRow<'_>) {}
    fn alert(&mut self, _: &Alert) {}
}

/// All blocks of `buckets` quarter hours in which each of `users` is seen by every input, in several flushes.
fn log(users: i64, buckets: i64) -> (Vec<Vec<u8>>, u64) {
    let (mut blocks, mut cells) = (Vec::new(), 0);
    let names: Vec<String> = (0..users).map(|user| format!("user-{user:08}")).collect();
    let small: Vec<String> = (0..20).map(|value| format!("value-{value}")).collect();
    let mut builder = BlockBuilder::default();
    let first = Bucket::of(Timestamp::from_micros(START)).number();
    for nth in 0..buckets {
        let bucket = Bucket::from_number(first + nth as u32);
        for flush in 0..FLUSHES_PER_BUCKET {
            for partition in 0..INPUTS {
                let version = (nth * FLUSHES_PER_BUCKET + flush + 1) * users;
                let header = |is_last, sealed| BlockHeader {
                    topic: "usage-events",
                    partition,
                    inputs: INPUTS,
                    shards: 1,
                    is_last,
                    accounts: Accounts { next_offset: version, counted: version as u64, ..Accounts::default() },
                    closed_before: bucket.start(),
                    sealed,
                };
                let events = (flush + 1) as u64;
                let measures = Measures {
                    events,
                    calls: events,
                    uncached_input_tokens: i128::from(events) * 1200,
                    output_tokens: i128::from(events) * 300,
                    cost: Money::from_units(i128::from(events) * 1_234_567_000_000_000),
                    latency_count: events,
                    latency_ms_sum: i128::from(events) * 800,
                    latency_ms_max: 900,
                    first_event_at: bucket.start(),
                    last_event_at: bucket.start().plus(flush),
                    ..Measures::EMPTY
                };
                let mut push = |set: &str, values: &[&str]| {
                    builder.push(set, values.iter().copied(), bucket, nth, version, &measures);
                    cells += 1;
                    if builder.len() > 512 * 1024 {
                        blocks.push(builder.finish(&header(false, Vec::new())));
                    }
                };
                push("total", &[]);
                for set in ["provider", "service", "feature", "route", "task_type", "team", "project", "environment", "cost_center"] {
                    for value in &small {
                        push(set, &[value]);
                    }
                }
                for value in &small {
                    push("model", &["anthropic", value]);
                }
                // In another order every time, as hashing and arrival have it.
                for user in 0..users {
                    let user = (user * 7919 + flush * 13 + i64::from(partition)) % users;
                    push("user", &[&names[user as usize]]);
                }
                let sealed = if flush == 0 && nth >= 6 { vec![(Bucket::from_number(bucket.number() - 6), nth - 6)] } else { Vec::new() };
                blocks.push(builder.finish(&header(true, sealed)));
            }
        }
    }
    (blocks, cells)
}

fn run(users: i64, buckets: i64) {
    let (blocks, cells) = log(users, buckets);
    let started = Instant::now();
    for block in &blocks {
        let block = schemas::partial::Block::read(block).unwrap();
        block.for_each_cell(|cell| assert!(cell.version > 0)).unwrap();
    }
    let decoding = started.elapsed();
    let rules = MonitorRules {
        sets: GroupingSet::defaults(),
        budgets: Budget::parse_all(&[("bench.toml", BUDGETS)]).unwrap(),
        rates: Rates::default(),
        calendar: Calendar::new("Asia/Seoul").unwrap(),
        retain_us: HOUR_US,
        watch: WatchRules::default(),
        limits: MonitorLimits::default(),
    };
    let mut monitor = Monitor::new(rules.clone(), 0);
    let mut counter = Counter::default();
    let (mut folding, mut flushing) = (Duration::ZERO, Duration::ZERO);
    for (offset, block) in blocks.iter().enumerate() {
        let started = Instant::now();
        monitor.apply(offset as i64, block).unwrap();
        folding += started.elapsed();
        if offset % 8 == 7 {
            let started = Instant::now();
            monitor.flush(&mut counter);
            flushing += started.elapsed();
        }
    }
    monitor.flush(&mut counter);
    let gauges = monitor.gauges();
    let started = Instant::now();
    let snapshot = monitor.snapshot().unwrap();
    let snapshotting = started.elapsed();
    let started = Instant::now();
    Monitor::restore(&snapshot, rules).unwrap();
    let restoring = started.elapsed();
    println!(
        "{users:>7} users, {cells:>9} cells: {:>5.2} M cells/s folded (decoding alone {:>5.2}), {:>5.2} M rows/s flushed; held: {} cells, {} rows, {} series, {} MB; snapshot {} MB in {} ms, restored in {} ms ({:.1} s/GB)",
        cells as f64 / folding.as_secs_f64() / 1e6,
        cells as f64 / decoding.as_secs_f64() / 1e6,
        counter.rows as f64 / flushing.as_secs_f64() / 1e6,
        gauges.cells,
        gauges.rows,
        gauges.series,
        gauges.bytes / 1_000_000,
        snapshot.len() / 1_000_000,
        snapshotting.as_millis(),
        restoring.as_millis(),
        restoring.as_secs_f64() * 1e9 / snapshot.len() as f64,
    );
}

fn main() {
    run(1_000, 96);
    run(10_000, 32);
    run(100_000, 8);
}
