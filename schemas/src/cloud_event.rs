//! What the topic of alerts holds: CloudEvents 1.0 in structured mode, whose bytes depend on nothing but what they tell.

use serde::Serialize;

/// The CloudEvents `source` of all of them.
pub const EVENT_SOURCE: &str = "/cost-rhythm";
/// The content type of [`CloudEvent::to_bytes`].
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// One event.
#[derive(Debug)]
pub struct CloudEvent<'a, D> {
    /// The extension attribute of what was long over when it was read.
    pub historical: Option<bool>,
    /// The same for the same event, in every replay.
    pub id: String,
    /// What kind of event it is.
    pub kind: &'static str,
    /// What it is about.
    pub subject: &'a str,
    /// Event time.
    pub time: String,
    /// What it tells.
    pub data: D,
}

impl<D: Serialize> CloudEvent<'_, D> {
    /// The event as JSON text, its fields in a fixed order.
    ///
    /// # Errors
    /// Only if a JSON writer to memory fails, which it does not.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Envelope {
            historical: self.historical,
            specversion: "1.0",
            id: &self.id,
            source: EVENT_SOURCE,
            r#type: self.kind,
            subject: self.subject,
            time: &self.time,
            datacontenttype: "application/json",
            data: &self.data,
        })
    }
}

/// The attributes of CloudEvents 1.0.
#[derive(Serialize)]
struct Envelope<'a, D> {
    #[serde(skip_serializing_if = "Option::is_none")]
    historical: Option<bool>,
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    r#type: &'static str,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    data: &'a D,
}
