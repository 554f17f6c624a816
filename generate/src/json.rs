//! Writes a spelled fact as JSON.

use crate::Fact;
use crate::spelling::{Field, Member, Spelling, Style};

/// A value that stands in place of the right one: what a malformed event has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Override {
    /// The field is left out.
    Omit,
    /// The bytes stand where the value would.
    Raw(&'static [u8]),
}

/// Appends one object. `skip_identity`: without what a CloudEvent's envelope says.
pub(crate) fn push_event(
    out: &mut Vec<u8>,
    spelling: &Spelling,
    fact: &Fact,
    style: Style,
    skip_identity: bool,
    replaced: Option<(Field, Override)>,
) {
    let mut separator: &[u8] = b"{";
    for field in Field::ALL {
        if skip_identity && matches!(field, Field::EventId | Field::Source | Field::OccurredAt) {
            continue;
        }
        let replacement = replaced.filter(|(replaced, _)| *replaced == field).map(|(_, by)| by);
        let member = spelling.member(fact, style, field);
        let is_written = match replacement {
            Some(Override::Omit) => false,
            Some(Override::Raw(_)) => true,
            None => member != Member::Absent || (style.is_verbose && field != Field::Attributes),
        };
        if !is_written {
            continue;
        }
        out.extend_from_slice(separator);
        separator = if style.is_verbose { b" , " } else { b"," };
        out.push(b'"');
        out.extend_from_slice(field.name().as_bytes());
        out.extend_from_slice(if style.is_verbose { b"\" : " } else { b"\":" });
        match replacement {
            Some(Override::Raw(bytes)) => out.extend_from_slice(bytes),
            _ => push_member(out, member),
        }
    }
    out.extend_from_slice(if style.is_verbose { b" }\n" } else { b"}" });
}

fn push_member(out: &mut Vec<u8>, member: Member<'_>) {
    match member {
        Member::Absent => out.extend_from_slice(b"null"),
        Member::Text(text) | Member::Instant(_, text) => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        Member::Count(count) => push_integer(out, count),
        Member::Pair(name, text) => {
            out.extend_from_slice(b"{\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            push_text(out, text);
            out.push(b'}');
        }
    }
}

/// Text that may need escapes; all other text comes from the catalogue and needs none.
fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\u0009"),
            other => out.push(other),
        }
    }
    out.push(b'"');
}

/// Decimal digits.
pub(crate) fn push_integer(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}
