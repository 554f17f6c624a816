//! Puts a fact into one of the formats that the topic accepts.

use crate::avro::{EVENT_SCHEMA, Layout};
use crate::json::push_event;
use crate::spelling::{Spelling, Style};
use crate::{Fact, GenerateError};

/// How a message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    AvroConfluent,
    AvroSingle,
    CloudEventsStructured,
    CloudEventsBinary,
}

/// Payload and headers.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
}

/// Encodes facts; holds the buffers.
#[derive(Debug)]
pub(crate) struct MessageEncoder {
    pub(crate) spelling: Spelling,
    layout: Layout,
    schema_id: u32,
}

/// More than an ordinary event takes.
const USUAL_BYTES: usize = 768;

impl MessageEncoder {
    pub(crate) fn new(schema_id: u32) -> Result<Self, GenerateError> {
        Ok(MessageEncoder { spelling: Spelling::default(), layout: Layout::new(EVENT_SCHEMA)?, schema_id })
    }

    pub(crate) fn encode(&mut self, fact: &Fact, format: Format, style: Style) -> Encoded {
        let (payload, headers) = match format {
            Format::Json => (self.json(fact, style), Vec::new()),
            Format::AvroSingle => (self.avro_single(fact, style), Vec::new()),
            Format::AvroConfluent => {
                self.spelling.spell(fact, style);
                let mut out = Vec::with_capacity(USUAL_BYTES);
                self.layout.push_confluent(&mut out, self.schema_id, &self.spelling, fact, style);
                (out, Vec::new())
            }
            Format::CloudEventsStructured => {
                (self.structured(fact, style), vec![("content-type", b"application/cloudevents+json".to_vec())])
            }
            Format::CloudEventsBinary => self.binary(fact, style),
        };
        Encoded { payload: Some(payload), headers }
    }

    pub(crate) fn json(&mut self, fact: &Fact, style: Style) -> Vec<u8> {
        self.spelling.spell(fact, style);
        let mut out = Vec::with_capacity(USUAL_BYTES);
        push_event(&mut out, &self.spelling, fact, style, false, None);
        out
    }

    pub(crate) fn avro_single(&mut self, fact: &Fact, style: Style) -> Vec<u8> {
        self.spelling.spell(fact, style);
        let mut out = Vec::with_capacity(USUAL_BYTES);
        self.layout.push_single_object(&mut out, &self.spelling, fact, style);
        out
    }

    /// Identity and time stand in the envelope, and, when verbose, in the data too.
    fn structured(&mut self, fact: &Fact, style: Style) -> Vec<u8> {
        self.spelling.spell(fact, style);
        let mut out = Vec::with_capacity(USUAL_BYTES + 200);
        let parts = [
            "{\"specversion\":\"1.0\",\"type\":\"cost_rhythm.usage.v1\",\"datacontenttype\":\"application/json\",\"id\":\"",
            &self.spelling.event_id,
            "\",\"source\":\"",
            fact.source,
            "\",\"time\":\"",
            self.spelling.occurred_at(),
            "\",\"data\":",
        ];
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
        push_event(&mut out, &self.spelling, fact, style, !style.is_verbose, None);
        out.push(b'}');
        out
    }

    fn binary(&mut self, fact: &Fact, style: Style) -> (Vec<u8>, Vec<(&'static str, Vec<u8>)>) {
        self.spelling.spell(fact, style);
        let mut out = Vec::with_capacity(USUAL_BYTES);
        push_event(&mut out, &self.spelling, fact, style, !style.is_verbose, None);
        let headers = vec![
            ("ce_specversion", b"1.0".to_vec()),
            ("ce_type", b"cost_rhythm.usage.v1".to_vec()),
            ("ce_id", self.spelling.event_id.clone().into_bytes()),
            ("ce_source", fact.source.as_bytes().to_vec()),
            ("ce_time", self.spelling.occurred_at().as_bytes().to_vec()),
            ("content-type", b"application/json".to_vec()),
        ];
        (out, headers)
    }
}
