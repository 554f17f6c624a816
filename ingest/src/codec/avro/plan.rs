//! A writer's schema, flattened: one step per field in the order of the bytes, nested types by index.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::schema::{Name, Namespace};

use super::super::SchemaError;
use super::super::field::{Field, MoneyField};

/// Longest schema text, in bytes.
const MAX_SCHEMA_BYTES: usize = 1 << 20;

/// A writer's schema that events can be read with. Fields it lacks are "not given", fields that no event has become
/// attributes, the order is its own.
#[derive(Debug)]
pub struct WriterSchema {
    pub(super) steps: Box<[Step]>,
    pub(super) shapes: Box<[Shape]>,
    fingerprint: u64,
}

/// One field of the writer's record.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: Box<str>,
    /// `None`: no field of an event.
    pub(super) field: Option<Field>,
    pub(super) shape: ShapeId,
}

/// Index into [`WriterSchema::shapes`].
pub(super) type ShapeId = u32;

/// How a value is laid out.
#[derive(Debug)]
pub(super) enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Box<[Box<str>]>),
    Array(ShapeId),
    Map(ShapeId),
    Union(Box<[ShapeId]>),
    Record(Box<[(Box<str>, ShapeId)]>),
    /// Two's complement in so many bytes, or in counted ones; with its decimals.
    Decimal {
        size: Option<usize>,
        scale: usize,
    },
    /// Microseconds, milliseconds or nanoseconds since 1970.
    Instant(Unit),
}

/// Unit of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl WriterSchema {
    /// Compiles a schema's text.
    ///
    /// # Errors
    /// [`SchemaError`] when it is no Avro schema, or no record whose fields an event can be read from.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(SchemaError::Incompatible(format!("the schema is longer than {MAX_SCHEMA_BYTES} bytes")));
        }
        let schema = Schema::parse_str(text).map_err(|error| SchemaError::Syntax(error.to_string()))?;
        let Schema::Record(record) = &schema else {
            return Err(SchemaError::Incompatible(
                "the schema is no record; a usage event is a record with the fields of cost_rhythm.v1.UsageEvent".into(),
            ));
        };
        let mut compiler = Compiler { shapes: Vec::new(), names: HashMap::new() };
        let root = compiler.shape(&schema, &None)?;
        let Some(Shape::Record(fields)) = compiler.shapes.get(root as usize) else {
            return Err(SchemaError::Incompatible("the schema is no record".into()));
        };
        let steps: Box<[Step]> =
            fields.iter().map(|(name, shape)| Step { name: name.clone(), field: Field::from_name(name), shape: *shape }).collect();
        for step in &steps {
            compiler.check(step)?;
        }
        if !steps.iter().any(|step| step.field.is_some()) {
            let found = format!("no field of the record {} is one of a usage event", record.name.name);
            return Err(SchemaError::Incompatible(found));
        }
        let bytes: [u8; 8] = schema.fingerprint::<Rabin>().bytes.try_into().unwrap_or_default();
        Ok(WriterSchema { steps, shapes: compiler.shapes.into(), fingerprint: u64::from_le_bytes(bytes) })
    }

    /// CRC-64-AVRO of the schema's canonical form, as single-object encoding names it.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

struct Compiler {
    shapes: Vec<Shape>,
    /// Named types by full name; entered before their inside, which may refer to them.
    names: HashMap<Name, ShapeId>,
}

impl Compiler {
    fn shape(&mut self, schema: &Schema, space: &Namespace) -> Result<ShapeId, SchemaError> {
        let shape = match schema {
            Schema::Null => Shape::Null,
            Schema::Boolean => Shape::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Shape::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Shape::Long,
            Schema::TimestampMillis => Shape::Instant(Unit::Millis),
            Schema::TimestampMicros => Shape::Instant(Unit::Micros),
            Schema::TimestampNanos => Shape::Instant(Unit::Nanos),
            Schema::Float => Shape::Float,
            Schema::Double => Shape::Double,
            Schema::Bytes | Schema::BigDecimal => Shape::Bytes,
            Schema::String | Schema::Uuid => Shape::Text,
            Schema::Duration => Shape::Fixed(12),
            Schema::Array(array) => Shape::Array(self.shape(&array.items, space)?),
            Schema::Map(map) => Shape::Map(self.shape(&map.types, space)?),
            Schema::Union(union) => {
                let branches: Result<Box<[_]>, _> = union.variants().iter().map(|branch| self.shape(branch, space)).collect();
                Shape::Union(branches?)
            }
            Schema::Decimal(decimal) => match &*decimal.inner {
                Schema::Fixed(fixed) => {
                    let id = self.push(Shape::Decimal { size: Some(fixed.size), scale: decimal.scale });
                    self.names.insert(fixed.name.fully_qualified_name(space), id);
                    return Ok(id);
                }
                _ => Shape::Decimal { size: None, scale: decimal.scale },
            },
            Schema::Enum(symbols) => {
                let id = self.push(Shape::Enum(symbols.symbols.iter().map(|symbol| symbol.as_str().into()).collect()));
                self.names.insert(symbols.name.fully_qualified_name(space), id);
                return Ok(id);
            }
            Schema::Fixed(fixed) => {
                let id = self.push(Shape::Fixed(fixed.size));
                self.names.insert(fixed.name.fully_qualified_name(space), id);
                return Ok(id);
            }
            Schema::Record(record) => {
                let name = record.name.fully_qualified_name(space);
                let inside = name.namespace.clone();
                let id = self.push(Shape::Null);
                self.names.insert(name, id);
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    fields.push((field.name.as_str().into(), self.shape(&field.schema, &inside)?));
                }
                if let Some(slot) = self.shapes.get_mut(id as usize) {
                    *slot = Shape::Record(fields.into());
                }
                return Ok(id);
            }
            Schema::Ref { name } => {
                let full = name.fully_qualified_name(space);
                let known = self.names.get(&full).copied();
                return known
                    .ok_or_else(|| SchemaError::Incompatible(format!("the schema refers to {}, which it does not define", full.name)));
            }
        };
        Ok(self.push(shape))
    }

    fn push(&mut self, shape: Shape) -> ShapeId {
        self.shapes.push(shape);
        (self.shapes.len() - 1) as ShapeId
    }

    /// Can the event's field be read from the writer's? Of a union one branch is enough: the others are refused when
    /// they occur.
    fn check(&self, step: &Step) -> Result<(), SchemaError> {
        let Some(field) = step.field else { return Ok(()) };
        let shape = &self.shapes[step.shape as usize];
        let is_readable = match shape {
            Shape::Union(branches) => branches.iter().any(|branch| readable(field, &self.shapes[*branch as usize])),
            plain => readable(field, plain),
        };
        if is_readable {
            return Ok(());
        }
        let expected = match field {
            Field::Text(_) => "string, enum, int, long, float, double or boolean",
            Field::OccurredAt => "long with logical type timestamp-micros, -millis or -nanos, or an RFC 3339 string",
            Field::Count(_) => "int or long",
            Field::Money(_) => "string, int, long, or decimal of at most 18 decimals; never float or double",
            Field::Latency => "int, long, float or double",
            Field::Tags | Field::Attributes => "map or record",
        };
        Err(SchemaError::Incompatible(format!("field {} has a type that an event cannot be read from; expected {expected}", step.name)))
    }
}

/// Null is readable as "not given" everywhere.
pub(super) fn readable(field: Field, shape: &Shape) -> bool {
    match field {
        Field::Text(_) => {
            matches!(
                shape,
                Shape::Null | Shape::Boolean | Shape::Int | Shape::Long | Shape::Float | Shape::Double | Shape::Text | Shape::Enum(_)
            )
        }
        Field::OccurredAt => matches!(shape, Shape::Null | Shape::Instant(_) | Shape::Text),
        Field::Count(_) => matches!(shape, Shape::Null | Shape::Int | Shape::Long),
        Field::Money(MoneyField::Amount | MoneyField::Revenue) => {
            matches!(shape, Shape::Null | Shape::Int | Shape::Long | Shape::Text | Shape::Decimal { scale: 0..=18, .. })
        }
        Field::Latency => matches!(shape, Shape::Null | Shape::Int | Shape::Long | Shape::Float | Shape::Double),
        Field::Tags | Field::Attributes => matches!(shape, Shape::Null | Shape::Map(_) | Shape::Record(_)),
    }
}
