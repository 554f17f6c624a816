//! Reading a whole topic once, outside of any group: for audits and dead letters.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A partition's offsets at the moment of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The partition.
    pub partition: i32,
    /// First offset in the log.
    pub start: i64,
    /// First offset not yet in the log.
    pub end: i64,
}

/// Reads `topic` from its first offset to `ends` (partition by partition), or to where it ends now.
///
/// # Errors
/// No answer from the brokers, or an `each` that fails.
pub(super) fn read_topic(
    client: &ClientConfig,
    topic: &str,
    ends: Option<&[(i32, i64)]>,
    each: &mut dyn FnMut(&BorrowedMessage<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Extent>> {
    let mut client = client.clone();
    client
        .set("group.id", "cost-rhythm-reader")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = client.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).context("no broker answers")?;
    let partitions: Vec<i32> = metadata.topics().first().map(|t| t.partitions().iter().map(|p| p.id()).collect()).unwrap_or_default();
    if partitions.is_empty() {
        bail!("topic {topic:?} does not exist");
    }
    let mut extents = Vec::new();
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        let (start, end) = consumer.fetch_watermarks(topic, partition, TIMEOUT)?;
        let end = ends.and_then(|ends| ends.iter().find(|(p, _)| *p == partition)).map_or(end, |(_, end)| *end);
        extents.push(Extent { partition, start, end });
        if start < end {
            list.add_partition_offset(topic, partition, Offset::Offset(start))?;
        }
    }
    let mut open = list.count();
    if open == 0 {
        return Ok(extents);
    }
    consumer.assign(&list)?;
    let mut done = std::collections::BTreeSet::new();
    let mut last = Instant::now();
    while open > 0 {
        match consumer.poll(Duration::from_millis(200)) {
            None if last.elapsed() > Duration::from_secs(60) => bail!("topic {topic:?}: nothing came for 60 s"),
            None => continue,
            Some(Ok(message)) => {
                let end = extents.iter().find(|e| e.partition == message.partition()).map_or(0, |e| e.end);
                if message.offset() < end {
                    each(&message)?;
                }
                if message.offset() + 1 >= end && done.insert(message.partition()) {
                    open -= 1;
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                if done.insert(partition) {
                    open -= 1;
                }
            }
            Some(Err(error)) => return Err(error.into()),
        }
        last = Instant::now();
    }
    Ok(extents)
}

/// A message's headers as (name, value).
pub(super) fn headers_of(message: &BorrowedMessage<'_>) -> Vec<(String, Vec<u8>)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
}
