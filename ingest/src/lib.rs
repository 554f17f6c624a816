//! Events in: from Kafka to decoded, checked events.

pub mod codec;
pub mod kafka;
pub mod registry;
