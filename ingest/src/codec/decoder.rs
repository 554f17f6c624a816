//! Detects the format of each message and decodes it.

use std::sync::Arc;

use bumpalo::Bump;
use runtime::io::Message;
use schemas::{Event, Reason, Rejection};

use super::avro::WriterSchema;
use super::cloud_event::{self, Headers};
use super::draft::Draft;
use super::json::{Outcome, Scanner, Value, read_event};
use super::refusal::{Refused, payload};
use super::{MAX_EVENT_BYTES, SchemaError, USAGE_EVENT_V1, UnknownFields, rules};
use crate::registry::{Lookup, RegistryState, SchemaRegistry};

/// Schemas by registry id that a decoder remembers without asking the shared cache.
const MAX_RECENT: usize = 64;

/// What a decoder knows beforehand.
#[derive(Clone, Debug, Default)]
pub struct DecoderOptions {
    /// Texts of Avro schemas that single-object messages may be written with, besides our own version 1.
    pub schemas: Vec<String>,
    /// Where the schemas of Confluent-framed messages are; `None`: such messages are rejected.
    pub registry: Option<SchemaRegistry>,
}

/// What became of a message.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large one is the usual one, and it is moved once")]
pub enum Decoded<'a> {
    /// An event.
    Event(Event<'a>),
    /// A dead letter.
    Rejected(Rejection),
    /// The schema registry is silent, for the reason given: try this message again later, and none after it before.
    Waiting(String),
}

/// Decodes messages; one per thread. A clone shares the registry and the counts of unknown fields.
#[derive(Debug)]
pub struct Decoder {
    /// A few at most: ours and the configured ones.
    by_fingerprint: Vec<Arc<WriterSchema>>,
    registry: Option<SchemaRegistry>,
    /// Most topics have one or a few ids: the last one used is tried first.
    recent: Vec<(u32, Arc<WriterSchema>)>,
    unknown_fields: UnknownFields,
}

enum Stop {
    Rejected(Refused),
    Waiting(String),
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Stop::Rejected(refused)
    }
}

impl Clone for Decoder {
    fn clone(&self) -> Self {
        Decoder {
            by_fingerprint: self.by_fingerprint.clone(),
            registry: self.registry.clone(),
            recent: self.recent.clone(),
            unknown_fields: self.unknown_fields.clone(),
        }
    }
}

impl Decoder {
    /// Compiles the known schemas.
    ///
    /// # Errors
    /// [`SchemaError`] of the first schema that events cannot be read with.
    pub fn new(options: DecoderOptions) -> Result<Self, SchemaError> {
        let mut by_fingerprint = Vec::new();
        for text in std::iter::once(USAGE_EVENT_V1).chain(options.schemas.iter().map(String::as_str)) {
            by_fingerprint.push(Arc::new(WriterSchema::parse(text)?));
        }
        Ok(Decoder { by_fingerprint, registry: options.registry, recent: Vec::new(), unknown_fields: UnknownFields::default() })
    }

    /// Decodes and checks one message. Text is borrowed from the message or made in `arena`, which the caller empties
    /// when it is done with the event.
    pub fn decode<'a>(&mut self, message: &Message<'a>, arena: &'a Bump) -> Decoded<'a> {
        let decoded = self.draft(message, arena).and_then(|draft| {
            for (name, text) in &draft.unknown {
                if !text.is_empty() {
                    self.unknown_fields.count(name);
                }
            }
            Ok(rules::event(draft, arena)?)
        });
        match decoded {
            Ok(event) => Decoded::Event(event),
            Err(Stop::Rejected(rejection)) => Decoded::Rejected(*rejection),
            Err(Stop::Waiting(why)) => Decoded::Waiting(why),
        }
    }

    /// The fields that no event has, as counted by this decoder and its clones.
    pub fn unknown_fields(&self) -> &UnknownFields {
        &self.unknown_fields
    }

    /// How the schema registry is doing.
    pub fn registry_state(&self) -> RegistryState {
        self.registry.as_ref().map_or(RegistryState::NotConfigured, SchemaRegistry::state)
    }

    fn draft<'a>(&mut self, message: &Message<'a>, arena: &'a Bump) -> Result<Draft<'a>, Stop> {
        let bytes = checked_payload(message.payload)?;
        if message.headers.is_empty() {
            return self.body(bytes, arena);
        }
        let headers = Headers::read(message.headers)?;
        if headers.is_structured {
            return Ok(structured(bytes, arena)?);
        }
        let Some(envelope) = headers.binary else {
            return self.body(bytes, arena);
        };
        // In binary mode the payload is the data, never an envelope of its own.
        let mut draft = match format(bytes)? {
            Format::Json => plain_json(bytes, arena)?,
            _ => self.body(bytes, arena)?,
        };
        envelope.complete(&mut draft)?;
        Ok(draft)
    }

    fn body<'a>(&mut self, bytes: &'a [u8], arena: &'a Bump) -> Result<Draft<'a>, Stop> {
        match format(bytes)? {
            Format::Json => Ok(json(bytes, arena)?),
            Format::Confluent { id, body } => {
                let schema = self.schema_by_id(id)?;
                Ok(schema.read(body, arena)?)
            }
            Format::SingleObject { fingerprint, body } => {
                match self.by_fingerprint.iter().find(|schema| schema.fingerprint() == fingerprint) {
                    Some(schema) => Ok(schema.read(body, arena)?),
                    None => {
                        let remedy = "add the writer's .avsc file to the configured schemas, or send through the schema registry";
                        Err(payload(
                            Reason::UnknownSchema,
                            format!("no known schema has the CRC-64-AVRO fingerprint {fingerprint:016x}; {remedy}"),
                        )
                        .into())
                    }
                }
            }
        }
    }

    fn schema_by_id(&mut self, id: u32) -> Result<Arc<WriterSchema>, Stop> {
        if let Some(position) = self.recent.iter().position(|(known, _)| *known == id) {
            return Ok(Arc::clone(&self.recent[position].1));
        }
        let Some(registry) = &self.registry else {
            let remedy = "configure the schema registry, or send JSON or Avro single-object encoding";
            return Err(payload(Reason::UnknownSchema, format!("schema id {id}, and no schema registry is configured; {remedy}")).into());
        };
        match registry.lookup(id) {
            Lookup::Known(schema) => {
                if self.recent.len() == MAX_RECENT {
                    self.recent.clear();
                }
                self.recent.push((id, Arc::clone(&schema)));
                Ok(schema)
            }
            Lookup::Incompatible(error) => {
                let remedy = "write with a schema that has the fields of cost_rhythm.v1.UsageEvent";
                Err(payload(Reason::IncompatibleSchema, format!("schema id {id}: {error}; {remedy}")).into())
            }
            Lookup::Unknown => {
                let remedy = "register the schema in the configured registry, then replay this dead letter";
                Err(payload(Reason::UnknownSchema, format!("the schema registry does not know schema id {id}; {remedy}")).into())
            }
            Lookup::Waiting(why) => Err(Stop::Waiting(format!("schema id {id}: {why}"))),
        }
    }
}

enum Format<'a> {
    Json,
    Confluent { id: u32, body: &'a [u8] },
    SingleObject { fingerprint: u64, body: &'a [u8] },
}

fn checked_payload(bytes: Option<&[u8]>) -> Result<&[u8], Refused> {
    let Some(bytes) = bytes else {
        return Err(payload(Reason::Tombstone, "the message has no payload; send events to a topic that is not compacted, never null"));
    };
    if bytes.is_empty() {
        return Err(payload(Reason::EmptyPayload, "the payload is empty; send one event per message"));
    }
    if bytes.len() > MAX_EVENT_BYTES {
        return Err(payload(Reason::TooLarge, format!("{} bytes; send at most {MAX_EVENT_BYTES}", bytes.len())));
    }
    Ok(bytes)
}

fn format(bytes: &[u8]) -> Result<Format<'_>, Refused> {
    match bytes {
        [b'{', ..] => Ok(Format::Json),
        [0, rest @ ..] => match rest.split_first_chunk::<4>() {
            Some((id, body)) => Ok(Format::Confluent { id: u32::from_be_bytes(*id), body }),
            None => {
                Err(payload(Reason::MalformedAvro, "byte 0 is that of Confluent framing, but no schema id follows; send the whole message"))
            }
        },
        [0xc3, 0x01, rest @ ..] => match rest.split_first_chunk::<8>() {
            Some((fingerprint, body)) => Ok(Format::SingleObject { fingerprint: u64::from_le_bytes(*fingerprint), body }),
            None => Err(payload(Reason::MalformedAvro, "single-object encoding, but cut short in the fingerprint; send the whole message")),
        },
        [0xef, 0xbb, 0xbf, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => {
            Err(payload(Reason::ByteOrderMark, "the payload begins with a byte order mark; send UTF-8 without one"))
        }
        _ => match bytes.trim_ascii_start().first() {
            None => Err(payload(Reason::NotJson, "the payload is nothing but white space; send one JSON object")),
            Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Ok(Format::Json),
            Some(_) => {
                let found = super::refusal::quoted(&String::from_utf8_lossy(&bytes[..bytes.len().min(20)]));
                Err(payload(Reason::UnknownFormat, format!("the payload begins with {found}; send a JSON object or framed Avro")))
            }
        },
    }
}

/// An event, or a CloudEvent if it has a `specversion`.
fn json<'a>(bytes: &'a [u8], arena: &'a Bump) -> Result<Draft<'a>, Refused> {
    let mut scanner = object(bytes, arena)?;
    let first = read_event(&mut scanner, arena, true);
    if let Ok(Outcome::Event(draft)) = first {
        scanner.end()?;
        return Ok(draft);
    }
    // The envelope's own fields (an id that is no text, deep data) must not be judged as an event's.
    let mut again = object(bytes, arena)?;
    let envelope = cloud_event::read_structured(&mut again, arena, false);
    match (first, envelope) {
        (Err(refused), Ok(None) | Err(_)) => Err(refused),
        (_, Ok(Some(draft))) => {
            again.end()?;
            Ok(draft)
        }
        (Ok(_), Ok(None)) => Err(payload(Reason::UnsupportedCloudEvent, "specversion is empty; send CloudEvents 1.0")),
        (Ok(_), Err(refused)) => Err(refused),
    }
}

fn plain_json<'a>(bytes: &'a [u8], arena: &'a Bump) -> Result<Draft<'a>, Refused> {
    let mut scanner = object(bytes, arena)?;
    let outcome = read_event(&mut scanner, arena, false)?;
    scanner.end()?;
    match outcome {
        Outcome::Event(draft) => Ok(draft),
        Outcome::CloudEvent => Err(payload(Reason::UnsupportedCloudEvent, "an envelope inside the data; send the event's fields")),
    }
}

fn structured<'a>(bytes: &'a [u8], arena: &'a Bump) -> Result<Draft<'a>, Refused> {
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Err(payload(Reason::ByteOrderMark, "the payload begins with a byte order mark; send UTF-8 without one"));
    }
    let mut scanner = object(bytes, arena)?;
    let draft = cloud_event::read_structured(&mut scanner, arena, true)?;
    scanner.end()?;
    draft.ok_or_else(|| payload(Reason::UnsupportedCloudEvent, "specversion is missing; send CloudEvents 1.0"))
}

/// At a JSON object; another JSON value is refused as such.
fn object<'a>(bytes: &'a [u8], arena: &'a Bump) -> Result<Scanner<'a>, Refused> {
    let mut scanner = Scanner::new(bytes, arena)?;
    if scanner.next_token() == Some(b'{') {
        return Ok(scanner);
    }
    let value: Value<'_> = scanner.value()?;
    scanner.node(value, 1)?;
    scanner.end()?;
    Err(payload(Reason::NotAnObject, "the payload is JSON but no object; send one event per message, as an object"))
}
