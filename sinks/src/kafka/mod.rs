//! Kafka, writing: one idempotent producer per process, one [`KafkaOutbox`] per driver.
//!
//! **No gaps.** A reader of the partials topic takes "everything before has been sent to you" for true. So a record may never be
//! lost while a later one arrives: records never time out (an outage is waited out, the bounded queue holds the
//! drivers back), retries keep the order (idempotence), and a batch that the broker refuses for good stops the *whole* producer
//! (`enable.gapless.guarantee`): every outbox then says [`runtime::io::IoError::Fatal`]. The process makes a new [`Producer`] and
//! restarts its drivers from their snapshots, or ends and is restarted.

mod acknowledgements;
mod options;
mod outbox;
mod producer;

pub use options::{Compression, OutTopics, ProducerOptions};
pub use outbox::KafkaOutbox;
pub use producer::{Producer, ProducerError};
