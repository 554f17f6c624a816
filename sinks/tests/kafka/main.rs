//! The producer against a real Apache Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::type_complexity, reason = "a test")]

#[path = "../../../ingest/tests/kafka/broker.rs"]
#[allow(dead_code, reason = "shared with the tests of ingest")]
mod broker;

use std::{
    thread,
    time::{Duration, Instant},
};

use broker::Broker;
use ingest::kafka::{Admin, KafkaConnection, NewTopic};
use runtime::io::{Full, IoError, OutRecord, OutTopic, Outbox};
use sinks::kafka::{KafkaOutbox, OutTopics, Producer, ProducerOptions};

const PATIENCE: Duration = Duration::from_secs(120);

fn outbox(broker: &Broker, topic: &str) -> (Producer, KafkaOutbox) {
    let client = KafkaConnection::plaintext(broker.brokers()).client_config().unwrap();
    let wanted = NewTopic { name: topic, partitions: 4, replication: 1, settings: &[("max.message.bytes", "100000")] };
    Admin::new(&client, PATIENCE).unwrap().create_topics(&[wanted]).unwrap();
    let producer = Producer::start(&ProducerOptions { queue_messages: 5000, ..ProducerOptions::new(client) }).unwrap();
    let topics = OutTopics { partials: topic.into(), dead_letters: topic.into(), alerts: topic.into() };
    (producer.clone(), producer.outbox(topics))
}

fn send(outbox: &mut KafkaOutbox, number: u64, payload: Vec<u8>) {
    let headers = vec![("h".to_owned(), vec![1]), ("h".to_owned(), vec![])];
    let key = Some(number.to_string().into_bytes());
    let mut record = OutRecord { topic: OutTopic::Partials, partition: None, key, payload: Some(payload), headers };
    while let Err(Full(back)) = outbox.send(record) {
        record = back;
        thread::sleep(Duration::from_millis(1));
    }
}

fn wait_for(outbox: &mut KafkaOutbox, count: u64) -> Result<(), IoError> {
    let begun = Instant::now();
    let mut before = 0;
    loop {
        let now = outbox.acknowledged()?;
        assert!(now >= before && now <= count && begun.elapsed() < PATIENCE, "{before} {now} of {count}");
        if now == count {
            return Ok(());
        }
        before = now;
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn acknowledgements_over_partitions_grow_without_gap_and_an_outage_is_waited_out() {
    let broker = Broker::start();
    let (producer, mut outbox) = outbox(&broker, "out");
    (0..20_000).for_each(|number| send(&mut outbox, number, vec![7; 100]));
    wait_for(&mut outbox, 20_000).unwrap();
    broker.stop();
    (20_000..21_000).for_each(|number| send(&mut outbox, number, vec![7; 100]));
    assert!(producer.flush(Duration::from_millis(100)).is_err());
    broker.resume();
    producer.flush(PATIENCE).unwrap();
    wait_for(&mut outbox, 21_000).unwrap();
}

#[test]
fn a_record_too_large_for_the_client_or_the_topic_is_fatal() {
    let broker = Broker::start();
    for (topic, bytes) in [("client", 2_000_000), ("topic", 500_000)] {
        let (_producer, mut outbox) = outbox(&broker, topic);
        // Random enough not to be compressed below the limit.
        let noise = (0..bytes).scan(1_u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        });
        send(&mut outbox, 0, noise.collect());
        let error = wait_for(&mut outbox, 1).unwrap_err();
        assert!(matches!(&error, IoError::Fatal(text) if text.contains("record 0")|| text.contains("failed")), "{error:?}");
    }
}
