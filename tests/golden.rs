//! One input and one golden output, both in `tests/golden/`: a plain run, a run that is killed and restored again and again, and a run on one, then
//! three, then two instances must all give the golden output, byte for byte. Kafka, ClickHouse's engine and the instances are real.
//!
//! `UPDATE_GOLDEN=1` writes the output anew; the ignored test `make_the_input` writes the input anew. The input's event times are fixed and in the past, each
//! partition's order is that of the file, and nothing in it waits for the clock: so outcomes, rows and alerts depend on the file, prices and rates alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use generate::{Formats, Generator, Options, Pace, Shares};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::Timestamp;
use schemas::timestamp::{HOUR_US, MINUTE_US};
use serde::{Deserialize, Serialize};
use support::{Engine, Kafka, Process, Seeded, Site};

const PARTITIONS: i32 = 3;
const KILLS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(120);
const ORDERLY: Duration = Duration::from_secs(25);

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A message of the input file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    partition: i32,
    key: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    /// Neither of the two: a tombstone.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What is not UTF-8, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl Line {
    fn payload(&self) -> Option<Vec<u8>> {
        let bytes = |hex: &String| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        self.text.as_ref().map(|text| text.clone().into_bytes()).or_else(|| self.hex.as_ref().map(bytes))
    }
}

fn input() -> Vec<Line> {
    let text = std::fs::read_to_string(file("input.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A pipeline of its own for these budgets. Silence is never taken for an end: what is closed is a function of the input.
fn site(directory: &Path, name: &str, kafka: &Kafka, engine: &Engine) -> Site {
    let site = Site::new(directory, name, kafka, engine, "[windows]\nidle_after = \"1h\"\n[run]\nshutdown_grace = \"5s\"");
    let text = std::fs::read_to_string(&site.config).unwrap();
    let text = text.replace("[kafka]", "[kafka]\nsession_timeout = \"6s\"");
    let text: String = text
        .lines()
        .map(|line| if line.starts_with("files = ") { format!("files = [{:?}]\n", file("budgets.toml")) } else { format!("{line}\n") })
        .collect();
    std::fs::write(&site.config, text).unwrap();
    site
}

/// Sends messages to their partitions, in their order.
fn send(site: &Site, lines: &[Line]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &site.brokers).set("enable.idempotence", "true").create().unwrap();
    let topic = format!("{}usage-events", site.prefix);
    for line in lines {
        let payload = line.payload();
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic).partition(line.partition).key(&line.key);
        record.payload = payload.as_deref();
        let headers = line.headers.iter();
        record.headers = Some(headers.fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) })));
        producer.send(record).unwrap_or_else(|(error, _)| panic!("{error}"));
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

fn end(process: Process) {
    assert_eq!(process.end(ORDERLY).code(), Some(0), "an orderly end");
}

/// Feeds a pipeline and runs it to the end.
type Run = fn(&Site, &[Line]);

fn plain(site: &Site, input: &[Line]) {
    let one = site.run("one");
    send(site, input);
    site.await_offsets(input.len() as u64, PATIENCE);
    site.succeed("audit", &[]);
    end(one);
}

/// Killed at moments that the seed decides, while messages come in.
fn killed(site: &Site, input: &[Line]) {
    let mut random = Seeded(4);
    let mut one = site.run("one");
    site.await_log("one", "partition taken over");
    for part in input.chunks(input.len().div_ceil(KILLS + 1)) {
        send(site, part);
        std::thread::sleep(Duration::from_millis(200 + random.next(1800)));
        one.kill();
        one = site.run("one");
    }
    site.await_offsets(input.len() as u64, PATIENCE);
    end(one);
    assert!(site.log("one").matches("resumed from a snapshot").count() >= KILLS, "it was restored");
}

/// A third of the messages for one instance, a third for three, a third for two.
fn rescaled(site: &Site, input: &[Line]) {
    let third = input.len() / 3;
    let one = site.run("one");
    send(site, &input[..third]);
    site.await_offsets(third as u64, PATIENCE);
    let (two, three) = (site.run("two"), site.run("three"));
    for instance in ["two", "three"] {
        for stage in ["meter", "monitor"] {
            site.await_log(instance, &format!("resumed from a snapshot stage=\"{stage}\""));
        }
    }
    send(site, &input[third..2 * third]);
    site.await_offsets(2 * third as u64, PATIENCE);
    end(three);
    send(site, &input[2 * third..]);
    site.await_offsets(input.len() as u64, PATIENCE);
    end(one);
    end(two);
}

#[test]
fn a_plain_a_killed_and_a_rescaled_run_give_the_golden_output() {
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start_without_registry(directory.path());
    let engine = Engine::start(directory.path());
    let input = input();
    let runs: [(&str, Run); 3] = [("plain", plain), ("killed", killed), ("rescaled", rescaled)];
    let outputs = std::thread::scope(|scope| {
        let (directory, kafka, engine, input) = (directory.path(), &kafka, &engine, &input);
        let started = runs.map(|(name, run)| {
            scope.spawn(move || {
                let site = site(directory, name, kafka, engine);
                run(&site, input);
                output(&site)
            })
        });
        started.map(|run| run.join().unwrap())
    });
    let path = file("output.tsv");
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
        std::fs::write(&path, &outputs[0]).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for ((run, _), output) in runs.iter().zip(&outputs) {
        assert_golden(run, output, &golden);
    }
}

/// Everything that must be the same in every run, as text.
fn output(site: &Site) -> String {
    let mut text = String::new();
    let mut section = |name: &str, rows: &str| write!(text, "[{name}]\n{rows}").unwrap();
    for (name, rows) in support::outcome::views(site) {
        section(&name, &rows);
    }
    section("budgets", &site.query("SELECT budget, scope, period, currency, spent, `limit`, level FROM budgets ORDER BY ALL"));
    let letters = support::outcome::dead_letters(site).into_iter();
    let letters: String = letters.map(|((partition, offset), letter)| format!("{partition}\t{offset}\t{}\n", letter.0)).collect();
    section("dead letters", &letters);
    section("alerts", &site.query("SELECT rule, scope, period, threshold, level, state, id FROM alerts ORDER BY ALL"));
    let told = support::outcome::alerts(site).into_iter();
    let told: String = told.map(|(id, level, state)| format!("{id}\t{level}\t{state}\n")).collect();
    section("alerts on the topic", &told);
    text
}

fn assert_golden(run: &str, found: &str, golden: &str) {
    if found == golden {
        return;
    }
    let section = |lines: &[&str]| lines.iter().rev().find(|line| line.starts_with('[')).map_or(String::new(), |line| (*line).to_owned());
    let (found, golden): (Vec<&str>, Vec<&str>) = (found.lines().collect(), golden.lines().collect());
    let at = found.iter().zip(&golden).position(|(found, golden)| found != golden).unwrap_or(found.len().min(golden.len()));
    panic!(
        "the {run} run differs from tests/golden/output.tsv, line {}, {}:\n{}\ninstead of\n{}\n({} and {} lines; UPDATE_GOLDEN=1 writes the file anew)",
        at + 1,
        section(&golden[..at]),
        found.get(at).unwrap_or(&"nothing"),
        golden.get(at).unwrap_or(&"nothing"),
        found.len(),
        golden.len(),
    );
}

const START: &str = "2026-01-12T08:00:00Z";
const HOURS: i64 = 6;
const EVENTS: u64 = 1_500;

/// Spend of one team that is corrected again: minutes after [`START`] at which it is sent, partition, and what is said. `TIME(minutes)` stands for such a time.
const STORY: [(i64, i32, &str); 14] = [
    (5, 0, r#""event_id":"b-1","occurred_at":"TIME(5)","kind":"cost","amount":"85","currency":"USD""#),
    (10, 1, r#""event_id":"b-2","occurred_at":"TIME(10)","kind":"cost","amount":"20","currency":"USD""#),
    // A void of the second: below the highest threshold.
    (60, 2, r#""event_id":"v-2","occurred_at":"TIME(10)","kind":"adjustment","adjusts":"b-2","amount":"-20","currency":"USD""#),
    // A void of the first: below the others.
    (110, 0, r#""event_id":"v-1","occurred_at":"TIME(5)","kind":"adjustment","adjusts":"b-1","amount":"-85","currency":"USD""#),
    // A call and its void.
    (
        130,
        1,
        r#""event_id":"c-1","occurred_at":"TIME(130)","kind":"llm","provider":"anthropic","model":"claude-haiku-4-5","user_id":"auditor","input_tokens":1000000,"output_tokens":12345"#,
    ),
    (
        190,
        2,
        r#""event_id":"v-3","occurred_at":"TIME(130)","kind":"adjustment","adjusts":"c-1","provider":"anthropic","model":"claude-haiku-4-5","user_id":"auditor","input_tokens":-1000000,"output_tokens":-12345"#,
    ),
    // All three again, in two steps, and the first of them twice.
    (220, 1, r#""event_id":"b-3","occurred_at":"TIME(220)","kind":"cost","amount":"60","currency":"USD""#),
    (225, 1, r#""event_id":"b-3","occurred_at":"TIME(220)","kind":"cost","amount":"60.0","currency":"usd""#),
    (260, 2, r#""event_id":"b-4","occurred_at":"TIME(260)","kind":"cost","amount":"45","currency":"USD""#),
    // In the future for longer than this program will live.
    (270, 0, r#""event_id":"f-1","occurred_at":"2099-01-01T00:00:00Z","kind":"cost","amount":"1","currency":"USD""#),
    (300, 0, r#""event_id":"a-1","occurred_at":"TIME(260)","kind":"adjustment","adjusts":"b-4","amount":"-1380.5","currency":"KRW""#),
    // Three weeks later: everything above is closed.
    (30_000, 0, r#""event_id":"z-0","occurred_at":"TIME(30000)","kind":"cost","amount":"0.01","currency":"USD""#),
    (30_000, 1, r#""event_id":"z-1","occurred_at":"TIME(30000)","kind":"cost","amount":"0.01","currency":"USD""#),
    (30_000, 2, r#""event_id":"z-2","occurred_at":"TIME(30000)","kind":"cost","amount":"0.01","currency":"USD""#),
];

#[test]
#[ignore = "writes tests/golden/input.jsonl anew; the output follows with UPDATE_GOLDEN=1"]
fn make_the_input() {
    let start = Timestamp::parse(START).unwrap();
    let span_us = HOURS * HOUR_US;
    // No event of the generator's future: some day it will be past.
    let shares = Shares { future: 0, credit: 10_000, adjustment: 20_000, ..Shares::TROUBLED };
    let formats = Formats { avro_confluent: 0, ..Formats::ALL };
    let options = Options { start, pace: Pace::Span(span_us), users: 12, formats, shares, ..Options::ending_at(start, 20, EVENTS) };
    let mut lines = Vec::new();
    for message in Generator::new(options).unwrap() {
        let key = String::from_utf8(message.key.unwrap()).unwrap();
        let partition = key.bytes().fold(0, |sum, byte| sum + i32::from(byte)) % PARTITIONS;
        let headers = message.headers.into_iter().map(|(name, value)| (name.to_owned(), String::from_utf8(value).unwrap())).collect();
        let mut line = Line { partition, key, headers, text: None, hex: None };
        match message.payload.map(String::from_utf8) {
            None => {}
            Some(Ok(text)) => line.text = Some(text),
            Some(Err(binary)) => line.hex = Some(binary.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()),
        }
        lines.push((message.intended_timestamp, line));
    }
    for (minutes, partition, said) in STORY {
        let mut said = format!(r#"{{"source":"billing","team":"ledger",{said}}}"#);
        while let Some((before, rest)) = said.split_once("TIME(") {
            let (number, after) = rest.split_once(')').unwrap();
            said = format!("{before}{}{after}", start.plus(number.parse::<i64>().unwrap() * MINUTE_US));
        }
        let key = format!("billing-{partition}");
        lines.push((start.plus(minutes * MINUTE_US), Line { partition, key, headers: Vec::new(), text: Some(said), hex: None }));
    }
    lines.sort_by_key(|(sent_at, _)| *sent_at);
    let text: String = lines.iter().map(|(_, line)| serde_json::to_string(line).unwrap() + "\n").collect();
    std::fs::write(file("input.jsonl"), text).unwrap();
}
