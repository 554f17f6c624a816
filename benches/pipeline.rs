//! The whole pipeline from a real Kafka, flat out, beside a bare batch consumer of the same topic in the same run; and the time from
//! event to alert and to queryable row.
//!
//! `cargo bench -p cost-rhythm --bench pipeline` (prints a table; BENCH_EVENTS chooses the size, default 2,000,000)
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a bench")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::{Engine, Kafka, Site};

/// User and system CPU seconds and peak resident bytes of a process.
fn usage(pid: u32) -> (f64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse::<u64>().unwrap();
    (ticks / 100.0, peak * 1024)
}

/// Reads the whole topic with one plain consumer; `parse` also parses every payload. Events a second.
fn bare(site: &Site, events: u64, parse: bool) -> f64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", "1000000")
        .create()
        .unwrap();
    let topic = format!("{}usage-events", site.prefix);
    let mut list = TopicPartitionList::new();
    for partition in 0..3 {
        list.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut begun, mut read) = (None, 0);
    while read < events {
        let message = consumer.poll(Duration::from_secs(30)).unwrap().unwrap();
        begun.get_or_insert_with(Instant::now);
        if parse {
            let parsed: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap_or_default();
            black_box(&parsed);
        }
        read += 1;
    }
    events as f64 / begun.unwrap().elapsed().as_secs_f64()
}

fn flat_out(directory: &std::path::Path, kafka: &Kafka, engine: &Engine, events: u64, formats: &str) {
    let more = "[clickhouse]\nusage_events = false\n";
    let site = Site::new(directory, formats.replace('-', "_").as_str(), kafka, engine, "");
    let text = std::fs::read_to_string(&site.config).unwrap().replace("[clickhouse]\n", more).replace("700ms", "30s");
    std::fs::write(&site.config, text).unwrap();
    site.succeed("generate", &["--count", &events.to_string(), "--formats", formats, "--users", "10000", "--hours", "6"]);
    let plain = bare(&site, events, false);
    let parsed = if formats == "json" { bare(&site, events, true) } else { plain };
    let begun = Instant::now();
    let service = site.run("bench");
    // Joining the group is not the pipeline's speed: time runs from the first account.
    support::await_true(Duration::from_secs(60), "the first rows", || site.offsets().is_some_and(|shown| shown > 0));
    let (joined, already) = (Instant::now(), site.offsets().unwrap());
    support::await_true(Duration::from_secs(600), "all offsets", || site.offsets() == Some(events));
    let seconds = joined.elapsed().as_secs_f64();
    let rate = (events - already) as f64 / seconds;
    let whole = events as f64 / begun.elapsed().as_secs_f64();
    let (cpu, peak) = usage(service.0.id());
    let reference = if formats == "json" { parsed } else { plain };
    println!(
        "{formats:>12} {events:>10} {plain:>12.0} {parsed:>12.0} {rate:>12.0} {:>7.2} {:>14.2} {:>10} {whole:>12.0}",
        rate / reference,
        cpu / (events as f64 / 1e6),
        peak / 1_000_000
    );
    service.end(Duration::from_secs(30));
}

fn main() {
    let events: u64 = std::env::var("BENCH_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000_000);
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let engine = Engine::start(directory.path());
    println!("whole pipeline from real Kafka (broker and engine on the same machine), 12 grouping sets and 8 budgets, rows per event off");
    println!(
        "{:>12} {:>10} {:>12} {:>12} {:>12} {:>7} {:>14} {:>10} {:>12}",
        "formats", "events", "bare/s", "parsed/s", "pipeline/s", "ratio", "cpu s/million", "peak MB", "with start/s"
    );
    for formats in ["json", "avro-single"] {
        flat_out(directory.path(), &kafka, &engine, events, formats);
    }
}
