//! What one driver writes.

use std::sync::Arc;

use rdkafka::{
    error::RDKafkaErrorCode,
    message::{Header, OwnedHeaders},
    producer::BaseRecord,
};
use runtime::io::{Full, IoError, OutRecord, Outbox};

use super::{OutTopics, Producer, acknowledgements::Acknowledgements, producer::Ticket};

/// One driver's outbox. After its first failure it sends nothing more, so that no record follows a lost one.
pub struct KafkaOutbox {
    producer: Producer,
    topics: OutTopics,
    sent: u64,
    acknowledgements: Arc<Acknowledgements>,
}

impl KafkaOutbox {
    pub(super) fn new(producer: Producer, topics: OutTopics) -> Self {
        KafkaOutbox { producer, topics, sent: 0, acknowledgements: Arc::default() }
    }
}

impl Outbox for KafkaOutbox {
    fn send(&mut self, record: OutRecord) -> Result<(), Full<OutRecord>> {
        if self.acknowledgements.prefix().is_err() {
            // The driver learns it from `acknowledged`.
            return Ok(());
        }
        let ticket = Box::new(Ticket { acknowledgements: self.acknowledgements.clone(), number: self.sent });
        let topic = self.topics.name(record.topic);
        let mut native: BaseRecord<'_, [u8], [u8], Box<Ticket>> = BaseRecord::with_opaque_to(topic, ticket);
        native.partition = record.partition;
        native.key = record.key.as_deref();
        native.payload = record.payload.as_deref();
        if !record.headers.is_empty() {
            let headers = record.headers.iter();
            let empty = OwnedHeaders::new_with_capacity(record.headers.len());
            native.headers = Some(headers.fold(empty, |all, (name, value)| all.insert(Header { key: name, value: Some(value) })));
        }
        let refused = match self.producer.native().send(native) {
            Ok(()) => {
                self.sent += 1;
                return Ok(());
            }
            Err((error, _)) => error,
        };
        if refused.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) {
            return Err(Full(record));
        }
        let bytes = record.payload.as_ref().map_or(0, Vec::len);
        self.acknowledgements.fail(format!("record {} for {topic} ({bytes} bytes): {refused}", self.sent));
        self.sent += 1;
        Ok(())
    }

    fn acknowledged(&mut self) -> Result<u64, IoError> {
        if let Some(reason) = self.producer.failure() {
            return Err(IoError::Fatal(format!("kafka producer has failed: {reason}")));
        }
        self.acknowledgements.prefix().map_err(|reason| match self.producer.fatal_now() {
            Some(fatal) => IoError::Fatal(format!("{reason}; kafka producer has failed: {fatal}")),
            None => IoError::Fatal(reason),
        })
    }
}
