//! A value of an event, whatever format it came in. Numbers stay the text that stood there.

use std::collections::BTreeMap;

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

    /// Canonical JSON: keys sorted, no white space, numbers as written; text is itself.
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
            Value::Number(literal) => literal.clone(),
            Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Value::List(values) => format!("[{}]", values.iter().map(Value::canonical_json).collect::<Vec<_>>().join(",")),
            Value::Object(members) => {
                // Of a key that stands twice the last value counts.
                let sorted: BTreeMap<_, _> = members.iter().map(|(key, value)| (key.as_str(), value)).collect();
                let parts: Vec<_> = sorted.iter().map(|(k, v)| format!("{}:{}", serde_json::Value::from(*k), v.canonical_json())).collect();
                format!("{{{}}}", parts.join(","))
            }
            Value::Instant(micros) => micros.to_string(),
            Value::Foreign(name) => (*name).to_owned(),
        }
    }
}
