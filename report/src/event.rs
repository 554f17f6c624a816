//! What all events of reading have in common.

use crate::status::sha256;

/// 32 hex digits, the same for the same text.
pub(crate) fn event_id(text: &str) -> String {
    let mut id = sha256(text.as_bytes());
    id.truncate(32);
    id
}

/// RFC 3339, UTC.
pub(crate) fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}
