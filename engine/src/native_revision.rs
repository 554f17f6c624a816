//! `Native` blocks for clients that ask for a newer revision of the format (`client_protocol_version`): the Go client, and with it
//! Grafana's data source, always do.
//!
//! The library writes revision 0 and cannot be told otherwise. Later revisions add a few bytes before each block and one before
//! each column's data, so all that is needed is where columns begin, which their types tell.

use crate::exception::{Exception, code};

/// From this revision on, a byte before a column's data tells whether its serialization is a special one.
const WITH_CUSTOM_SERIALIZATION: u64 = 54_454;

/// Not an overflow block, no bucket, end: what every block of a plain result begins with.
const BLOCK_INFO: [u8; 8] = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];

/// How deep types may nest.
const MAX_DEPTH: usize = 32;

/// Rewrites blocks of revision 0 for `revision`.
///
/// # Errors
/// Code 48 for a column whose type's layout is not known here (`Variant`, `Dynamic`, `JSON`, aggregate states).
pub(crate) fn rewrite(blocks: &[u8], revision: u64) -> Result<Vec<u8>, Exception> {
    let mut reader = Reader { bytes: blocks, position: 0 };
    let mut rewritten = Vec::with_capacity(blocks.len() + 64);
    while reader.position < blocks.len() {
        rewritten.extend_from_slice(&BLOCK_INFO);
        let mut copied = reader.position;
        let columns = reader.length()?;
        let rows = reader.length()?;
        for _ in 0..columns {
            reader.text()?;
            let kind = reader.text()?;
            if revision >= WITH_CUSTOM_SERIALIZATION {
                rewritten.extend_from_slice(&blocks[copied..reader.position]);
                rewritten.push(0);
                copied = reader.position;
            }
            if rows > 0 {
                reader.skip_prefix(&kind, 0)?;
                reader.skip_rows(&kind, rows, 0)?;
            }
        }
        rewritten.extend_from_slice(&blocks[copied..reader.position]);
    }
    Ok(rewritten)
}

/// Walks over a block.
struct Reader<'blocks> {
    bytes: &'blocks [u8],
    position: usize,
}

impl Reader<'_> {
    fn skip(&mut self, count: usize, width: usize) -> Result<(), Exception> {
        let end = count.checked_mul(width).and_then(|length| self.position.checked_add(length));
        self.position = end.filter(|end| *end <= self.bytes.len()).ok_or_else(cut)?;
        Ok(())
    }

    /// A length in LEB128.
    fn length(&mut self) -> Result<usize, Exception> {
        let mut value = 0_usize;
        for shift in (0..63).step_by(7) {
            let byte = *self.bytes.get(self.position).ok_or_else(cut)?;
            self.position += 1;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(cut())
    }

    fn text(&mut self) -> Result<String, Exception> {
        let length = self.length()?;
        let start = self.position;
        self.skip(length, 1)?;
        Ok(String::from_utf8_lossy(&self.bytes[start..self.position]).into_owned())
    }

    fn number(&mut self) -> Result<u64, Exception> {
        let start = self.position;
        self.skip(1, 8)?;
        Ok(self.bytes[start..self.position].iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    fn count(&mut self) -> Result<usize, Exception> {
        usize::try_from(self.number()?).map_err(|_| cut())
    }

    /// What stands before all rows of a column: the version of each dictionary in it.
    fn skip_prefix(&mut self, kind: &str, depth: usize) -> Result<(), Exception> {
        let (name, arguments) = Type::parse(kind, depth)?;
        match name {
            "LowCardinality" => self.skip(1, 8),
            "Array" | "Map" | "Tuple" | "Nullable" | "Nested" => {
                arguments.iter().try_for_each(|argument| self.skip_prefix(argument, depth + 1))
            }
            _ => Ok(()),
        }
    }

    fn skip_rows(&mut self, kind: &str, rows: usize, depth: usize) -> Result<(), Exception> {
        let (name, arguments) = Type::parse(kind, depth)?;
        if let Some(width) = Type::width(name, &arguments) {
            return self.skip(rows, width);
        }
        let first = arguments.first().copied().unwrap_or_default();
        match name {
            "String" => (0..rows).try_for_each(|_| {
                let length = self.length()?;
                self.skip(length, 1)
            }),
            "Nullable" => {
                self.skip(rows, 1)?;
                self.skip_rows(first, rows, depth + 1)
            }
            "SimpleAggregateFunction" => {
                let value = arguments.last().copied().unwrap_or_default();
                self.skip_rows(value, rows, depth + 1)
            }
            "Tuple" => arguments.iter().try_for_each(|argument| self.skip_rows(argument, rows, depth + 1)),
            "Array" | "Map" | "Nested" => {
                self.skip(rows.saturating_sub(1), 8)?;
                let elements = if rows == 0 { 0 } else { self.count()? };
                arguments.iter().try_for_each(|argument| self.skip_rows(argument, elements, depth + 1))
            }
            "LowCardinality" => self.skip_dictionary(first, rows, depth),
            _ => Err(unknown(kind)),
        }
    }

    /// A dictionary (its values without `Nullable`) and the rows as numbers of 1, 2, 4 or 8 bytes into it.
    fn skip_dictionary(&mut self, kind: &str, rows: usize, depth: usize) -> Result<(), Exception> {
        if rows == 0 {
            return Ok(());
        }
        let flags = self.number()?;
        let width = 1_usize << (flags & 3);
        let (name, arguments) = Type::parse(kind, depth + 1)?;
        let values = if name == "Nullable" { arguments.first().copied().unwrap_or_default() } else { kind };
        let count = self.count()?;
        self.skip_rows(values, count, depth + 1)?;
        let count = self.count()?;
        self.skip(count, width)
    }
}

/// A type's name and what stands between its brackets.
struct Type;

impl Type {
    fn parse(kind: &str, depth: usize) -> Result<(&str, Vec<&str>), Exception> {
        if depth > MAX_DEPTH {
            return Err(unknown(kind));
        }
        let kind = kind.trim();
        let Some((name, rest)) = kind.split_once('(') else { return Ok((kind, Vec::new())) };
        let inner = rest.strip_suffix(')').ok_or_else(|| unknown(kind))?;
        let mut arguments = split_arguments(inner);
        if matches!(name, "Tuple" | "Nested") {
            for argument in &mut arguments {
                *argument = without_name(argument);
            }
        }
        Ok((name, arguments))
    }

    /// Bytes of one value, where that is fixed.
    fn width(name: &str, arguments: &[&str]) -> Option<usize> {
        match name {
            "Bool" | "Int8" | "UInt8" | "Enum8" | "Nothing" => Some(1),
            "Int16" | "UInt16" | "Date" | "Enum16" | "BFloat16" => Some(2),
            "Int32" | "UInt32" | "Float32" | "DateTime" | "Date32" | "IPv4" | "Decimal32" | "Time" => Some(4),
            "Int64" | "UInt64" | "Float64" | "DateTime64" | "Decimal64" | "Time64" => Some(8),
            "Int128" | "UInt128" | "UUID" | "IPv6" | "Decimal128" => Some(16),
            "Int256" | "UInt256" | "Decimal256" => Some(32),
            "FixedString" => arguments.first()?.parse().ok(),
            "Decimal" => Some(match arguments.first()?.parse::<u8>().ok()? {
                0..=9 => 4,
                10..=18 => 8,
                19..=38 => 16,
                _ => 32,
            }),
            interval if interval.starts_with("Interval") => Some(8),
            _ => None,
        }
    }
}

/// Splits at commas outside brackets and quotes.
fn split_arguments(inner: &str) -> Vec<&str> {
    let (mut depth, mut start, mut quote, mut escaped) = (0_usize, 0, None, false);
    let mut arguments = Vec::new();
    for (index, letter) in inner.char_indices() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '`' | '"') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                arguments.push(inner[start..index].trim());
                start = index + 1;
            }
            (None, _) => {}
        }
    }
    arguments.push(inner[start..].trim());
    arguments
}

/// A tuple's element without its name, which is a word or is quoted with backticks.
fn without_name(element: &str) -> &str {
    if let Some(quoted) = element.strip_prefix('`') {
        return quoted.split_once("` ").map_or(element, |(_, kind)| kind);
    }
    let name_end = element.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(element.len());
    element[name_end..].strip_prefix(' ').unwrap_or(element)
}

fn cut() -> Exception {
    Exception::new(code::UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", "a Native block ends too early")
}

fn unknown(kind: &str) -> Exception {
    Exception::new(
        code::NOT_IMPLEMENTED,
        "NOT_IMPLEMENTED",
        format_args!("the embedded engine cannot send the type {kind} to this client: cast it to String"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gets_its_info_and_a_byte_per_column() {
        let block = b"\x02\x02\x01a\x05UInt8\x01\x02\x01b\x06String\x01x\x02yz";
        let expected = b"\x01\0\x02\xff\xff\xff\xff\0\x02\x02\x01a\x05UInt8\0\x01\x02\x01b\x06String\0\x01x\x02yz";
        assert_eq!(rewrite(block, WITH_CUSTOM_SERIALIZATION).unwrap(), expected);
        assert_eq!(rewrite(block, 1).unwrap(), [&BLOCK_INFO[..], block].concat());
        let twice = [&block[..], block].concat();
        assert_eq!(rewrite(&twice, WITH_CUSTOM_SERIALIZATION).unwrap(), [&expected[..], expected].concat());
    }

    #[test]
    fn cut_blocks_and_unknown_types_are_refused() {
        let block = b"\x01\x02\x01a\x06String\x01x\x02yz";
        for end in 1..block.len() {
            assert!(rewrite(&block[..end], WITH_CUSTOM_SERIALIZATION).is_err(), "{end}");
        }
        assert_eq!(rewrite(b"\x01\x01\x01a\x04JSON\0", 1).unwrap_err().code, code::NOT_IMPLEMENTED);
    }

    #[test]
    fn arguments_are_split_outside_brackets_and_quotes() {
        assert_eq!(split_arguments("'a,b' = 1, Tuple(x Int8, y Int8), `c,` Int8"), ["'a,b' = 1", "Tuple(x Int8, y Int8)", "`c,` Int8"]);
        assert_eq!(without_name("x Array(Int8)"), "Array(Int8)");
        assert_eq!(without_name("DateTime64(3, 'UTC')"), "DateTime64(3, 'UTC')");
        assert_eq!(without_name("`a b` Int8"), "Int8");
    }
}
