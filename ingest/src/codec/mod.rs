//! From a message to an event: format detection, parsing, validation.
//!
//! Every payload ends in one of three ways: a [`schemas::Event`], a [`schemas::Rejection`] with a stable code, or *waiting* because the schema
//! registry is silent. Decoding is a function of the message, the known schemas and the registry's answers; it reads no clock,
//! makes no floating-point number of anything that counts, and holds at most a bounded multiple of the payload in memory.
//!
//! | payload begins with | format |
//! |---|---|
//! | `00` and a 4-byte id | Avro in Confluent framing, schema from the registry |
//! | `C3 01` and an 8-byte fingerprint | Avro single-object encoding |
//! | `{`, after optional white space | JSON; a CloudEvent if its content type or a `specversion` says so |
//!
//! The headers `ce_*` make any of them the data of a CloudEvent in binary mode.

mod avro;
mod canonical;
mod cloud_event;
mod decoder;
mod draft;
mod field;
mod json;
mod numbers;
mod pairs;
mod refusal;
mod rules;
mod unknown_fields;

pub use avro::WriterSchema;
pub use decoder::{Decoded, Decoder, DecoderOptions};
pub use unknown_fields::UnknownFields;

/// Largest event, in bytes of payload.
pub const MAX_EVENT_BYTES: usize = 1 << 20;
/// Deepest nesting; the event object is level 1.
pub const MAX_DEPTH: usize = 64;
/// The Avro schema that we publish, version 1.
pub const USAGE_EVENT_V1: &str = include_str!("../../../schemas/avro/usage_event_v1.avsc");

/// A schema that events cannot be read with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The text is no Avro schema.
    #[error("not an Avro schema: {0}")]
    Syntax(String),
    /// It is one, but its records are no usage events.
    #[error("{0}")]
    Incompatible(String),
}
