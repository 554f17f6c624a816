//! CloudEvents 1.0: the envelope around an event's data, in a JSON object (structured) or in headers (binary).
//!
//! `id` and `source` are the identity, `time` is the event time when the data has none. The other attributes and the
//! extensions (`type`, `subject`, `traceparent`, ...) describe the delivery and not what was used; they are not kept, so that
//! a second delivery means the same.

use bumpalo::Bump;
use schemas::{Reason, Timestamp};

use super::draft::Draft;
use super::field::TextField;
use super::json::{Outcome, Scanner, Value, read_event, timestamp};
use super::refusal::{Refused, about, field};

const VERSION: &str = "1.0";

/// What an envelope says about the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    id: &'a str,
    source: &'a str,
    time: &'a str,
}

impl<'a> Envelope<'a> {
    /// Puts identity and time into the data's fields.
    pub(super) fn complete(&self, draft: &mut Draft<'a>) -> Result<(), Refused> {
        for (slot, attribute, name, value) in
            [(TextField::EVENT_ID, "id", "event_id", self.id), (TextField::SOURCE, "source", "source", self.source)]
        {
            let given = draft.text(slot);
            if value.is_empty() {
                return Err(about(Reason::MissingField, attribute, "missing or empty in the CloudEvent; it is the event's identity"));
            }
            if !given.is_empty() && given != value {
                let remedy = format!("the CloudEvent's {attribute} differs; send the same, or leave it out of the data");
                return Err(field(Reason::IdentityMismatch, name, given, &remedy));
            }
            draft.set_text(slot, value);
        }
        if draft.occurred_at.is_none() && !self.time.is_empty() {
            let time: Timestamp = timestamp("time", self.time)?;
            draft.occurred_at = Some(time);
        }
        Ok(())
    }
}

/// What the headers of a message say about its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Headers<'a> {
    /// The payload is a JSON envelope.
    pub(super) is_structured: bool,
    /// The payload is the data of this envelope.
    pub(super) binary: Option<Envelope<'a>>,
}

impl<'a> Headers<'a> {
    /// Reads `content-type` and `ce_*`; other headers are nobody's business.
    pub(super) fn read(headers: &[(&'a str, &'a [u8])]) -> Result<Self, Refused> {
        let mut found = Headers::default();
        let mut version = None;
        let mut envelope = Envelope::default();
        let mut is_binary = false;
        for (name, value) in headers {
            match *name {
                "ce_specversion" => version = Some(header_text(name, value)?),
                "ce_id" => envelope.id = header_text(name, value)?,
                "ce_source" => envelope.source = header_text(name, value)?,
                "ce_time" => envelope.time = header_text(name, value)?,
                other if other.eq_ignore_ascii_case("content-type") => found.is_structured = is_structured(value)?,
                _ => continue,
            }
            is_binary |= name.starts_with("ce_");
        }
        if found.is_structured || !is_binary {
            return Ok(found);
        }
        check_version("ce_specversion", version.unwrap_or(""))?;
        found.binary = Some(envelope);
        Ok(found)
    }
}

fn header_text<'a>(name: &str, value: &'a [u8]) -> Result<&'a str, Refused> {
    std::str::from_utf8(value).map_err(|_| about(Reason::InvalidUtf8, name, "the header is not valid UTF-8; send UTF-8"))
}

/// Is it a JSON envelope? Other CloudEvents content types are refused.
fn is_structured(content_type: &[u8]) -> Result<bool, Refused> {
    const PREFIX: &[u8] = b"application/cloudevents";
    let starts = |prefix: &[u8]| content_type.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if starts(b"application/cloudevents+json") {
        return Ok(true);
    }
    if starts(PREFIX) {
        let found = String::from_utf8_lossy(content_type);
        return Err(field(
            Reason::UnsupportedCloudEvent,
            "content-type",
            &found,
            "send application/cloudevents+json, one event per message",
        ));
    }
    Ok(false)
}

fn check_version(name: &str, found: &str) -> Result<(), Refused> {
    if found == VERSION { Ok(()) } else { Err(field(Reason::UnsupportedCloudEvent, name, found, "send CloudEvents 1.0")) }
}

/// Reads a JSON object as an envelope. `None`: it has no `specversion`, and nothing says that it should have.
pub(super) fn read_structured<'a>(scanner: &mut Scanner<'a>, arena: &'a Bump, must_be_one: bool) -> Result<Option<Draft<'a>>, Refused> {
    const ATTRIBUTES: [&str; 10] =
        ["specversion", "id", "source", "time", "data", "data_base64", "datacontenttype", "type", "subject", "dataschema"];
    let mut seen = 0_u32;
    let mut version = "";
    let mut envelope = Envelope::default();
    let mut draft = None;
    let mut more = scanner.open_object()?;
    while more {
        let key = scanner.key()?;
        let value = scanner.value()?;
        if let Some(position) = ATTRIBUTES.iter().position(|name| *name == key) {
            if seen & (1 << position) != 0 {
                return Err(about(Reason::DuplicateKey, key, "stands twice in the CloudEvent; send each attribute once"));
            }
            seen |= 1 << position;
        }
        match (key, value) {
            ("data", Value::Object) => {
                if let Outcome::Event(data) = read_event(scanner, arena, false)? {
                    draft = Some(data);
                }
            }
            ("data", Value::Null) | (_, Value::Null) => {}
            ("data", _) => return Err(about(Reason::WrongType, "data", "no object; send the event's fields as a JSON object")),
            ("data_base64", _) => {
                return Err(about(
                    Reason::UnsupportedCloudEvent,
                    "data_base64",
                    "not supported; send the event's fields as a JSON object in data",
                ));
            }
            ("specversion", value) => version = text("specversion", value)?,
            ("id", value) => envelope.id = text("id", value)?,
            ("source", value) => envelope.source = text("source", value)?,
            ("time", value) => envelope.time = text("time", value)?,
            (_, value) => {
                scanner.node(value, 2)?;
            }
        }
        more = scanner.more_members()?;
    }
    if version.is_empty() && !must_be_one {
        return Ok(None);
    }
    check_version("specversion", version)?;
    let mut draft = draft.unwrap_or_else(|| Draft::new(arena));
    envelope.complete(&mut draft)?;
    Ok(Some(draft))
}

fn text<'a>(name: &str, value: Value<'a>) -> Result<&'a str, Refused> {
    match value {
        Value::Text(text) | Value::Number(text) | Value::Boolean(text) => Ok(text),
        Value::Null => Ok(""),
        Value::Array | Value::Object => Err(about(Reason::WrongType, name, "an array or object; send text")),
    }
}
