//! Takes an event's fields out by name and checks their types; what is left over is unknown.

use crate::value::{Members, Value};
use crate::{Decimal, DecimalError, Rejection, instant};

/// Every field that the contract knows.
const KNOWN: [&str; 36] = [
    "event_id",
    "source",
    "occurred_at",
    "kind",
    "adjusts",
    "provider",
    "model",
    "operation",
    "service",
    "route",
    "feature",
    "task_type",
    "user_id",
    "team",
    "project",
    "environment",
    "cost_center",
    "owner",
    "tags",
    "token_convention",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tier",
    "amount",
    "currency",
    "revenue",
    "revenue_currency",
    "latency_ms",
    "status",
    "error_type",
    "attributes",
];

/// Largest token count.
const MAX_TOKENS: i64 = 1_000_000_000_000;
/// Largest latency, milliseconds (the event schema says so).
const MAX_LATENCY_MS: u64 = 1_000_000_000_000;

/// The fields of one event.
pub(crate) struct Fields(Members);

/// Sorted names and texts, no text empty.
pub(crate) type Pairs = std::collections::BTreeMap<String, String>;

impl Fields {
    /// Refuses a known field that stands twice.
    pub(crate) fn new(members: Members) -> Result<Self, Rejection> {
        refuse_repeats(&members, &KNOWN)?;
        Ok(Fields(members))
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.0.remove(at);
        value.is_given().then_some(value)
    }

    /// Text; a number or boolean is its JSON text; empty when not given.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Rejection> {
        self.take(name).map_or_else(|| Ok(String::new()), |value| as_text(name, value))
    }

    /// Text that must be given.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<String, Rejection> {
        let text = self.text(name)?;
        if text.is_empty() { Err(Rejection::new("missing_field", name)) } else { Ok(text) }
    }

    /// A dimension's value, cut to 1 KiB at a character.
    pub(crate) fn dimension(&mut self, name: &str) -> Result<String, Rejection> {
        let mut text = self.text(name)?;
        while text.len() > 1024 {
            text.pop();
        }
        Ok(text)
    }

    /// Microseconds since 1970.
    pub(crate) fn instant(&mut self, name: &str) -> Result<i64, Rejection> {
        match self.take(name) {
            None => Err(Rejection::new("missing_field", name)),
            Some(Value::Instant(micros)) if (instant::FIRST_US..instant::END_US).contains(&micros) => Ok(micros),
            Some(Value::Instant(micros)) => Err(Rejection::new("out_of_range", format!("{name} {micros} us"))),
            Some(value) => {
                let text = as_text(name, value)?;
                instant::parse_us(&text).ok_or_else(|| Rejection::new("bad_timestamp", format!("{name} {text:?}")))
            }
        }
    }

    /// An integer literal from 0, or from either side of it when `signed`, to 10^12.
    pub(crate) fn count(&mut self, name: &str, signed: bool) -> Result<Option<i64>, Rejection> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Number(literal) = value else { return Err(Rejection::new("wrong_type", name)) };
        let digits = literal.strip_prefix('-').unwrap_or(&literal);
        if !digits.chars().all(|c| c.is_ascii_digit()) {
            return Err(Rejection::new("bad_number", format!("{name} {literal}: no integer literal")));
        }
        let lowest = if signed { -MAX_TOKENS } else { 0 };
        match literal.parse::<i64>() {
            Ok(count) if (lowest..=MAX_TOKENS).contains(&count) => Ok(Some(count)),
            _ => Err(Rejection::new("out_of_range", format!("{name} {literal}"))),
        }
    }

    /// Money: decimal text, or a JSON number by its literal.
    pub(crate) fn money(&mut self, name: &str) -> Result<Option<Decimal>, Rejection> {
        let parsed = match self.take(name) {
            None => return Ok(None),
            Some(Value::Text(text)) => Decimal::from_text(&text),
            Some(Value::Number(literal)) => Decimal::from_json(&literal),
            Some(_) => return Err(Rejection::new("wrong_type", name)),
        };
        parsed.map(Some).map_err(|e| {
            let reason = if e == DecimalError::TooLarge { "out_of_range" } else { "bad_number" };
            Rejection::new(reason, format!("{name}: {e}"))
        })
    }

    /// Three letters in upper case; empty when not given. Without an amount it is a mere label and may be anything.
    pub(crate) fn currency(&mut self, name: &str, has_amount: bool) -> Result<String, Rejection> {
        let code = self.text(name)?.to_ascii_uppercase();
        let is_code = code.len() == 3 && code.chars().all(|c| c.is_ascii_uppercase());
        if code.is_empty() || is_code || !has_amount { Ok(code) } else { Err(Rejection::new("bad_currency", format!("{name} {code:?}"))) }
    }

    /// A number from 0, its fraction cut.
    pub(crate) fn latency(&mut self, name: &str) -> Result<Option<u64>, Rejection> {
        let literal = match self.take(name) {
            None => return Ok(None),
            Some(Value::Number(literal)) => literal,
            Some(_) => return Err(Rejection::new("wrong_type", name)),
        };
        let out_of_range = || Rejection::new("out_of_range", format!("{name} {literal}"));
        if literal.starts_with('-') && literal.contains(|c| ('1'..='9').contains(&c)) {
            return Err(out_of_range());
        }
        let whole = cut(&literal).ok_or_else(out_of_range)?;
        whole.parse().ok().filter(|ms| *ms <= MAX_LATENCY_MS).map(Some).ok_or_else(out_of_range)
    }

    /// An object of texts.
    pub(crate) fn tags(&mut self, name: &str) -> Result<Pairs, Rejection> {
        let members = self.object(name)?;
        let mut pairs = Pairs::new();
        for (key, value) in members {
            // Of a name that stands twice the last text counts, also when it is empty.
            pairs.insert(key, if value.is_given() { as_text(name, value)? } else { String::new() });
        }
        pairs.retain(|key, text| !key.is_empty() && !text.is_empty());
        Ok(pairs)
    }

    fn object(&mut self, name: &str) -> Result<Members, Rejection> {
        match self.take(name) {
            None => Ok(Members::new()),
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(Rejection::new("wrong_type", name)),
        }
    }

    /// `attributes` and every field not taken before; keys of `attributes` win.
    pub(crate) fn rest(mut self) -> Result<Pairs, Rejection> {
        let attributes = self.object("attributes")?;
        let unknown = self.0.into_iter();
        Ok(unknown
            .chain(attributes)
            .filter(|(key, value)| !key.is_empty() && value.is_given())
            .map(|(key, value)| (key, value.canonical()))
            .collect())
    }
}

/// Refuses one of `known` that stands twice.
pub(crate) fn refuse_repeats(members: &Members, known: &[&str]) -> Result<(), Rejection> {
    for name in known {
        if members.iter().filter(|(key, _)| key == name).count() > 1 {
            return Err(Rejection::new("duplicate_key", *name));
        }
    }
    Ok(())
}

fn as_text(name: &str, value: Value) -> Result<String, Rejection> {
    match value {
        Value::Text(text) | Value::Number(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(Rejection::new("wrong_type", name)),
    }
}

/// The digits before the decimal point of a number that is not negative, its exponent applied.
fn cut(literal: &str) -> Option<String> {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
    if digits.chars().all(|c| c == '0') {
        return Some("0".to_owned());
    }
    let exponent = match exponent.parse::<i64>() {
        Ok(exponent) => exponent,
        Err(_) if exponent.starts_with('-') => return Some("0".to_owned()),
        Err(_) => return None,
    };
    let kept = (digits.len() - fraction.len()) as i64 + exponent;
    match kept {
        ..=0 => Some("0".to_owned()),
        1..=10_000 => Some(digits.chars().chain(std::iter::repeat('0')).take(kept.unsigned_abs() as usize).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: Value) -> Fields {
        Fields(vec![("x".to_owned(), value)])
    }

    fn number(literal: &str) -> Fields {
        with(Value::Number(literal.to_owned()))
    }

    #[test]
    fn counts_are_integer_literals() {
        let count = |literal: &str| number(literal).count("x", false).map_err(|r| r.reason);
        assert_eq!(count("1000000000000"), Ok(Some(1_000_000_000_000)));
        assert_eq!(count("-0"), Ok(Some(0)));
        assert_eq!(count("1000000000001"), Err("out_of_range"));
        assert_eq!(count("18446744073709551616"), Err("out_of_range"));
        assert_eq!(count("-1"), Err("out_of_range"));
        assert_eq!(count("12.0"), Err("bad_number"));
        assert_eq!(count("1e3"), Err("bad_number"));
        assert_eq!(with(Value::Text("12".to_owned())).count("x", false).unwrap_err().reason, "wrong_type");
        assert_eq!(number("-5").count("x", true), Ok(Some(-5)));
        assert_eq!(with(Value::Null).count("x", false), Ok(None));
        assert_eq!(with(Value::Text(String::new())).count("x", false), Ok(None));
    }

    #[test]
    fn latency_loses_its_fraction_only() {
        let latency = |literal: &str| number(literal).latency("x").map_err(|r| r.reason);
        assert_eq!(latency("812.99999999999999999999"), Ok(Some(812)));
        assert_eq!(latency("1.2345e3"), Ok(Some(1234)));
        assert_eq!(latency("5e-1"), Ok(Some(0)));
        assert_eq!(latency("-0.0"), Ok(Some(0)));
        assert_eq!(latency("-1"), Err("out_of_range"));
    }

    #[test]
    fn text_takes_numbers_and_booleans_but_no_objects() {
        assert_eq!(number("1.50").text("x").unwrap(), "1.50");
        assert_eq!(with(Value::Bool(true)).text("x").unwrap(), "true");
        assert_eq!(with(Value::List(vec![])).text("x").unwrap_err().reason, "wrong_type");
    }

    #[test]
    fn dimensions_are_cut_at_a_character() {
        let long = "é".repeat(600);
        assert_eq!(with(Value::Text(format!("a{long}"))).dimension("x").unwrap().len(), 1023);
    }
}
