//! Decoding as a producer sees it: what is accepted, what is refused and why, in every format.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests stop at what they did not expect")]

mod avro_evolution;
mod cloud_events;
mod equivalence;
mod golden;
mod hostile;
mod json_oracle;
mod reasons;
mod registry;
mod validation;

use bumpalo::Bump;
use ingest::codec::{Decoded, Decoder, DecoderOptions, USAGE_EVENT_V1, WriterSchema};
use runtime::io::Message;
use schemas::{Event, Rejection, Timestamp};

/// A plain event, as JSON, to which tests add fields.
pub const BASE: &str = r#""event_id":"e1","source":"api","occurred_at":"2026-11-22T10:15:03.123456Z","kind":"llm","provider":"openai","model":"gpt-4.1-mini","input_tokens":1200,"output_tokens":300"#;

pub type Header<'a> = (&'a str, &'a [u8]);

pub fn decoder() -> Decoder {
    Decoder::new(DecoderOptions::default()).unwrap()
}

pub fn message<'a>(payload: &'a [u8], headers: &'a [Header<'a>]) -> Message<'a> {
    Message { offset: 7, timestamp: Timestamp::from_millis(1_795_342_504_000), key: None, payload: Some(payload), headers }
}

/// Decodes and hands the event over, or gives the rejection.
pub fn with_event<T>(payload: &[u8], headers: &[Header<'_>], look: impl FnOnce(&Event<'_>) -> T) -> Result<T, Rejection> {
    let arena = Bump::new();
    match decoder().decode(&message(payload, headers), &arena) {
        Decoded::Event(event) => Ok(look(&event)),
        Decoded::Rejected(rejection) => Err(rejection),
        Decoded::Waiting(why) => panic!("waiting: {why}"),
    }
}

/// `Ok(())` or the code of the rejection.
pub fn code(payload: &[u8]) -> Result<(), &'static str> {
    with_event(payload, &[], |_| ()).map_err(|rejection| {
        assert!(!rejection.detail.is_empty() && rejection.detail.len() < 1200, "{rejection:?}");
        rejection.reason.code()
    })
}

/// Identity and meaning.
pub fn hashes(event: &Event<'_>) -> (u128, u64) {
    let mut scratch = Vec::new();
    (event.fingerprint(&mut scratch), event.meaning(&mut scratch))
}

/// A body in single-object encoding of our own schema.
pub fn single_object(body: &[u8]) -> Vec<u8> {
    let fingerprint = WriterSchema::parse(USAGE_EVENT_V1).unwrap().fingerprint();
    [&[0xc3, 0x01], &fingerprint.to_le_bytes()[..], body].concat()
}
