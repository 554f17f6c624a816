//! Canonical JSON of a nested value: keys sorted by their bytes, no white space, number literals as written, strings escaped
//! only where JSON demands it. Two formats that carry the same nested value give the same text.

use bumpalo::Bump;
use bumpalo::collections::{String as ArenaString, Vec as ArenaVec};
use schemas::Reason;

use super::MAX_EVENT_BYTES;
use super::refusal::{Refused, payload};

/// Longest canonical text. JSON never grows, but Avro names enum symbols and fields by small numbers.
const MAX_CANONICAL_BYTES: usize = 2 * MAX_EVENT_BYTES;

/// A nested value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    /// `null`
    Null,
    /// A number or boolean, as JSON writes it.
    Literal(&'a str),
    /// Text.
    Text(&'a str),
    /// An array.
    Array(&'a [Node<'a>]),
    /// An object: sorted by key, keys unique.
    Object(&'a [(&'a str, Node<'a>)]),
}

impl<'a> Node<'a> {
    /// An object of fields in any order; of a key that stands twice the last value counts.
    pub(super) fn object(mut fields: ArenaVec<'a, (&'a str, Node<'a>)>) -> Self {
        fields.sort_by(|a, b| a.0.cmp(b.0));
        fields.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        Node::Object(fields.into_bump_slice())
    }

    /// As the text of a tag or attribute: text as it is, nothing for null, else canonical JSON.
    pub(super) fn into_text(self, arena: &'a Bump) -> Result<&'a str, Refused> {
        match self {
            Node::Null => Ok(""),
            Node::Literal(text) | Node::Text(text) => Ok(text),
            Node::Array(_) | Node::Object(_) => {
                let mut out = ArenaString::new_in(arena);
                self.write(&mut out)?;
                Ok(out.into_bump_str())
            }
        }
    }

    /// Recursion is bounded: a node is never deeper than `MAX_DEPTH`.
    fn write(self, out: &mut ArenaString<'a>) -> Result<(), Refused> {
        match self {
            Node::Null => out.push_str("null"),
            Node::Literal(text) => out.push_str(text),
            Node::Text(text) => write_text(text, out),
            Node::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out)?;
                }
                out.push(']');
            }
            Node::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out)?;
                }
                out.push('}');
            }
        }
        if out.len() > MAX_CANONICAL_BYTES {
            return Err(payload(Reason::TooLarge, "a nested value is longer than 2 MiB as JSON text; send smaller attributes"));
        }
        Ok(())
    }
}

fn write_text(text: &str, out: &mut ArenaString<'_>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        out.push_str(&rest[..at]);
        let byte = rest.as_bytes()[at];
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            _ => {
                out.push_str("\\u00");
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}
