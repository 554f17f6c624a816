//! The whole pipeline from a real Kafka, flat out, beside a bare batch consumer of the same topic in the same run.
//!
//! Two logs of each format. *Dense*: all events within a quarter hour of event time, as a live stream is at any speed at which it
//! matters; a cell gets many events before it is sent. *Sparse*: the events spread over six hours, as in a replay of a small log; nearly every
//! event makes a cell of its own, which is sent, merged into four rows, and inserted. The bare consumer takes batches of librdkafka's
//! messages and looks at nothing; *parsed* also reads a dozen fields of each event with serde, borrowed.
//!
//! *Busiest* is that thread of the service that needs most: where every thread has a processor, no more than its inverse can be had, and
//! with fewer (here broker, engine and service share two) the sum of all counts.
//!
//! The *five* rows have five grouping sets instead of the default twelve, and no budgets.
//!
//! `cargo bench -p cost-rhythm --bench pipeline` (BENCH_EVENTS chooses the size, default 2,000,000; BENCH_ROWS takes only rows whose name
//! contains it)
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a bench")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::borrow::Cow;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList, bindings as native};
use support::{Engine, Kafka, Site};

/// User and system CPU seconds of a process or thread, by its `stat`.
fn cpu_seconds(stat: &Path) -> f64 {
    let stat = std::fs::read_to_string(stat).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// User and system CPU seconds and peak resident bytes of a process.
fn usage(pid: u32) -> (f64, u64) {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse::<u64>().unwrap();
    (cpu_seconds(&process.join("stat")), peak * 1024)
}

/// CPU seconds of that thread of a process that needed most of them: with a processor for each thread it would be the limit.
fn busiest_thread(pid: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(|thread| cpu_seconds(&thread.unwrap().path().join("stat"))).max_by(f64::total_cmp).unwrap()
}

/// What a program would read of an event at least.
#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "read and looked at by nobody")]
struct Parsed<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    occurred_at: Cow<'a, str>,
    #[serde(borrow)]
    provider: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    service: Option<Cow<'a, str>>,
    #[serde(borrow)]
    route: Option<Cow<'a, str>>,
    #[serde(borrow)]
    feature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    team: Option<Cow<'a, str>>,
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
}

/// Most messages of one batch.
const BATCH: usize = 1024;

/// Reads the whole topic with one plain consumer in batches; `parse` also parses every payload. Events a second from the first one on,
/// and processor seconds per million.
fn bare(site: &Site, events: u64, parse: bool) -> (f64, f64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
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
    let before = usage(std::process::id()).0;
    // SAFETY: the consumer outlives the queue, which is given back below.
    let queue = unsafe { native::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
    let (mut begun, mut read) = (None, 0);
    let mut batch = [std::ptr::null_mut(); BATCH];
    while read < events {
        let wait_ms = if begun.is_none() { 100 } else { 1 };
        // SAFETY: the queue is alive and the batch has room.
        let count = unsafe { native::rd_kafka_consume_batch_queue(queue, wait_ms, batch.as_mut_ptr(), BATCH) };
        for message in &batch[..usize::try_from(count).unwrap()] {
            // SAFETY: librdkafka gave us the message; it is destroyed once, after its last use.
            let message = unsafe { &**message };
            assert_eq!(message.err, native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
            if parse {
                // SAFETY: the payload lives as long as the message.
                let payload = unsafe { std::slice::from_raw_parts(message.payload.cast::<u8>(), message.len) };
                black_box(serde_json::from_slice::<Parsed<'_>>(payload).ok());
            }
            // SAFETY: as above.
            unsafe { native::rd_kafka_message_destroy(std::ptr::from_ref(message).cast_mut()) };
            begun.get_or_insert_with(Instant::now);
            read += 1;
        }
    }
    let seconds = begun.unwrap().elapsed().as_secs_f64();
    // SAFETY: obtained above and not used any more.
    unsafe { native::rd_kafka_queue_destroy(queue) };
    (events as f64 / seconds, (usage(std::process::id()).0 - before) / (events as f64 / 1e6))
}

struct Row {
    name: &'static str,
    formats: &'static str,
    hours: &'static str,
    /// Put before the configuration, whose budgets are then left out.
    sets: &'static str,
}

const FIVE_SETS: &str = r#"
grouping_set = [
    { name = "total", key = [] },
    { name = "model", key = ["provider", "model"] },
    { name = "feature", key = ["feature"] },
    { name = "team", key = ["team"] },
    { name = "user", key = ["user_id"] },
]
"#;

const ROWS: [Row; 6] = [
    Row { name: "json dense", formats: "json", hours: "0.25", sets: "" },
    Row { name: "json sparse", formats: "json", hours: "6", sets: "" },
    Row { name: "json five", formats: "json", hours: "0.25", sets: FIVE_SETS },
    Row { name: "avro dense", formats: "avro-single", hours: "0.25", sets: "" },
    Row { name: "avro sparse", formats: "avro-single", hours: "6", sets: "" },
    Row { name: "avro five", formats: "avro-single", hours: "0.25", sets: FIVE_SETS },
];

fn flat_out(directory: &Path, kafka: &Kafka, engine: &Engine, events: u64, row: &Row) {
    let more = "[clickhouse]\nusage_events = false\n";
    let site = Site::new(directory, row.name.replace(' ', "_").as_str(), kafka, engine, "");
    let mut text = std::fs::read_to_string(&site.config).unwrap().replace("[clickhouse]\n", more).replace("700ms", "30s");
    if !row.sets.is_empty() {
        let (before, after) = text.split_once("files = [").unwrap();
        text = format!("{}{before}files = []{}", row.sets, after.split_once(']').unwrap().1);
    }
    std::fs::write(&site.config, text).unwrap();
    site.succeed("generate", &["--count", &events.to_string(), "--formats", row.formats, "--users", "10000", "--hours", row.hours]);
    let (plain, plain_cpu) = bare(&site, events, false);
    let (parsed, parsed_cpu) = if row.formats == "json" { bare(&site, events, true) } else { (plain, plain_cpu) };
    let others = || [engine.pid(), kafka.broker_pid()].map(|pid| usage(pid).0);
    let (before, begun) = (others(), Instant::now());
    let service = site.run("bench");
    // Joining the group is not the pipeline's speed: time runs from the first account. Asking costs the engine something, so seldom.
    site.await_first_rows();
    let (joined, already) = (Instant::now(), site.offsets().unwrap());
    site.await_offsets(events, Duration::from_secs(600));
    let rate = (events - already) as f64 / joined.elapsed().as_secs_f64();
    let whole = events as f64 / begun.elapsed().as_secs_f64();
    let ((cpu, peak), busiest) = (usage(service.0.id()), busiest_thread(service.0.id()));
    let after = others();
    let per_million = |seconds: f64| seconds / (events as f64 / 1e6);
    println!(
        "{:>12} {plain:>10.0} {parsed:>10.0} {rate:>10.0} {:>6.2} {whole:>10.0} {plain_cpu:>7.2} {parsed_cpu:>7.2} {:>8.2} {:>7.2} {:>7.2} {:>7.2} {:>8}",
        row.name,
        rate / parsed,
        per_million(cpu),
        per_million(busiest),
        per_million(after[0] - before[0]),
        per_million(after[1] - before[1]),
        peak / 1_000_000
    );
    service.end(Duration::from_secs(30));
}

fn main() {
    let events: u64 = std::env::var("BENCH_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000_000);
    let only = std::env::var("BENCH_ROWS").unwrap_or_default();
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let engine = Engine::start(directory.path());
    println!(
        "whole pipeline from real Kafka (broker and engine on the same machine), {events} events, 12 grouping sets and 8 budgets (five: 5 and none), rows per event off"
    );
    println!("dense: all within a quarter hour, as a live stream is; sparse: over six hours, nearly every event makes a cell of its own");
    println!("{:>12} {:>43} {:>22} {:>50}", "", "events a second", "", "processor seconds per million events");
    println!(
        "{:>12} {:>10} {:>10} {:>10} {:>6} {:>10} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>8}",
        "", "bare", "parsed", "pipeline", "ratio", "with start", "bare", "parsed", "pipeline", "busiest", "engine", "broker", "peak MB"
    );
    for row in ROWS.iter().filter(|row| row.name.contains(&only)) {
        flat_out(directory.path(), &kafka, &engine, events, row);
    }
}
