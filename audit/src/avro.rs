//! Avro by `apache-avro`'s generic values: Confluent framing and single-object encoding.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::types::Value as AvroValue;

use crate::value::{Members, Value};
use crate::{AuditError, Rejection};

/// What a registry knows of an id: the schema's text, or `None` when it says that there is none.
pub(crate) type Lookup<'a> = Box<dyn FnMut(u32) -> Result<Option<String>, String> + 'a>;

/// Schemas by the ways in which a message names them.
pub(crate) struct Schemas<'a> {
    lookup: Lookup<'a>,
    /// `None`: there is none; an error: it is no Avro schema.
    by_id: HashMap<u32, Option<Result<Schema, String>>>,
    by_fingerprint: HashMap<Vec<u8>, Schema>,
}

impl<'a> Schemas<'a> {
    /// `event_schemas` are those that single-object encoding may name by their fingerprint.
    pub(crate) fn new(event_schemas: &[&str], lookup: Lookup<'a>) -> Result<Self, AuditError> {
        let mut by_fingerprint = HashMap::new();
        for text in event_schemas {
            let schema = Schema::parse_str(text).map_err(|e| AuditError::Schema(e.to_string()))?;
            by_fingerprint.insert(schema.fingerprint::<Rabin>().bytes, schema);
        }
        Ok(Schemas { lookup, by_id: HashMap::new(), by_fingerprint })
    }

    /// A payload that begins with the byte 0.
    pub(crate) fn confluent(&mut self, payload: &[u8]) -> Result<Result<Members, Rejection>, AuditError> {
        let Some(id) = payload.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) else {
            return Ok(Err(Rejection::new("malformed_avro", "cut within the schema id")));
        };
        if !self.by_id.contains_key(&id) {
            let text = (self.lookup)(id).map_err(|cause| AuditError::Registry { id, cause })?;
            let schema = text.map(|text| Schema::parse_str(&text).map_err(|e| e.to_string()));
            self.by_id.insert(id, schema);
        }
        Ok(match self.by_id.get(&id) {
            Some(Some(Ok(schema))) => record(schema, &payload[5..]),
            Some(Some(Err(cause))) => Err(Rejection::new("incompatible_schema", cause)),
            _ => Err(Rejection::new("unknown_schema", format!("id {id}"))),
        })
    }

    /// A payload that begins with C3 01.
    pub(crate) fn single_object(&self, payload: &[u8]) -> Result<Members, Rejection> {
        let Some(fingerprint) = payload.get(2..10) else {
            return Err(Rejection::new("malformed_avro", "cut within the fingerprint"));
        };
        match self.by_fingerprint.get(fingerprint) {
            Some(schema) => record(schema, &payload[10..]),
            None => Err(Rejection::new("unknown_schema", format!("fingerprint {fingerprint:02x?}"))),
        }
    }
}

fn record(schema: &Schema, bytes: &[u8]) -> Result<Members, Rejection> {
    let mut rest = Rest { bytes, is_cut: false };
    let datum = apache_avro::from_avro_datum(schema, &mut rest, None);
    if rest.is_cut {
        return Err(Rejection::new("malformed_avro", "cut short"));
    }
    match datum.map_err(|e| undecodable(&e))? {
        AvroValue::Record(_) if !rest.bytes.is_empty() => Err(Rejection::new("trailing_bytes", format!("{} bytes", rest.bytes.len()))),
        AvroValue::Record(fields) => Ok(fields.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        _ => Err(Rejection::new("incompatible_schema", "no record")),
    }
}

/// Notices reading beyond the end: `apache-avro` 0.21 makes null of a string that is cut short.
struct Rest<'a> {
    bytes: &'a [u8],
    is_cut: bool,
}

impl std::io::Read for Rest<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.is_cut |= out.len() > self.bytes.len();
        self.bytes.read(out)
    }
}

fn undecodable(error: &apache_avro::Error) -> Rejection {
    use apache_avro::error::Details;
    let is_utf8 = matches!(error.details(), Details::ConvertToUtf8(_) | Details::ConvertToUtf8Error(_));
    Rejection::new(if is_utf8 { "invalid_utf8" } else { "malformed_avro" }, error.to_string())
}

fn plain(value: AvroValue) -> Value {
    match value {
        AvroValue::Null => Value::Null,
        AvroValue::Boolean(value) => Value::Bool(value),
        AvroValue::Int(number) => Value::Number(number.to_string()),
        AvroValue::Long(number) => Value::Number(number.to_string()),
        AvroValue::Float(number) => Value::Number(format!("{number:?}")),
        AvroValue::Double(number) => Value::Number(format!("{number:?}")),
        AvroValue::String(text) | AvroValue::Enum(_, text) => Value::Text(text),
        AvroValue::Union(_, inner) => plain(*inner),
        AvroValue::Array(values) => Value::List(values.into_iter().map(plain).collect()),
        AvroValue::Map(entries) => Value::Object(entries.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        AvroValue::Record(entries) => Value::Object(entries.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        AvroValue::TimestampMillis(millis) => Value::Instant(millis.saturating_mul(1000)),
        AvroValue::TimestampMicros(micros) => Value::Instant(micros),
        _ => Value::Foreign("avro"),
    }
}
