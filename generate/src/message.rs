//! One generated message and what must become of it.

use schemas::{Reason, Timestamp};

use crate::Fact;

/// What the pipeline must make of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is in the rollups.
    Counted,
    /// It is a repeat.
    Duplicate,
    /// A dead letter: its identity has another meaning already.
    Conflict,
    /// A dead letter: too old.
    Late,
    /// A dead letter with this reason.
    Rejected(Reason),
}

impl Expected {
    /// Its column in `pipeline_accounts`.
    pub fn name(self) -> &'static str {
        match self {
            Expected::Counted => "counted",
            Expected::Duplicate => "duplicate",
            Expected::Conflict => "conflict",
            Expected::Late => "late",
            Expected::Rejected(_) => "rejected",
        }
    }

    /// The dead letter's code, `None` for what makes no dead letter.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Expected::Counted | Expected::Duplicate => None,
            Expected::Conflict => Some(Reason::Conflict),
            Expected::Late => Some(Reason::TooLate),
            Expected::Rejected(reason) => Some(reason),
        }
    }
}

/// A message to send. Messages of one key must arrive in the order in which they were generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Its number in the run, from 0.
    pub number: u64,
    /// Kafka key; a repeat has that of its original.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Headers.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// When it should be sent to keep the pace (the event's own time may differ).
    pub intended_timestamp: Timestamp,
    /// What must become of it, if its Kafka timestamp is at most 12 hours after the last event's time.
    pub expected: Expected,
    /// What a well-formed message says.
    pub fact: Option<Fact>,
}
