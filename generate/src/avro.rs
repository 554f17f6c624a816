//! Writes a spelled fact as Avro, in the field order of the event's schema.

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use schemas::avro::Writer;

use crate::spelling::{Field, Member, Spelling, Style};
use crate::{Fact, GenerateError};

/// The event's schema, as the registry must hold it.
pub const EVENT_SCHEMA: &str = include_str!("../../schemas/avro/usage_event_v1.avsc");

/// The order of the schema's fields, and the branch of the value where a field is a union with null.
#[derive(Debug)]
pub(crate) struct Layout {
    fields: Vec<(Field, Option<i64>)>,
    fingerprint: Vec<u8>,
}

impl Layout {
    pub(crate) fn new(schema_text: &str) -> Result<Self, GenerateError> {
        let schema = Schema::parse_str(schema_text).map_err(|e| GenerateError::Schema(e.to_string()))?;
        let Schema::Record(record) = &schema else { return Err(GenerateError::Schema("expected a record".to_owned())) };
        let plan = |field: &apache_avro::schema::RecordField| {
            let unknown = || GenerateError::Schema(format!("no value for field {}", field.name));
            let known = Field::ALL.into_iter().find(|known| known.name() == field.name).ok_or_else(unknown)?;
            let branch = match &field.schema {
                Schema::Union(union) => {
                    let at = union.variants().iter().position(|variant| *variant != Schema::Null).ok_or_else(unknown)?;
                    Some(i64::try_from(at).map_err(|_| unknown())?)
                }
                _ => None,
            };
            Ok((known, branch))
        };
        let fields = record.fields.iter().map(plan).collect::<Result<_, GenerateError>>()?;
        Ok(Layout { fields, fingerprint: schema.fingerprint::<Rabin>().bytes })
    }

    /// Confluent's five bytes, then the datum.
    pub(crate) fn push_confluent(&self, out: &mut Vec<u8>, schema_id: u32, spelling: &Spelling, fact: &Fact, style: Style) {
        out.push(0);
        out.extend_from_slice(&schema_id.to_be_bytes());
        self.push_datum(out, spelling, fact, style);
    }

    /// Marker and fingerprint, then the datum.
    pub(crate) fn push_single_object(&self, out: &mut Vec<u8>, spelling: &Spelling, fact: &Fact, style: Style) {
        out.extend_from_slice(&[0xc3, 1]);
        out.extend_from_slice(&self.fingerprint);
        self.push_datum(out, spelling, fact, style);
    }

    fn push_datum(&self, out: &mut Vec<u8>, spelling: &Spelling, fact: &Fact, style: Style) {
        let mut writer = Writer { bytes: std::mem::take(out) };
        for (field, branch) in &self.fields {
            let member = spelling.member(fact, style, *field);
            match (branch, member) {
                // The other branch of two is null.
                (Some(branch), Member::Absent) => writer.long(1 - branch),
                (Some(branch), _) => writer.long(*branch),
                (None, _) => {}
            }
            match member {
                Member::Absent => {}
                Member::Text(text) => writer.text(text),
                Member::Count(count) => writer.long(count),
                Member::Instant(at, _) => writer.long(at.micros()),
                Member::Pair(name, text) => {
                    writer.long(1);
                    writer.text(name);
                    writer.text(text);
                    writer.long(0);
                }
            }
        }
        *out = writer.bytes;
    }
}
