//! The JSON object of an event, field by field.

use bumpalo::Bump;
use schemas::{Reason, Timestamp};

use super::super::draft::Draft;
use super::super::field::Field;
use super::super::numbers;
use super::super::refusal::{Refused, about, field};
use super::scanner::{Scanner, Value};

/// What an object turned out to be.
#[allow(clippy::large_enum_variant, reason = "the large one is the usual one, and it is moved once")]
pub(in super::super) enum Outcome<'a> {
    /// An event's fields.
    Event(Draft<'a>),
    /// It has a `specversion`: a CloudEvent, to be read as such from the beginning.
    CloudEvent,
}

/// Reads the object at which `scanner` stands, and nothing after it. With `look_for_envelope`, a `specversion` that is
/// not null ends the reading.
pub(in super::super) fn read_event<'a>(
    scanner: &mut Scanner<'a>,
    arena: &'a Bump,
    look_for_envelope: bool,
) -> Result<Outcome<'a>, Refused> {
    let mut draft = Draft::new(arena);
    let mut seen = 0_u64;
    let mut more = scanner.open_object()?;
    while more {
        let key = scanner.key()?;
        let value = scanner.value()?;
        match Field::from_name(key) {
            Some(known) => {
                if seen & known.bit() != 0 {
                    return Err(about(Reason::DuplicateKey, key, "stands twice; send each field once"));
                }
                seen |= known.bit();
                set(&mut draft, scanner, known, key, value)?;
            }
            None if look_for_envelope && key == "specversion" && value != Value::Null => return Ok(Outcome::CloudEvent),
            None => {
                let text = scanner.text_of(value, 2)?;
                draft.unknown.push((key, text));
            }
        }
        more = scanner.more_members()?;
    }
    Ok(Outcome::Event(draft))
}

#[inline]
fn set<'a>(draft: &mut Draft<'a>, scanner: &mut Scanner<'a>, known: Field, name: &str, value: Value<'a>) -> Result<(), Refused> {
    if matches!(value, Value::Null | Value::Text("")) {
        return Ok(());
    }
    match (known, value) {
        (Field::Text(slot), Value::Text(text) | Value::Number(text) | Value::Boolean(text)) => draft.set_text(slot, text),
        (Field::OccurredAt, Value::Text(text)) => draft.occurred_at = Some(timestamp(name, text)?),
        (Field::Count(count), Value::Number(literal)) => draft.counts[count as usize] = Some(numbers::count(name, literal)?),
        (Field::Money(money), Value::Text(text)) => draft.set_money(money, Some(numbers::money_text(name, text)?)),
        (Field::Money(money), Value::Number(literal)) => draft.set_money(money, Some(numbers::money_literal(name, literal)?)),
        (Field::Latency, Value::Number(literal)) => draft.latency_ms = Some(numbers::latency(literal)?),
        (Field::Tags | Field::Attributes, Value::Object) => {
            let pairs = if known == Field::Tags { &mut draft.tags } else { &mut draft.attributes };
            let mut more = scanner.open_object()?;
            while more {
                let key = scanner.key()?;
                let value = scanner.value()?;
                // A tag is text; attributes may be anything.
                if known == Field::Tags && matches!(value, Value::Object | Value::Array) {
                    return Err(wrong_type(name, Field::Tags, value));
                }
                pairs.push((key, scanner.text_of(value, 3)?));
                more = scanner.more_members()?;
            }
        }
        _ => {
            // What is no JSON at all, or nested too deep, is that first.
            if matches!(value, Value::Object | Value::Array) {
                scanner.text_of(value, 2)?;
            }
            return Err(wrong_type(name, known, value));
        }
    }
    Ok(())
}

pub(in super::super) fn timestamp(name: &str, text: &str) -> Result<Timestamp, Refused> {
    Timestamp::parse(text).map_err(|error| field(Reason::BadTimestamp, name, text, &error.to_string()))
}

#[cold]
fn wrong_type(name: &str, known: Field, value: Value<'_>) -> Refused {
    let found = match value {
        Value::Null => "null",
        Value::Boolean(text) | Value::Number(text) | Value::Text(text) => text,
        Value::Array => "an array",
        Value::Object => "an object",
    };
    let remedy = match known {
        Field::Text(_) => "send text, a number or a boolean",
        Field::OccurredAt => "send RFC 3339 text with an offset, such as \"2026-11-22T10:15:03.123456Z\"",
        Field::Count(_) => "send a JSON integer from 0 to 10^12, not text",
        Field::Money(_) => "send decimal text such as \"0.0125\" or a JSON number",
        Field::Latency => numbers::LATENCY_REMEDY,
        Field::Tags | Field::Attributes => "send an object of names and texts",
    };
    field(Reason::WrongType, name, found, remedy)
}
