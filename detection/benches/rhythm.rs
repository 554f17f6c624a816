//! What watching costs: `cargo bench -p detection --bench rhythm [-- SCOPES]`.
//!
//! Every scope has two weeks of history; then all of them close hour after hour, in one thread. Times are
//! those that the thread had a processor. Printed: bytes per scope in memory and in a snapshot, time per
//! hour and scope, and the hour of all scopes. `time/copy` is the hour over the time of copying all states once on the same machine, to compare machines.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a report to a terminal")]

#[path = "../tests/scope_watch/mod.rs"]
mod scope_watch;

use std::time::Duration;

use detection::action::GateInputs;
use detection::forecast::Period;
use detection::rhythm::{Hour, HourSpend};
use rustix::time::{ClockId, clock_gettime};
use scope_watch::{ScopeWatch, WatchSettings};

const HISTORY_H: i64 = 336;
const MEASURED_H: i64 = 24;
/// Different histories; the scopes repeat them.
const KINDS: u64 = 100;

fn main() {
    let scopes: usize = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(100_000);
    let settings = WatchSettings::default();
    let kinds: Vec<ScopeWatch> = (0..KINDS).map(|kind| history(kind, &settings)).collect();
    let mut watches: Vec<ScopeWatch> = kinds.iter().cycle().take(scopes).cloned().collect();
    let snapshot = postcard::to_allocvec(&kinds[0]).expect("bytes").len();
    println!("bytes per scope: {} in memory, {snapshot} in a snapshot (postcard)", size_of::<ScopeWatch>());

    let began = on_cpu();
    let copy = watches.clone();
    let copying = on_cpu() - began;
    drop(copy);

    let mut hours: Vec<Duration> = Vec::new();
    let mut actions = [0_u64; 4];
    for hour in HISTORY_H..HISTORY_H + MEASURED_H {
        let began = on_cpu();
        for (watch, kind) in watches.iter_mut().zip((0..KINDS).cycle()) {
            let action = close(watch, kind, hour, true, &settings);
            actions[action] += 1;
        }
        hours.push(on_cpu() - began);
    }
    hours.sort();
    let (median, slowest) = (hours[hours.len() / 2], hours[hours.len() - 1]);
    println!(
        "{scopes} scopes close an hour (rhythm, forecast of a month, action): median {median:.3?}, slowest of {MEASURED_H} {slowest:.3?}"
    );
    println!(
        "per scope and hour: {:.2} us, time/copy {:.1}",
        median.as_secs_f64() * 1e6 / scopes as f64,
        median.as_secs_f64() / copying.as_secs_f64()
    );

    let mut without: Vec<Duration> = Vec::new();
    for hour in HISTORY_H + MEASURED_H..HISTORY_H + 2 * MEASURED_H {
        let began = on_cpu();
        for (watch, kind) in watches.iter_mut().zip((0..KINDS).cycle()) {
            close(watch, kind, hour, false, &settings);
        }
        without.push(on_cpu() - began);
    }
    without.sort();
    println!("without a budget (rhythm and forecast errors alone): median {:.3?}", without[without.len() / 2]);
    println!("recommended none, scale down, rollback, emergency stop: {actions:?}");
}

/// Time that this thread has had a processor: other programs on the machine do not count.
fn on_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("processor time")
}

fn history(kind: u64, settings: &WatchSettings) -> ScopeWatch {
    let mut watch = ScopeWatch::default();
    for hour in 0..HISTORY_H {
        close(&mut watch, kind, hour, true, settings);
    }
    watch
}

fn close(watch: &mut ScopeWatch, kind: u64, hour: i64, with_budget: bool, settings: &WatchSettings) -> usize {
    // A cheap mixture of daily cycle and noise that differs from kind to kind.
    let noise = (kind.wrapping_mul(0x9e37_79b9).wrapping_add(hour as u64).wrapping_mul(0x85eb_ca6b) >> 16) % 1000;
    let cycle = if (8..20).contains(&((hour + kind as i64) % 24)) { 5.0 } else { 1.0 };
    let spend = cycle * (0.5 + noise as f64 / 1000.0);
    let budget = 1_000.0 + 20.0 * kind as f64;
    let month = Period::new(Hour(0), Hour(744), 3.0 * hour as f64, budget).expect("a period");
    let gate = GateInputs { revenue: Some(2_000.0), cost: 1_500.0, calls: 1_000, calls_within_objective: Some(960), age_h: 0 };
    let report = watch.close_hour(Hour(hour), HourSpend::new(spend), with_budget.then_some(&month), &gate, settings).expect("in order");
    report.recommendation.map_or(0, |recommendation| recommendation.action as usize)
}
