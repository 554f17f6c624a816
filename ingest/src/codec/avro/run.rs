//! Runs a writer's plan over a message's bytes.

use bumpalo::Bump;
use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};
use schemas::avro::Reader;
use schemas::{Money, Reason};

use super::super::canonical::Node;
use super::super::draft::{Draft, Pair};
use super::super::field::Field;
use super::super::json::timestamp;
use super::super::refusal::{Refused, field, payload};
use super::super::{MAX_DEPTH, MAX_EVENT_BYTES, numbers};
use super::plan::{Shape, ShapeId, WriterSchema};
use super::values::{decimal_text, float_text, formatted, instant, integer, malformed, refused};

/// Longest scale of a decimal that is written out as text.
const MAX_SCALE: usize = 100;

impl WriterSchema {
    /// Reads one record and nothing after it.
    ///
    /// # Errors
    /// A rejection.
    pub(in super::super) fn read<'a>(&self, bytes: &'a [u8], arena: &'a Bump) -> Result<Draft<'a>, Refused> {
        let mut run = Run { schema: self, reader: Reader::new(bytes), arena, name: "", values_left: MAX_EVENT_BYTES };
        let mut draft = Draft::new(arena);
        for step in &self.steps {
            run.name = &step.name;
            let shape = run.resolve(step.shape)?;
            match step.field {
                _ if matches!(shape, Shape::Null) => {}
                Some(Field::Text(slot)) => draft.set_text(slot, run.text(shape)?),
                Some(known) => run.set(&mut draft, known, shape)?,
                None => {
                    let text = run.node(shape, 2)?.into_text(arena)?;
                    draft.unknown.push((arena.alloc_str(&step.name), text));
                }
            }
        }
        let rest = run.reader.remaining();
        if rest != 0 {
            return Err(payload(Reason::TrailingBytes, format!("{rest} bytes follow the record; send one event per message")));
        }
        Ok(draft)
    }
}

/// A reader under way.
struct Run<'a, 's> {
    schema: &'s WriterSchema,
    reader: Reader<'a>,
    arena: &'a Bump,
    /// The writer's field, for messages.
    name: &'s str,
    /// Values that may still be read inside maps, arrays and records: some take no bytes, so the length does not bound them.
    values_left: usize,
}

impl<'a, 's> Run<'a, 's> {
    /// The shape that is there: through a union, by its branch.
    #[inline]
    fn resolve(&mut self, id: ShapeId) -> Result<&'s Shape, Refused> {
        let schema = self.schema;
        match schema.shapes.get(id as usize) {
            Some(Shape::Union(branches)) => {
                let branch = self.long()?;
                let id = usize::try_from(branch).ok().and_then(|index| branches.get(index));
                let shape = id.and_then(|id| schema.shapes.get(*id as usize));
                shape.ok_or_else(|| malformed(self.name, &format!("union branch {branch} of {}", branches.len())))
            }
            Some(plain) => Ok(plain),
            None => Err(malformed(self.name, "a type that the schema does not define")),
        }
    }

    #[inline]
    fn long(&mut self) -> Result<i64, Refused> {
        self.reader.long().map_err(|error| refused(self.name, error))
    }

    fn int(&mut self) -> Result<i64, Refused> {
        let value = self.long()?;
        i32::try_from(value).map(i64::from).map_err(|_| malformed(self.name, "an int beyond 32 bits"))
    }

    #[inline]
    fn plain_text(&mut self) -> Result<&'a str, Refused> {
        self.reader.text().map_err(|error| refused(self.name, error))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refused> {
        self.reader.take(length).map_err(|error| refused(self.name, error))
    }

    fn float(&mut self, shape: &Shape) -> Result<f64, Refused> {
        if matches!(shape, Shape::Float) {
            let bytes = self.take(4)?.try_into().map_err(|_| malformed(self.name, "cut short"))?;
            return Ok(f64::from(f32::from_le_bytes(bytes)));
        }
        let bytes = self.take(8)?.try_into().map_err(|_| malformed(self.name, "cut short"))?;
        Ok(f64::from_le_bytes(bytes))
    }

    fn symbol(&mut self, symbols: &'s [Box<str>]) -> Result<&'a str, Refused> {
        let index = self.int()?;
        let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
        let symbol = symbol.ok_or_else(|| malformed(self.name, &format!("enum symbol {index} of {}", symbols.len())))?;
        Ok(self.arena.alloc_str(symbol))
    }

    /// A value where text is meant.
    #[inline]
    fn text(&mut self, shape: &'s Shape) -> Result<&'a str, Refused> {
        match shape {
            Shape::Text => self.plain_text(),
            Shape::Enum(symbols) => self.symbol(symbols),
            Shape::Null => Ok(""),
            Shape::Int | Shape::Long | Shape::Boolean | Shape::Float | Shape::Double => self.node(shape, 2)?.into_text(self.arena),
            _ => Err(self.wrong_type("send text, a number or a boolean")),
        }
    }

    fn set(&mut self, draft: &mut Draft<'a>, known: Field, shape: &'s Shape) -> Result<(), Refused> {
        match (known, shape) {
            (Field::Count(count), Shape::Long | Shape::Int) => {
                let value = if matches!(shape, Shape::Int) { self.int()? } else { self.long()? };
                draft.counts[count as usize] = Some(numbers::count_in_range(count.name(), value)?);
            }
            (Field::OccurredAt, Shape::Instant(unit)) => {
                let value = self.long()?;
                draft.occurred_at = Some(instant(self.name, value, *unit)?);
            }
            (Field::OccurredAt, Shape::Text) => {
                let text = self.plain_text()?;
                if !text.is_empty() {
                    draft.occurred_at = Some(timestamp(self.name, text)?);
                }
            }
            (Field::Money(money), Shape::Text) => {
                let text = self.plain_text()?;
                if !text.is_empty() {
                    draft.set_money(money, Some(numbers::money_text(self.name, text)?));
                }
            }
            (Field::Money(money), Shape::Int | Shape::Long) => {
                let value = if matches!(shape, Shape::Int) { self.int()? } else { self.long()? };
                draft.set_money(money, Some(Money::from_whole(value)));
            }
            (Field::Money(money), Shape::Decimal { size, scale: scale @ 0..=18 }) => {
                let unscaled = self.decimal(*size)?;
                let units = unscaled.checked_mul(10_i128.pow(18 - *scale as u32));
                // The same bound as for text.
                let units = units.filter(|units| units.unsigned_abs() < 10_u128.pow(38));
                let value = units.ok_or_else(|| {
                    field(Reason::OutOfRange, money.name(), &unscaled.to_string(), "send an amount of at most 10^9 US dollars")
                })?;
                draft.set_money(money, Some(Money::from_units(value)));
            }
            (Field::Latency, Shape::Int | Shape::Long) => {
                let value = if matches!(shape, Shape::Int) { self.int()? } else { self.long()? };
                let latency = u64::try_from(value).ok().filter(|ms| *ms <= numbers::MAX_LATENCY_MS);
                draft.latency_ms = Some(latency.ok_or_else(|| bad_latency(&value.to_string()))?);
            }
            (Field::Latency, Shape::Float | Shape::Double) => {
                let value = self.float(shape)?;
                // Also refuses NaN.
                if !(0.0..=numbers::MAX_LATENCY_MS as f64).contains(&value) {
                    return Err(bad_latency(&value.to_string()));
                }
                draft.latency_ms = Some(value as u64);
            }
            (Field::Tags, _) => self.pairs(&mut draft.tags, shape)?,
            (Field::Attributes, _) => self.pairs(&mut draft.attributes, shape)?,
            _ => return Err(self.wrong_type("send the type that the published schema has for it")),
        }
        Ok(())
    }

    fn pairs(&mut self, pairs: &mut ArenaVec<'a, Pair<'a>>, shape: &'s Shape) -> Result<(), Refused> {
        match shape {
            Shape::Map(values) => self.items(|run| {
                let key = run.plain_text()?;
                let shape = run.resolve(*values)?;
                let text = if matches!(shape, Shape::Text) { run.plain_text()? } else { run.node(shape, 3)?.into_text(run.arena)? };
                pairs.push((key, text));
                Ok(())
            }),
            Shape::Record(fields) => {
                for (name, id) in fields {
                    let shape = self.resolve(*id)?;
                    let text = self.node(shape, 3)?.into_text(self.arena)?;
                    pairs.push((self.arena.alloc_str(name), text));
                }
                Ok(())
            }
            _ => Err(self.wrong_type("send a map of names and texts")),
        }
    }

    /// The blocks of a map or an array. A negative count is followed by the block's size, which is not needed.
    fn items(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Refused>) -> Result<(), Refused> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                let size = self.long()?;
                if size < 0 {
                    return Err(malformed(self.name, "a block of negative size"));
                }
            }
            for _ in 0..count.unsigned_abs() {
                // Takes a byte, or is a node and spends a value.
                each(self)?;
            }
        }
    }

    fn spend_value(&mut self) -> Result<(), Refused> {
        match self.values_left.checked_sub(1) {
            Some(left) => {
                self.values_left = left;
                Ok(())
            }
            None => {
                Err(payload(Reason::TooLarge, format!("{}: more than {MAX_EVENT_BYTES} nested values; send smaller events", self.name)))
            }
        }
    }

    fn decimal(&mut self, size: Option<usize>) -> Result<i128, Refused> {
        let bytes = match size {
            Some(size) => self.take(size)?,
            None => self.reader.bytes().map_err(|error| refused(self.name, error))?,
        };
        integer(bytes).ok_or_else(|| malformed(self.name, "a decimal that is empty or beyond 128 bits"))
    }

    /// Any value, as JSON would have it. `depth` is its own level; recursion ends at [`MAX_DEPTH`].
    fn node(&mut self, shape: &'s Shape, depth: usize) -> Result<Node<'a>, Refused> {
        self.spend_value()?;
        let is_nested = matches!(shape, Shape::Array(_) | Shape::Map(_) | Shape::Record(_));
        if is_nested && depth > MAX_DEPTH {
            return Err(payload(Reason::TooDeep, format!("{}: deeper than {MAX_DEPTH} levels; send flatter attributes", self.name)));
        }
        Ok(match shape {
            Shape::Null => Node::Null,
            Shape::Boolean => {
                let value = self.reader.boolean().map_err(|error| refused(self.name, error))?;
                Node::Literal(if value { "true" } else { "false" })
            }
            Shape::Int => Node::Literal(formatted(self.arena, self.int()?)),
            Shape::Long | Shape::Instant(_) => Node::Literal(formatted(self.arena, self.long()?)),
            Shape::Float | Shape::Double => {
                let value = self.float(shape)?;
                let text = float_text(self.arena, value);
                if value.is_finite() { Node::Literal(text) } else { Node::Text(text) }
            }
            Shape::Text => Node::Text(self.plain_text()?),
            Shape::Enum(symbols) => Node::Text(self.symbol(symbols)?),
            Shape::Bytes => {
                let bytes = self.reader.bytes().map_err(|error| refused(self.name, error))?;
                Node::Text(self.latin1(bytes))
            }
            Shape::Fixed(size) => {
                let bytes = self.take(*size)?;
                Node::Text(self.latin1(bytes))
            }
            Shape::Decimal { size, scale } if *scale <= MAX_SCALE => {
                let unscaled = self.decimal(*size)?;
                Node::Literal(decimal_text(self.arena, unscaled, *scale))
            }
            Shape::Decimal { .. } => return Err(self.wrong_type("send a decimal of at most 100 decimals")),
            Shape::Array(items) => {
                let mut nodes = ArenaVec::new_in(self.arena);
                self.items(|run| {
                    let shape = run.resolve(*items)?;
                    nodes.push(run.node(shape, depth + 1)?);
                    Ok(())
                })?;
                Node::Array(nodes.into_bump_slice())
            }
            Shape::Map(values) => {
                let mut fields = ArenaVec::new_in(self.arena);
                self.items(|run| {
                    let key = run.plain_text()?;
                    let shape = run.resolve(*values)?;
                    fields.push((key, run.node(shape, depth + 1)?));
                    Ok(())
                })?;
                Node::object(fields)
            }
            Shape::Record(members) => {
                let mut fields = ArenaVec::new_in(self.arena);
                for (name, id) in members {
                    let shape = self.resolve(*id)?;
                    fields.push((&*self.arena.alloc_str(name), self.node(shape, depth + 1)?));
                }
                Node::object(fields)
            }
            Shape::Union(_) => return Err(malformed(self.name, "a union inside a union")),
        })
    }

    /// Bytes as Avro's JSON encoding has them: one character per byte.
    fn latin1(&self, bytes: &[u8]) -> &'a str {
        let mut text = ArenaString::with_capacity_in(bytes.len(), self.arena);
        text.extend(bytes.iter().map(|b| char::from(*b)));
        text.into_bump_str()
    }

    #[cold]
    fn wrong_type(&self, remedy: &str) -> Refused {
        field(Reason::WrongType, self.name, "a branch of another type", remedy)
    }
}

#[cold]
fn bad_latency(value: &str) -> Refused {
    field(Reason::OutOfRange, "latency_ms", value, numbers::LATENCY_REMEDY)
}
