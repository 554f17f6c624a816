//! A value of an event, whatever format it came in. Numbers stay the text that stood there.

/// A value as a producer gave it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// The literal.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Object(Members),
    /// Avro's logical timestamps, microseconds since 1970.
    Instant(i64),
    /// An Avro type that no field may have.
    Foreign(&'static str),
}

/// Names and values in the order in which they stood; a name may stand twice.
pub(crate) type Members = Vec<(String, Value)>;

impl Value {
    /// Null and empty text mean "not given".
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Value::Null) && *self != Value::Text(String::new())
    }

    /// Canonical JSON: keys sorted, no white space, one spelling for a number; text is itself.
    pub(crate) fn canonical(&self) -> String {
        match self {
            Value::Text(text) => text.clone(),
            other => other.canonical_json(),
        }
    }

    fn canonical_json(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(literal) => canonical_number(literal),
            Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Value::List(values) => format!("[{}]", values.iter().map(Value::canonical_json).collect::<Vec<_>>().join(",")),
            Value::Object(members) => {
                let mut parts: Vec<_> =
                    members.iter().map(|(k, v)| format!("{}:{}", serde_json::Value::from(k.as_str()), v.canonical_json())).collect();
                parts.sort();
                format!("{{{}}}", parts.join(","))
            }
            Value::Instant(micros) => micros.to_string(),
            Value::Foreign(name) => (*name).to_owned(),
        }
    }
}

/// Digits without zeros at either end, and the power of ten they stand at.
fn canonical_number(literal: &str) -> String {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let Ok(exponent) = exponent.parse::<i64>() else { return literal.to_owned() };
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let power = exponent - fraction.len() as i64 + (digits.len() - significant.len()) as i64;
    format!("{sign}{significant}e{power}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_spelling() {
        for same in ["1.50", "1.5", "15e-1", "0.15e1", "150E-2"] {
            assert_eq!(canonical_number(same), "15e-1");
        }
        assert_eq!(canonical_number("-0.0"), "0");
    }
}
