//! CloudEvents 1.0 over Kafka, structured and binary.

use crate::fields::refuse_repeats;
use crate::value::{Members, Value};
use crate::{Message, Rejection};

/// What the envelope says about the event in it.
#[derive(Debug)]
struct Envelope {
    id: String,
    source: String,
    time: Option<Value>,
}

/// Is this object a structured CloudEvent by its content?
pub(crate) fn is_structured(members: &Members) -> bool {
    members.iter().any(|(name, _)| name == "specversion")
}

/// A header's text, `None` if there is none; names in any case.
pub(crate) fn header<'a>(message: &'a Message, name: &str) -> Result<Option<&'a str>, Rejection> {
    let Some((_, value)) = message.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_deref().unwrap_or_default());
    text.map(Some).map_err(|_| Rejection::new("invalid_utf8", format!("header {name}")))
}

/// The data of a structured CloudEvent with the identity and time of its envelope.
pub(crate) fn structured(mut members: Members) -> Result<Members, Rejection> {
    refuse_repeats(&members, &["specversion", "id", "source", "type", "time", "data", "data_base64", "datacontenttype"])?;
    let mut take = |name: &str| {
        let at = members.iter().position(|(key, _)| key == name)?;
        Some(members.remove(at).1).filter(Value::is_given)
    };
    check_version(text(take("specversion")))?;
    if take("data_base64").is_some() {
        return Err(Rejection::new("unsupported_cloudevent", "data_base64"));
    }
    let envelope = Envelope { id: text(take("id")), source: text(take("source")), time: take("time") };
    match take("data") {
        None => Err(Rejection::new("missing_field", "data")),
        Some(Value::Object(data)) => envelope.open(data),
        Some(_) => Err(Rejection::new("wrong_type", "data")),
    }
}

/// The payload of a binary CloudEvent with the identity and time of its headers.
pub(crate) fn binary(message: &Message, data: Members) -> Result<Members, Rejection> {
    check_version(header(message, "ce_specversion")?.unwrap_or_default().to_owned())?;
    let owned = |name| Ok::<_, Rejection>(header(message, name)?.unwrap_or_default().to_owned());
    let time = header(message, "ce_time")?.map(|time| Value::Text(time.to_owned())).filter(Value::is_given);
    Envelope { id: owned("ce_id")?, source: owned("ce_source")?, time }.open(data)
}

fn check_version(version: String) -> Result<(), Rejection> {
    if version == "1.0" { Ok(()) } else { Err(Rejection::new("unsupported_cloudevent", format!("specversion {version:?}"))) }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::Text(text) | Value::Number(text)) => text,
        _ => String::new(),
    }
}

impl Envelope {
    fn open(self, mut data: Members) -> Result<Members, Rejection> {
        for (name, outer) in [("event_id", self.id), ("source", self.source)] {
            if outer.is_empty() {
                return Err(Rejection::new("missing_field", format!("CloudEvent {name}")));
            }
            let inner = data.iter().find(|(key, value)| key == name && value.is_given()).map(|(_, value)| text(Some(value.clone())));
            if inner.as_ref().is_some_and(|inner| *inner != outer) {
                return Err(Rejection::new("identity_mismatch", format!("{name} {inner:?} in CloudEvent {outer:?}")));
            }
            if inner.is_none() {
                data.retain(|(key, _)| key != name);
                data.push((name.to_owned(), Value::Text(outer)));
            }
        }
        let has_time = data.iter().any(|(key, value)| key == "occurred_at" && value.is_given());
        if let Some(time) = self.time.filter(|_| !has_time) {
            data.retain(|(key, _)| key != "occurred_at");
            data.push(("occurred_at".to_owned(), time));
        }
        Ok(data)
    }
}
