//! What goes in and what becomes of it.

use crate::Rejection;

/// A record of the input topic as Kafka holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its Kafka timestamp, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In the rollups.
    Counted,
    /// Same identity and meaning as an event counted before.
    Duplicate,
    /// Same identity, other meaning.
    Conflict,
    /// Further behind the newest counted event of its partition than the horizon.
    Late,
    /// Not acceptable, or from the future.
    Rejected(Rejection),
}

impl Outcome {
    /// The code in the dead letter's `cr_reason`; `None` for what makes no dead letter.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Outcome::Counted | Outcome::Duplicate => None,
            Outcome::Conflict => Some("conflict"),
            Outcome::Late => Some("too_late"),
            Outcome::Rejected(rejection) => Some(rejection.reason),
        }
    }

    /// Its column in `pipeline_accounts`.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Counted => "counted",
            Outcome::Duplicate => "duplicate",
            Outcome::Conflict => "conflict",
            Outcome::Late => "late",
            Outcome::Rejected(_) => "rejected",
        }
    }
}
