//! From event to alert and from event to queryable row, while 20,000 events a second come in: real Kafka, the ClickHouse engine and the service,
//! each in a process of its own on this machine.
//!
//! `cargo bench -p cost-rhythm --bench latency` (BENCH_SECONDS chooses how long, default 60; BENCH_RATE the load)
//!
//! Twenty probes a second go along with the load. Each is the first spend of a feature of its own and reaches that feature's budget, so it must
//! cause a row and an alert that nothing else causes. Time runs from handing the probe to the producer until a consumer of the alert topic has the
//! alert, and until a SELECT on the hourly view shows the row; that SELECT runs ten times a second, so its own time and a part of the pause are in the
//! figure. Kafka's and the engine's first half minute, in which the former compiles itself, does not count.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a bench")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use support::{Engine, Kafka, Site};

const PROBE_EVERY: Duration = Duration::from_millis(50);
const SELECT_EVERY: Duration = Duration::from_millis(100);
const WARM_UP: Duration = Duration::from_secs(30);
/// The last probes get this long to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

const BUDGET: &str = r#"
[[budget]]
name = "each-feature"
limit = "0.000001"
per = ["feature"]
window = "hourly"
thresholds = [{ at = "1.00", level = "warning" }]
"#;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// When each probe was first seen, by its number.
type Seen = HashMap<u64, Instant>;

fn probe_number(text: &str) -> Option<u64> {
    text.rsplit("probe-").next()?.parse().ok()
}

/// Sends probes until told to stop; when each was sent.
fn send_probes(site: &Site, stop: &AtomicBool) -> Seen {
    let mut client = ClientConfig::new();
    let producer: BaseProducer = client.set("bootstrap.servers", &site.brokers).set("linger.ms", "0").create().unwrap();
    let topic = format!("{}usage-events", site.prefix);
    let mut sent = Seen::new();
    let begun = Instant::now();
    for number in 0.. {
        std::thread::sleep((begun + PROBE_EVERY * number).saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let event = format!(
            r#"{{"event_id":"probe-{number}","source":"bench","occurred_at":"{}","kind":"llm","provider":"anthropic","model":"claude-haiku-4-5","feature":"probe-{number}","input_tokens":1000,"output_tokens":1000}}"#,
            jiff::Timestamp::now()
        );
        sent.insert(number.into(), Instant::now());
        producer.send(BaseRecord::to(&topic).key(&format!("probe-{number}")).payload(&event)).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    sent
}

/// Consumes the alert topic until told to stop.
fn watch_alerts(site: &Site, stop: &AtomicBool) -> Seen {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("group.id", "latency")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    consumer.subscribe(&[&format!("{}cost-alerts", site.prefix)]).unwrap();
    let mut seen = Seen::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let alert: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        if let Some(number) = alert["data"]["scope"].as_str().and_then(probe_number) {
            seen.entry(number).or_insert_with(Instant::now);
        }
    }
    seen
}

/// Asks the hourly view again and again until told to stop.
fn watch_rows(site: &Site, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::new();
    while !stop.load(Ordering::Relaxed) {
        let next = Instant::now() + SELECT_EVERY;
        let rows = site.query("SELECT feature FROM hourly_by_feature WHERE startsWith(feature, 'probe-')");
        let now = Instant::now();
        for number in rows.lines().filter_map(probe_number) {
            seen.entry(number).or_insert(now);
        }
        std::thread::sleep(next.saturating_duration_since(now));
    }
    seen
}

fn report(what: &str, sent: &Seen, seen: &Seen, begun: Instant) {
    let counted: Vec<_> = sent.iter().filter(|(_, at)| at.duration_since(begun) > WARM_UP).collect();
    let mut millis: Vec<f64> =
        counted.iter().filter_map(|(number, at)| Some(seen.get(number)?.saturating_duration_since(**at).as_secs_f64() * 1e3)).collect();
    millis.sort_by(f64::total_cmp);
    assert!(!counted.is_empty(), "the load was over before the warm-up: raise BENCH_SECONDS");
    assert_eq!(millis.len(), counted.len(), "every probe must arrive");
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share).round() as usize];
    println!("{what:>24} {:>8} {:>10.0} {:>10.0} {:>10.0} {:>10.0}", millis.len(), at(0.5), at(0.9), at(0.99), at(1.0));
}

fn main() {
    let (seconds, rate) = (setting("BENCH_SECONDS", 60), setting("BENCH_RATE", 20_000));
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(directory.path());
    let engine = Engine::start(directory.path());
    let site = Site::new(directory.path(), "latency", &kafka, &engine, "");
    std::fs::write(directory.path().join("each-feature.toml"), BUDGET).unwrap();
    let text = std::fs::read_to_string(&site.config).unwrap();
    let budgets = text.lines().find(|line| line.starts_with("files = ")).unwrap();
    std::fs::write(&site.config, text.replace(budgets, "files = [\"each-feature.toml\"]").replace("700ms", "30s")).unwrap();
    let service = site.run("bench");

    let (stop_sending, stop_watching) = (AtomicBool::new(false), AtomicBool::new(false));
    let count = (seconds * rate).to_string();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| site.succeed("generate", &["--count", &count, "--rate", &rate.to_string(), "--users", "10000"]));
        site.await_first_rows();
        let begun = Instant::now();
        let probes = scope.spawn(|| send_probes(&site, &stop_sending));
        let alerts = scope.spawn(|| watch_alerts(&site, &stop_watching));
        let rows = scope.spawn(|| watch_rows(&site, &stop_watching));
        load.join().unwrap();
        stop_sending.store(true, Ordering::Relaxed);
        let sent = probes.join().unwrap();
        site.await_offsets(seconds * rate + sent.len() as u64, PATIENCE);
        std::thread::sleep(Duration::from_secs(2));
        stop_watching.store(true, Ordering::Relaxed);
        println!("{rate} events/s for {seconds} s, 12 grouping sets, rows per event on; milliseconds");
        println!("{:>24} {:>8} {:>10} {:>10} {:>10} {:>10}", "", "probes", "p50", "p90", "p99", "max");
        report("event to alert", &sent, &alerts.join().unwrap(), begun);
        report("event to queryable row", &sent, &rows.join().unwrap(), begun);
    });
    drop(service);
}
