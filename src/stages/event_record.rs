//! Events on the topic of alerts.

use runtime::io::{OutRecord, OutTopic};
use schemas::cloud_event::CONTENT_TYPE;

/// A structured CloudEvent; those of one key stay in order.
pub fn event_record(key: String, event: Vec<u8>) -> OutRecord {
    OutRecord {
        topic: OutTopic::Alerts,
        partition: None,
        key: Some(key.into_bytes()),
        payload: Some(event),
        headers: vec![("content-type".to_owned(), format!("{CONTENT_TYPE}; charset=UTF-8").into_bytes())],
    }
}
