//! JSON by `serde_json`, keeping what it would lose: repeated keys and the literals of numbers.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Rejection;
use crate::value::{Members, Value};

/// Deepest nesting; the event's own object is the first level.
const MAX_DEPTH: usize = 64;

/// Reads a payload that should be one JSON object.
pub(crate) fn object(payload: &[u8]) -> Result<Members, Rejection> {
    if depth(payload) > MAX_DEPTH {
        return Err(Rejection::new("too_deep", format!("more than {MAX_DEPTH} levels")));
    }
    let text = std::str::from_utf8(payload).map_err(|e| Rejection::new("invalid_utf8", e.to_string()))?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|e| refusal(&e))?;
    match value(raw.get())? {
        Value::Object(members) => Ok(members),
        _ => Err(Rejection::new("not_an_object", "the payload is no object")),
    }
}

/// `serde_json` says in words what it found.
fn refusal(error: &serde_json::Error) -> Rejection {
    let detail = error.to_string();
    let reason = if detail.contains("surrogate") || detail.contains("unexpected end of hex escape") {
        "invalid_utf8"
    } else if detail.contains("trailing characters") {
        "trailing_bytes"
    } else {
        "not_json"
    };
    Rejection::new(reason, detail)
}

/// How deep brackets nest, outside of strings.
fn depth(payload: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in payload {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// `text` is one JSON value without white space around it.
fn value(text: &str) -> Result<Value, Rejection> {
    let said = |e: serde_json::Error| refusal(&e);
    Ok(match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => Value::Text(serde_json::from_str(text).map_err(said)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(said)?;
            Value::List(items.iter().map(|raw| value(raw.get())).collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let RawMembers(members) = serde_json::from_str(text).map_err(said)?;
            Value::Object(members.into_iter().map(|(name, raw)| Ok((name, value(raw.get())?))).collect::<Result<_, Rejection>>()?)
        }
        _ => Value::Number(text.to_owned()),
    })
}

struct RawMembers<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = RawMembers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(RawMembers(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(payload: &[u8]) -> &'static str {
        object(payload).map_or_else(|r| r.reason, |_| "accepted")
    }

    #[test]
    fn each_fault_has_its_reason() {
        assert_eq!(reason(b" {\"a\":1} \n"), "accepted");
        assert_eq!(reason(b"{\"a\":1"), "not_json");
        assert_eq!(reason(b"{\"a\":01}"), "not_json");
        assert_eq!(reason(b"{\"a\":NaN}"), "not_json");
        assert_eq!(reason(b"{\"a\":\"\n\"}"), "not_json");
        assert_eq!(reason(b"{} {}"), "trailing_bytes");
        assert_eq!(reason(b"[1]"), "not_an_object");
        assert_eq!(reason(b"7"), "not_an_object");
        assert_eq!(reason(b"{\"a\":\"\xff\"}"), "invalid_utf8");
        assert_eq!(reason(br#"{"a":"\ud800"}"#), "invalid_utf8");
        assert_eq!(reason(br#"{"a":{"b":["\udc00 x"]}}"#), "invalid_utf8");
        assert_eq!(reason(br#"{"a":"\ud83d\ude00 \u0000"}"#), "accepted");
    }

    #[test]
    fn sixty_four_levels_are_allowed() {
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert_eq!(reason(nested(64).as_bytes()), "accepted");
        assert_eq!(reason(nested(65).as_bytes()), "too_deep");
        assert_eq!(reason(format!("{{\"a\":\"{}\"}}", "[".repeat(99)).as_bytes()), "accepted");
    }
}
