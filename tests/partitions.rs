//! Partitions are added to `usage-events` under load: producers go on, one instance is restarted, the other finds the new partitions out by itself, and every
//! event is counted once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod support;

use std::time::Duration;

use support::outcome::{assert_equal_views, dead_letters, views};
use support::{Engine, Kafka, Site};

const EVENTS: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(180);
const ORDERLY: Duration = Duration::from_secs(25);

fn partitions_with_events(site: &Site) -> u64 {
    site.query("SELECT count() FROM pipeline_accounts WHERE offsets_in > 0").trim().parse().unwrap()
}

#[test]
fn partitions_that_are_added_under_load_are_counted_as_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start_without_registry(directory.path());
    let engine = Engine::start(directory.path());
    let site = Site::new(directory.path(), "grow", &kafka, &engine, "");
    site.amend("[kafka]", "[kafka]\nproperties = { \"topic.metadata.refresh.interval.ms\" = \"3000\" }");
    let count = EVENTS.to_string();
    // Two producers: one from before the change, which finds the new partitions out by itself, late or never; one from after it.
    let load = |seed: &'static str| {
        [
            "--count",
            count.as_str(),
            "--throttle",
            "1500",
            "--seed",
            seed,
            "--users",
            "300",
            "--hours",
            "24",
            "--formats",
            "json",
            "--trouble",
        ]
        .map(str::to_owned)
    };
    std::thread::scope(|scope| {
        let before = scope.spawn(|| site.succeed("generate", &load("1").each_ref().map(String::as_str)));
        let (one, two) = (site.run("one"), site.run("two"));
        site.await_first_rows();
        let topic = format!("{}usage-events", site.prefix);
        let alter = ["--bootstrap-server", &kafka.brokers, "--alter", "--topic", &topic, "--partitions", "6"];
        kafka.script(&[&["tool", "org.apache.kafka.tools.TopicCommand"], &alter[..]].concat());
        let after = scope.spawn(|| site.succeed("generate", &load("2").each_ref().map(String::as_str)));
        assert_eq!(one.end(ORDERLY).code(), Some(0));
        let one = site.run("one");
        site.await_log("one", "resumed from a snapshot");
        for producer in [before, after] {
            producer.join().unwrap();
        }
        site.await_offsets(2 * EVENTS, PATIENCE);
        assert_eq!(partitions_with_events(&site), 6);
        site.succeed("audit", &[]);
        for instance in [one, two] {
            assert_eq!(instance.end(ORDERLY).code(), Some(0));
        }
    });

    // The same topic, read by a pipeline that has always known six partitions.
    let calm = site.beside("calm", &kafka, &engine);
    let instance = calm.run("one");
    calm.await_offsets(2 * EVENTS, PATIENCE);
    assert_equal_views(&views(&site), &views(&calm));
    assert_eq!(dead_letters(&site), dead_letters(&calm));
    assert_eq!(instance.end(ORDERLY).code(), Some(0));
}
