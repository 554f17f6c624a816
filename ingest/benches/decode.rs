//! Events decoded and checked per second on one core, by format: `cargo bench -p ingest --bench decode`.
#![allow(clippy::print_stdout, clippy::panic, clippy::unwrap_used, reason = "a bench reports on stdout and may stop")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use apache_avro::types::Value;
use apache_avro::{Schema, to_avro_datum};
use bumpalo::Bump;
use ingest::codec::{Decoded, Decoder, DecoderOptions, USAGE_EVENT_V1, WriterSchema};
use runtime::io::Message;
use schemas::Timestamp;

const BATCH: usize = 1000;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(500);

fn main() {
    let json: Vec<Vec<u8>> = (0..BATCH).map(json_event).collect();
    let avro: Vec<Vec<u8>> = (0..BATCH).map(avro_event).collect();
    println!("{:<22} {:>12} {:>14} {:>10}", "format", "bytes/event", "events/s", "ns/event");
    report("json", &json);
    report("avro single-object", &avro);
}

/// The best of some rounds, because other work on the machine only ever makes it slower.
fn report(name: &str, payloads: &[Vec<u8>]) {
    let mut decoder = Decoder::new(DecoderOptions::default()).unwrap();
    let mut arena = Bump::with_capacity(1 << 22);
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let (started, mut events) = (Instant::now(), 0_u64);
        while started.elapsed() < ROUND {
            for payload in payloads {
                let message = Message { offset: 0, timestamp: Timestamp::from_micros(0), key: None, payload: Some(payload), headers: &[] };
                match decoder.decode(&message, &arena) {
                    Decoded::Event(event) => drop(black_box(event)),
                    other => panic!("{other:?}"),
                }
            }
            arena.reset();
            events += payloads.len() as u64;
        }
        best = best.min(started.elapsed().as_secs_f64() / events as f64);
    }
    let bytes = payloads.iter().map(Vec::len).sum::<usize>() / payloads.len();
    println!("{name:<22} {bytes:>12} {:>14.0} {:>10.0}", 1.0 / best, best * 1e9);
}

fn json_event(index: usize) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"event_id":"req-{:012x}","source":"checkout-api","occurred_at":"2026-11-22T10:15:03.{:06}Z","kind":"llm","#,
            r#""provider":"anthropic","model":"claude-haiku-4-5","operation":"chat","route":"/v1/analyze","#,
            r#""feature":"strategy_generation","task_type":"analyst","user_id":"u-{}","team":"core","project":"helios","#,
            r#""environment":"production","tags":{{"region":"eu"}},"input_tokens":{},"cache_read_tokens":800,"#,
            r#""cache_write_5m_tokens":0,"output_tokens":{},"reasoning_tokens":100,"tier":"standard","#,
            r#""revenue":"0.02","latency_ms":{},"status":"ok"}}"#
        ),
        index,
        index * 997 % 1_000_000,
        index * 31 % 100_000,
        1000 + index,
        300 + index % 500,
        812 + index % 1000
    )
    .into_bytes()
}

fn avro_event(index: usize) -> Vec<u8> {
    let text = |text: &str| Value::Union(1, Box::new(Value::String(text.into())));
    let long = |count: usize| Value::Union(1, Box::new(Value::Long(count as i64)));
    let null = || Value::Union(0, Box::new(Value::Null));
    let fields = [
        ("event_id", Value::String(format!("req-{index:012x}"))),
        ("source", Value::String("checkout-api".into())),
        ("occurred_at", Value::TimestampMicros(1_795_342_503_000_000 + index as i64)),
        ("kind", Value::String("llm".into())),
        ("provider", text("anthropic")),
        ("model", text("claude-haiku-4-5")),
        ("operation", text("chat")),
        ("service", null()),
        ("route", text("/v1/analyze")),
        ("feature", text("strategy_generation")),
        ("task_type", text("analyst")),
        ("user_id", text(&format!("u-{}", index * 31 % 100_000))),
        ("team", text("core")),
        ("project", text("helios")),
        ("environment", text("production")),
        ("cost_center", null()),
        ("owner", null()),
        ("tags", Value::Union(1, Box::new(Value::Map([("region".to_owned(), Value::String("eu".into()))].into())))),
        ("token_convention", null()),
        ("input_tokens", long(1000 + index)),
        ("cache_read_tokens", long(800)),
        ("cache_write_tokens", null()),
        ("cache_write_5m_tokens", long(0)),
        ("cache_write_1h_tokens", null()),
        ("output_tokens", long(300 + index % 500)),
        ("reasoning_tokens", long(100)),
        ("tier", text("standard")),
        ("amount", null()),
        ("currency", null()),
        ("revenue", text("0.02")),
        ("revenue_currency", null()),
        ("latency_ms", long(812 + index % 1000)),
        ("status", text("ok")),
        ("error_type", null()),
        ("adjusts", null()),
        ("attributes", null()),
    ];
    let record = Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let schema = Schema::parse_str(USAGE_EVENT_V1).unwrap();
    let fingerprint = WriterSchema::parse(USAGE_EVENT_V1).unwrap().fingerprint();
    let mut bytes = vec![0xc3, 0x01];
    bytes.extend(fingerprint.to_le_bytes());
    bytes.extend(to_avro_datum(&schema, record).unwrap());
    bytes
}
