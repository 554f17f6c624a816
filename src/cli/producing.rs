//! Sending to a topic from a command.

use std::time::Duration;

use anyhow::bail;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::types::RDKafkaErrorCode;

use crate::service::MESSAGE_MAX_BYTES;
use crate::service::connect::producing_events;

/// How long to wait for room in the queue before it is tried again.
const FULL: Duration = Duration::from_millis(10);

/// A producer of events that were there before: it keys them as producers of events do.
///
/// # Errors
/// A setting that librdkafka refuses.
pub(super) fn replaying(client: &mut ClientConfig) -> KafkaResult<BaseProducer> {
    producing_events(client).set("message.max.bytes", MESSAGE_MAX_BYTES.to_string()).create()
}

/// Sends one record, when there is room for it.
///
/// # Errors
/// A record that cannot be sent.
pub(super) fn send(producer: &BaseProducer, record: BaseRecord<'_, [u8], [u8]>) -> anyhow::Result<()> {
    let mut record = record;
    while let Err((error, again)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            bail!("cannot send to {:?}: {error}", again.topic);
        }
        producer.poll(FULL);
        record = again;
    }
    producer.poll(Duration::ZERO);
    Ok(())
}
