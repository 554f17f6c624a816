//! The whole pipeline on a real Kafka, a real schema registry and the real ClickHouse engine: an undisturbed run equals an
//! independent recount digit for digit, and a run that is killed, rescaled and cut off from its servers equals the
//! undisturbed one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::type_complexity, reason = "a test")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::message::Message;
use support::outcome::{alerts, assert_equal_views, dead_letters, read, views};
use support::{Engine, Kafka, Seeded, Site};

const EVENTS: u64 = 200_000;
const KILLS: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(480);

/// Events of all formats with every trouble mixed in, late data and credits among it.
fn generate(site: &Site, more: &[&str]) {
    let count = EVENTS.to_string();
    let mut arguments = vec!["--count", &count, "--seed", "7", "--users", "300", "--hours", "240", "--formats", "all", "--trouble"];
    arguments.extend(more);
    site.succeed("generate", &arguments);
}

#[test]
fn a_disturbed_run_equals_an_undisturbed_one_and_both_equal_a_recount() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let mut engine = Engine::start(directory.path());
    let end = jiff::Timestamp::now().to_string();

    // Undisturbed.
    let calm = Site::new(directory.path(), "calm", &kafka, &engine, "");
    let ledger = directory.path().join("ledger.jsonl");
    generate(&calm, &["--end", &end, "--ledger", ledger.to_str().unwrap()]);
    let instance = calm.run("one");
    calm.await_offsets(EVENTS, PATIENCE);
    calm.succeed("audit", &[]);
    let wanted = views(&calm);
    let status = instance.end(Duration::from_secs(25));
    assert_eq!(status.code(), Some(0), "an orderly end");

    // Every panel of the dashboards has its answer.
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check-stack.sh");
    let output = std::process::Command::new(script).args(["sql", "--from", "0", "--to", "4000000000"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let panels: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(panels.as_array().unwrap().len() >= 10);
    for panel in panels.as_array().unwrap() {
        let rows = calm.query(&panel["sql"].as_str().unwrap().replace("cost_rhythm.", "calm."));
        assert!(!rows.is_empty(), "{panel}");
    }

    // What the generator wrote down is what the accounts and the dead letters say.
    let mut expected = BTreeMap::<String, u64>::new();
    for line in std::fs::read_to_string(&ledger).unwrap().lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let outcome = entry["expected"].as_str().unwrap_or_else(|| panic!("{entry}"));
        *expected.entry(outcome.to_owned()).or_default() += 1;
    }
    let accounts =
        calm.query("SELECT sum(counted), sum(duplicate), sum(conflict), sum(late), sum(rejected), sum(skipped) FROM pipeline_accounts");
    let names = ["counted", "duplicate", "conflict", "late", "rejected"];
    let written: Vec<String> = names.iter().map(|name| expected.get(*name).copied().unwrap_or(0).to_string()).collect();
    assert_eq!(accounts.trim(), format!("{}\t0", written.join("\t")), "{expected:?}");
    let letters = dead_letters(&calm);
    assert_eq!(
        letters.len() as u64,
        ["conflict", "late", "rejected"].iter().map(|name| expected.get(*name).copied().unwrap_or(0)).sum::<u64>()
    );
    let mut originals = 0;
    read(&calm, "usage-events", |message| {
        if let Some((_, key, payload)) = letters.get(&(message.partition(), message.offset())) {
            assert_eq!((key.as_deref(), payload.as_deref()), (message.key(), message.payload()), "a dead letter's bytes are untouched");
            originals += 1;
        }
    });
    assert_eq!(originals, letters.len());
    let calm_alerts = alerts(&calm);
    assert!(calm_alerts.iter().any(|(_, _, state)| state == "fired") && calm_alerts.iter().any(|(_, _, state)| state == "escalated"));

    // A planted difference of the last digit, a missing row and an extra row are found.
    audit_finds(
        &calm,
        "INSERT INTO rollups SELECT * REPLACE (cost + toDecimal128('0.000000000000000001', 18) AS cost, revision + 1 AS revision) FROM rollups FINAL WHERE granularity = 'hour' AND set = 'total' ORDER BY window_start LIMIT 1",
        "cost expected",
    );
    audit_finds(
        &calm,
        "ALTER TABLE rollups DELETE WHERE granularity = 'day' AND set = 'team' AND window_start = (SELECT min(window_start) FROM daily_by_team) SETTINGS mutations_sync = 2",
        "missing row",
    );
    audit_finds(
        &calm,
        "INSERT INTO rollups SELECT * REPLACE (['nobody'] AS values) FROM rollups FINAL WHERE granularity = 'month' AND set = 'user' LIMIT 1",
        "extra row",
    );

    // The same messages again; this time instances are killed, join and leave, the engine is killed and comes back, the broker is killed.
    let rough = Site::new(directory.path(), "rough", &kafka, &engine, "");
    let mut random = Seeded(42);
    let one = std::thread::scope(|scope| {
        let mut one = rough.run("one");
        let feeding = scope.spawn(|| generate(&rough, &["--end", &end, "--throttle", "4000"]));
        for kill in 0..KILLS {
            std::thread::sleep(Duration::from_millis(300 + random.next(1500)));
            one.kill();
            one = rough.run("one");
            if kill == 6 {
                let other = rough.run("two");
                std::thread::sleep(Duration::from_secs(8));
                other.end(Duration::from_secs(25));
            }
            if kill == 10 {
                engine.kill();
                std::thread::sleep(Duration::from_secs(10));
                engine.resume();
            }
            if kill == 14 {
                kafka.restart_hard();
            }
        }
        feeding.join().unwrap();
        one
    });
    rough.await_offsets(EVENTS, PATIENCE);
    rough.succeed("audit", &[]);
    assert_equal_views(&views(&rough), &wanted);
    let status = one.end(Duration::from_secs(25));
    assert_eq!(status.code(), Some(0));
    assert_eq!(dead_letters(&rough), letters);
    let (missing, extra): (Vec<_>, Vec<_>) =
        (calm_alerts.difference(&alerts(&rough)).cloned().collect(), alerts(&rough).difference(&calm_alerts).cloned().collect());
    assert!(missing.is_empty() && extra.is_empty(), "alerts missing {missing:?}, extra {extra:?}");
}

fn audit_finds(site: &Site, planting: &str, found: &str) {
    site.query(planting);
    let output = site.command("audit").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{planting}: {text}");
    assert!(text.contains(found), "{planting}: {text}");
}
