//! JSON, strictly RFC 8259 and nothing more.
//!
//! Written here and not taken from a library because the event needs what none gives at once: number literals untouched, text
//! borrowed, a depth limit that also holds for what is skipped, lone surrogates refused everywhere, and one pass over the bytes.
//! `serde_json` is the oracle in the tests: whatever it accepts or refuses, this does too.

mod event;
mod scanner;
mod string;

pub(super) use event::{Outcome, read_event, timestamp};
pub(super) use scanner::{Scanner, Value};
