//! What watching costs: the time to close an hour of many watched series, and the bytes that each of them takes.
//!
//! `cargo bench -p processor --bench watch`
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use processor::monitor::{Monitor, MonitorLimits, MonitorRules, WatchRules};
use schemas::budget::Budget;
use schemas::calendar::Calendar;
use schemas::partial::{BlockBuilder, BlockHeader};
use schemas::rates::Rates;
use schemas::timestamp::HOUR_US;
use schemas::{Accounts, Bucket, Dimension, GroupingSet, Measures, Money, Timestamp};

const START: i64 = 1_795_305_600_000_000;
/// Hours that are learnt, then hours that are timed.
const HOURS: (u32, u32) = (72, 6);
const BUDGET: &str = "[[budget]]\nname = \"each\"\nlimit = \"1000\"\nwindow = \"monthly\"\nper = [\"feature\"]\nthresholds = [{ at = \"1\", level = \"warning\" }]\n";

/// Spend of a feature in an hour, in cents: dense and with a day, or sparse.
fn cents(feature: u32, hour: u32) -> i64 {
    let noise = i64::from((feature.wrapping_mul(2_654_435_761) ^ hour.wrapping_mul(40_503)) % 97);
    match feature % 4 {
        0 if !(feature / 4 + hour).is_multiple_of(13) => 0,
        _ => 100 + 40 * i64::from((hour % 24).abs_diff(12)) + noise,
    }
}

fn run(series: u32, name: &str, watch: WatchRules, budget: &str) {
    let rules = MonitorRules {
        sets: vec![GroupingSet::new("feature", &[Dimension::Feature])],
        budgets: Budget::parse_all(&[("bench.toml", budget)]).unwrap(),
        rates: Rates::default(),
        calendar: Calendar::new("UTC").unwrap(),
        retain_us: HOUR_US,
        watch: WatchRules { max_series: series as usize, ..watch },
        limits: MonitorLimits::default(),
    };
    let names: Vec<String> = (0..series).map(|feature| format!("feature-{feature:06}")).collect();
    let mut monitor = Monitor::new(rules, 0);
    let mut builder = BlockBuilder::default();
    let first = Bucket::of(Timestamp::from_micros(START));
    let (mut offset, mut closing) = (0, Duration::ZERO);
    for hour in 0..HOURS.0 + HOURS.1 {
        let bucket = first.plus(4 * hour);
        let version = i64::from(hour) + 1;
        let header = |is_last, closed_before, sealed| BlockHeader {
            topic: "usage-events",
            partition: 0,
            inputs: 1,
            shards: 1,
            is_last,
            accounts: Accounts { next_offset: version, counted: version as u64, ..Accounts::default() },
            closed_before,
            sealed,
        };
        for (feature, value) in names.iter().enumerate() {
            let cents = cents(feature as u32, hour);
            if cents > 0 {
                let at = bucket.start();
                let cost = Money::from_units(i128::from(cents) * 10_i128.pow(16));
                let measures = Measures { events: 1, calls: 1, cost, first_event_at: at, last_event_at: at, ..Measures::EMPTY };
                builder.push("feature", [value.as_str()].into_iter(), bucket, version, version, &measures);
            }
            if builder.len() > 512 * 1024 {
                monitor.apply(offset, &builder.finish(&header(false, bucket.start(), Vec::new()))).unwrap();
                offset += 1;
            }
        }
        let sealed = if hour > 2 { vec![(first.plus(4 * (hour - 2)), version - 2)] } else { Vec::new() };
        monitor.apply(offset, &builder.finish(&header(true, bucket.start(), sealed))).unwrap();
        let started = Instant::now();
        monitor.apply(offset + 1, &builder.finish(&header(true, bucket.plus(4).start(), Vec::new()))).unwrap();
        closing += if hour >= HOURS.0 { started.elapsed() } else { Duration::ZERO };
        offset += 2;
        monitor.flush(&mut ());
    }
    let per_hour = closing / HOURS.1;
    let (watched, bytes) = (monitor.gauges().watched_series, monitor.snapshot().unwrap().len());
    println!(
        "{name:<28} {watched:>7} series: {:>7.1} ms to close an hour, {:>6.2} us a series; snapshot {:>6} bytes a series",
        per_hour.as_secs_f64() * 1e3,
        per_hour.as_secs_f64() * 1e6 / f64::from(series),
        bytes / series as usize,
    );
}

fn main() {
    let all = WatchRules { except: Some(Vec::new()), ..WatchRules::default() };
    for series in [10_000, 100_000] {
        run(series, "nothing watched", WatchRules::off(), "");
        run(series, "plain rules", WatchRules { spike: false, drop: false, rhythm: false, ..all.clone() }, "");
        run(series, "with spikes and drops", WatchRules { rhythm: false, ..all.clone() }, "");
        run(series, "with the rhythm", all.clone(), "");
        run(series, "with a projected budget each", all.clone(), BUDGET);
    }
}
