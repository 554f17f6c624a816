//! What becomes of a message that is not counted and is no repeat.

use runtime::io::{Message, OutRecord, OutTopic};
use schemas::Rejection;

/// The original key, value and headers untouched, and behind them the headers `cr_*` of the contract. Those of an earlier failure
/// stay where they are, before the new ones.
pub fn dead_letter(topic: &str, partition: i32, message: &Message<'_>, rejection: &Rejection) -> OutRecord {
    let mut headers: Vec<(String, Vec<u8>)> = message.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    let added = [
        ("cr_reason", rejection.reason.code().to_owned()),
        ("cr_detail", rejection.detail.clone()),
        ("cr_topic", topic.to_owned()),
        ("cr_partition", partition.to_string()),
        ("cr_offset", message.offset.to_string()),
        ("cr_time", message.timestamp.to_string()),
    ];
    headers.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())));
    OutRecord {
        topic: OutTopic::DeadLetters,
        partition: None,
        key: message.key.map(<[u8]>::to_vec),
        payload: message.payload.map(<[u8]>::to_vec),
        headers,
    }
}
