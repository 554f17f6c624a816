//! One usage event to Kafka: `cargo run --example send_event -- [BROKERS] [TOPIC]`.
#![allow(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use anyhow::anyhow;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let topic = arguments.next().unwrap_or_else(|| "usage-events".to_owned());
    let now = jiff::Timestamp::now();
    // With `source` the identity: keep it when you send the event again.
    let event_id = format!("rust-{}", now.as_nanosecond());
    let event = json!({
        "event_id": event_id,
        "source": "rust-example",
        "occurred_at": now.to_string(),
        "kind": "llm",
        "provider": "anthropic",
        "model": "claude-haiku-4-5",
        "feature": "search",
        "input_tokens": 1200,
        "output_tokens": 300,
        "revenue": "0.02", // money is text: no digit is lost
    })
    .to_string();
    // The key decides the partition: a repeat of the event must come to the same one. "murmur2_random" is what Java clients do, so producers of different
    // languages agree.
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", "30000")
        .create()?;
    let sent = producer.send(FutureRecord::to(&topic).key(&event_id).payload(&event), Duration::from_secs(30)).await;
    let delivery = sent.map_err(|(error, _)| anyhow!("not delivered to {topic} at {brokers}: {error}"))?;
    println!("{event_id} is at offset {} of {topic}/{}", delivery.offset, delivery.partition);
    Ok(())
}
