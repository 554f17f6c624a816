//! ClickHouse away for a minute, then the broker killed and back, under load: nothing is lost, and the memory stays within the configured
//! queues while events go on coming.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod support;

use std::time::{Duration, Instant};

use support::{Engine, Kafka, Site};

const EVENTS: u64 = 400_000;
const EVENTS_PER_SECOND: u64 = 6_000;
const OUTAGE: Duration = Duration::from_secs(60);
const QUEUE_MIB: u64 = 4;
const FETCH_QUEUE_MIB: u64 = 8;
/// What state, allocator and encoders may grow by beside the queues, in MiB. The stream without its queues' limits holds far more: the
/// events of a minute are 200 MB.
const OTHER_MIB: u64 = 40;

/// Resident memory of a process now, in MiB.
fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn an_outage_of_clickhouse_and_of_the_broker_loses_nothing_and_memory_stays_within_its_limits() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let mut engine = Engine::start(directory.path());
    let site = Site::new(directory.path(), "outage", &kafka, &engine, "");
    let text = std::fs::read_to_string(&site.config).unwrap();
    let text = text.replace("[kafka]", &format!("[kafka]\nfetch_queue_kib = {}", FETCH_QUEUE_MIB * 1024));
    let text = text.replace("[clickhouse]", &format!("[clickhouse]\nqueue_mib = {QUEUE_MIB}"));
    std::fs::write(&site.config, text).unwrap();

    // It waits at its start as well, and ends in order when told to.
    engine.kill();
    let waiting = site.run("waiting");
    support::await_true(Duration::from_secs(60), "the start waits", || site.log("waiting").contains("CR-3201"));
    assert_eq!(waiting.end(Duration::from_secs(3)).code(), Some(0));
    engine.resume();

    let instance = site.run("one");
    let pid = instance.0.id();
    let (count, throttle) = (EVENTS.to_string(), EVENTS_PER_SECOND.to_string());
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| {
            let load = ["--count", &count, "--throttle", &throttle, "--users", "2000", "--hours", "2", "--formats", "all", "--trouble"];
            site.succeed("generate", &load)
        });
        support::await_true(Duration::from_secs(60), "the first rows", || site.offsets().is_some_and(|shown| shown > 20_000));
        let before = resident_mib(pid);
        engine.kill();
        let begun = Instant::now();
        let mut peak = before;
        while begun.elapsed() < OUTAGE {
            std::thread::sleep(Duration::from_millis(100));
            peak = peak.max(resident_mib(pid));
        }
        eprintln!("resident memory: {before} MiB before the outage, {peak} MiB at most during it");
        // Both stages have a fetch queue.
        let allowed = before + QUEUE_MIB + 2 * FETCH_QUEUE_MIB + OTHER_MIB;
        assert!(peak <= allowed, "{peak} MiB resident, {before} before the outage, at most {allowed} are within the limits");
        engine.resume();
        kafka.restart_hard();
        feeding.join().unwrap();
    });
    site.await_offsets(EVENTS, Duration::from_secs(240));
    site.succeed("audit", &[]);
    assert_eq!(instance.end(Duration::from_secs(25)).code(), Some(0));
}
