//! What a client that is asked questions hears of its connections meanwhile.

use std::sync::{Mutex, PoisonError};

use rdkafka::{
    ClientContext,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::ProducerContext,
};

use super::KafkaError;

/// Keeps the last error that matters most: a refusal, or else any.
#[derive(Debug, Default)]
pub(super) struct TroubleContext(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    refusal: Option<(RDKafkaErrorCode, String)>,
    last: Option<String>,
}

impl TroubleContext {
    /// An error that no patience helps against.
    pub(super) fn refusal(&self) -> Option<KafkaError> {
        let (code, reason) = self.0.lock().unwrap_or_else(PoisonError::into_inner).refusal.clone()?;
        Some(if code == RDKafkaErrorCode::SSL { KafkaError::Untrusted(reason) } else { KafkaError::Authentication(reason) })
    }

    /// The last error of any kind.
    pub(super) fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }
}

impl ClientContext for TroubleContext {
    fn error(&self, error: ClientError, reason: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error.rdkafka_error_code() {
            Some(code @ (RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)) => heard.refusal = Some((code, reason.to_owned())),
            // It says that there were errors, not which.
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            _ => heard.last = Some(reason.to_owned()),
        }
    }
}

impl ProducerContext for TroubleContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
