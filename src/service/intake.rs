//! From `POST /api/v1/events` to the topic of events. A producer of its own: what a broker refuses of a stranger must not stop the pipeline's.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::body::Bytes;
use bumpalo::Bump;
use console::{EventDoor, NotSent};
use futures_util::future::{BoxFuture, FutureExt};
use ingest::codec::{Decoded, Decoder, DecoderOptions};
use ingest::kafka::Reach;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use runtime::io::Message;
use schemas::{Reason, Rejection, Timestamp};

use super::MESSAGE_MAX_BYTES;
use super::connect::producing_events;
use crate::config::{Config, micros};

/// What is not acknowledged so long is given up; the producer of the event sends it again. Below the route's patience.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(25);
/// Between two attempts to find room in the queue.
const FULL: Duration = Duration::from_millis(10);

/// Judges events as the meter's decoder does, and sends them keyed by their id.
pub(super) struct KafkaDoor {
    producer: FutureProducer,
    topic: String,
    decoder: Mutex<Decoder>,
    future_us: i64,
}

impl KafkaDoor {
    /// A door to the configured topic.
    ///
    /// # Errors
    /// A setting that librdkafka refuses.
    pub(super) fn new(config: &Config, client: &ClientConfig) -> anyhow::Result<Self> {
        let mut client = client.clone();
        producing_events(&mut client)
            .set("message.max.bytes", MESSAGE_MAX_BYTES.to_string())
            // The topic's limit is one of batches: none is larger than one event needs.
            .set("batch.size", "65536")
            .set("queue.buffering.max.kbytes", (64 * 1024).to_string())
            .set("message.timeout.ms", GIVEN_UP_AFTER.as_millis().to_string());
        Ok(KafkaDoor {
            producer: client.create().context("CR-3003: no producer for http.accept_events")?,
            topic: config.kafka.topic(&config.kafka.events_topic),
            decoder: Mutex::new(Decoder::new(DecoderOptions::default())?),
            future_us: micros(config.windows.future),
        })
    }

    /// Whether its client reaches the brokers.
    pub(super) fn reach(&self, config: &Config) -> Reach {
        let producer = self.producer.clone();
        Reach::of(
            "producer of http.accept_events".to_owned(),
            move || Some(producer.clone()),
            FutureProducer::client,
            self.topic.clone(),
            config.kafka.brokers.clone(),
        )
    }

    async fn send_all(&self, events: Vec<(String, Bytes)>) -> Result<(), NotSent> {
        let deadline = Instant::now() + GIVEN_UP_AFTER;
        let mut deliveries = Vec::with_capacity(events.len());
        for (key, event) in &events {
            deliveries.push(loop {
                match self.producer.send_result(FutureRecord::to(&self.topic).key(key.as_bytes()).payload(&event[..])) {
                    Ok(delivery) => break delivery,
                    Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) && Instant::now() < deadline => {
                        tokio::time::sleep(FULL).await;
                    }
                    Err((error, _)) => return Err(self.not_sent(&error)),
                }
            });
        }
        for delivery in deliveries {
            match delivery.await {
                Ok(Ok(_)) => {}
                Ok(Err((error, _))) => return Err(self.not_sent(&error)),
                Err(_) => return Err(NotSent::Unheard("the service is ending".to_owned())),
            }
        }
        Ok(())
    }

    fn not_sent(&self, error: &KafkaError) -> NotSent {
        let text = format!("{}: {error}", self.topic);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => NotSent::TooLarge(text),
            _ => NotSent::Unheard(text),
        }
    }
}

impl EventDoor for KafkaDoor {
    fn key_of(&self, event: &[u8]) -> Result<String, Rejection> {
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let arena = Bump::new();
        let message = Message { offset: 0, timestamp: now, key: None, payload: Some(event), headers: &[] };
        let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        match decoder.decode(&message, &arena) {
            Decoded::Event(event) => {
                if event.occurred_at > now.plus(self.future_us) {
                    let detail = format!(
                        "occurred_at is {}, more than {} s after the present {now}: check the producer's clock",
                        event.occurred_at,
                        self.future_us / 1_000_000
                    );
                    return Err(Rejection::new(Reason::OccurredAtInFuture, detail));
                }
                Ok(event.event_id.to_owned())
            }
            Decoded::Rejected(rejection) => Err(rejection),
            Decoded::Waiting(why) => Err(Rejection::new(Reason::UnknownSchema, why)),
        }
    }

    fn send(&self, events: Vec<(String, Bytes)>) -> BoxFuture<'_, Result<(), NotSent>> {
        self.send_all(events).boxed()
    }
}
