//! The process's one producer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Message,
    client::Client,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{Producer as _, ProducerContext, ThreadedProducer},
};

use super::{KafkaOutbox, OutTopics, ProducerOptions, acknowledgements::Acknowledgements};

/// The producer could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProducerError {
    /// A setting that librdkafka refuses.
    #[error("cannot create a kafka producer: {0}")]
    Client(#[source] KafkaError),
    /// Records are still unacknowledged.
    #[error("{left} records are not acknowledged after {deadline:?}")]
    FlushTimeout {
        /// How many.
        left: i32,
        /// How long it was waited.
        deadline: Duration,
    },
}

/// Which record of which outbox a delivery report is about.
pub(super) struct Ticket {
    pub(super) acknowledgements: Arc<Acknowledgements>,
    pub(super) number: u64,
}

/// What librdkafka's polling thread calls back into.
#[derive(Default)]
pub(super) struct ReportContext {
    /// Why the whole producer is broken for good.
    fatal: Arc<Mutex<Option<String>>>,
}

impl ReportContext {
    fn set_fatal(&self, reason: String) {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }
}

impl ClientContext for ReportContext {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            tracing::error!(%error, reason, "kafka producer has failed: drivers must restart");
            self.set_fatal(reason.to_owned());
        } else {
            tracing::warn!(%error, reason, "kafka producer");
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Debug => tracing::debug!(facility, "librdkafka: {text}"),
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => tracing::info!(facility, "librdkafka: {text}"),
            _ => tracing::warn!(facility, "librdkafka: {text}"),
        }
    }
}

impl ProducerContext for ReportContext {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        match result {
            Ok(_) => ticket.acknowledgements.acknowledge(ticket.number),
            Err((error, message)) => {
                let reason = format!("record {} for {}[{}]: {error}", ticket.number, message.topic(), message.partition());
                ticket.acknowledgements.fail(reason);
            }
        }
    }
}

/// The process's producer; cheap to clone. See the [module](super) for its guarantees.
#[derive(Clone)]
pub struct Producer {
    native: Arc<ThreadedProducer<ReportContext>>,
    fatal: Arc<Mutex<Option<String>>>,
}

impl Producer {
    /// Starts the producer and its polling thread. Brokers that cannot be reached are waited for.
    ///
    /// # Errors
    /// A setting that librdkafka refuses.
    pub fn start(options: &ProducerOptions) -> Result<Self, ProducerError> {
        let context = ReportContext::default();
        let fatal = context.fatal.clone();
        let native = options.native().create_with_context(context).map_err(ProducerError::Client)?;
        Ok(Producer { native: Arc::new(native), fatal })
    }

    /// An outbox for one driver.
    pub fn outbox(&self, topics: OutTopics) -> KafkaOutbox {
        KafkaOutbox::new(self.clone(), topics)
    }

    /// Waits until everything sent by all outboxes is acknowledged.
    ///
    /// # Errors
    /// [`ProducerError::FlushTimeout`]
    pub fn flush(&self, deadline: Duration) -> Result<(), ProducerError> {
        let left = |_| ProducerError::FlushTimeout { left: self.native.in_flight_count(), deadline };
        self.native.flush(deadline).map_err(left)
    }

    /// Records that no broker has acknowledged yet, of all outboxes.
    pub fn unacknowledged(&self) -> u64 {
        u64::try_from(self.native.in_flight_count()).unwrap_or(0)
    }

    /// Why the producer as a whole is broken for good, if it is.
    pub fn failure(&self) -> Option<String> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The client, for questions about the cluster.
    pub fn client(&self) -> &Client<impl ClientContext + use<>> {
        self.native.client()
    }

    pub(super) fn native(&self) -> &ThreadedProducer<ReportContext> {
        &self.native
    }

    /// Asks the client itself: its error event may still be under way.
    pub(super) fn fatal_now(&self) -> Option<String> {
        let client: &Client<ReportContext> = self.native.client();
        client.fatal_error().map(|(code, text)| format!("{code}: {text}"))
    }
}
