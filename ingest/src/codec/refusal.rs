//! Rejections with their detail: field, value, remedy.

use std::fmt::Write as _;

use schemas::{Reason, Rejection};

/// A rejection on its way out. Boxed, so that results on the hot path stay small.
pub(super) type Refused = Box<Rejection>;

/// Longest part of a value or name that is quoted, in characters.
const QUOTED_CHARS: usize = 80;

/// The field `name` holds `value`, which is not what was expected.
#[cold]
pub(super) fn field(reason: Reason, name: &str, value: &str, remedy: &str) -> Refused {
    Box::new(Rejection::new(reason, format!("{}: found {}; {remedy}", quoted_name(name), quoted(value))))
}

/// The field `name` is wrong in a way that no single value shows.
#[cold]
pub(super) fn about(reason: Reason, name: &str, remedy: &str) -> Refused {
    Box::new(Rejection::new(reason, format!("{}: {remedy}", quoted_name(name))))
}

/// The payload as a whole is wrong.
#[cold]
pub(super) fn payload(reason: Reason, remedy: impl Into<String>) -> Refused {
    Box::new(Rejection::new(reason, remedy))
}

/// The value, shortened and escaped, in quotation marks.
pub(super) fn quoted(value: &str) -> String {
    format!("\"{}\"", escaped(value))
}

fn quoted_name(name: &str) -> String {
    escaped(name)
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for (index, c) in value.chars().enumerate() {
        if index == QUOTED_CHARS {
            let _infallible = write!(text, "... ({} bytes)", value.len());
            break;
        }
        text.extend(c.escape_debug());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shortened_and_escaped() {
        let refused = field(Reason::WrongType, "kind", &"\n\u{1f600}x".repeat(1000), "send text");
        assert!(refused.detail.starts_with("kind: found \"\\n\u{1f600}x\\n"), "{}", refused.detail);
        assert!(refused.detail.ends_with("... (6000 bytes)\"; send text"), "{}", refused.detail);
        assert!(refused.detail.len() < 500);
    }
}
