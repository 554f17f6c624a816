//! What load to generate.

use schemas::Timestamp;
use schemas::timestamp::{DAY_US, HOUR_US};

use crate::GenerateError;

/// How event time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// The events lie in this span, in microseconds, by the daily and weekly shape of a real service.
    Span(i64),
    /// So many events a second, evenly; for live load.
    PerSecond(f64),
}

/// Relative shares of formats; only their proportions count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// Plain JSON.
    pub json: u32,
    /// Avro in Confluent framing, with `schema_id`.
    pub avro_confluent: u32,
    /// Avro single-object encoding.
    pub avro_single: u32,
    /// CloudEvents, structured mode.
    pub cloudevents_structured: u32,
    /// CloudEvents, binary mode.
    pub cloudevents_binary: u32,
}

/// Events per million that are something particular; the rest are ordinary calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// A repeat of an earlier event, often in another format or spelling.
    pub duplicate: u32,
    /// An earlier event's identity with another meaning.
    pub conflict: u32,
    /// More than 36 days old.
    pub late: u32,
    /// At least half a day in the future.
    pub future: u32,
    /// Counted, but without a price: unknown model, unknown currency, missing usage.
    pub unpriced: u32,
    /// Not acceptable, in some forty ways.
    pub malformed: u32,
    /// Without a payload.
    pub tombstone: u32,
    /// Cloud cost lines.
    pub cost: u32,
    /// Cloud cost lines with a negative amount.
    pub credit: u32,
    /// Voids of an earlier call.
    pub adjustment: u32,
    /// Counted, but up to twenty days older than their neighbours.
    pub out_of_order: u32,
    /// Without a Kafka key (and never repeated: on another partition nobody would recognise them).
    pub keyless: u32,
}

/// What to generate. The same options give the same messages, byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Of the random sequence, and part of every event id.
    pub seed: u64,
    /// How many messages; `None`: without end (with [`Pace::PerSecond`]).
    pub events: Option<u64>,
    /// The first event's time. Choose it so that the events end before they are sent.
    pub start: Timestamp,
    /// How event time passes.
    pub pace: Pace,
    /// How many users there are; the busiest calls twice as often as the second (Zipf).
    pub users: u32,
    /// Shares of formats.
    pub formats: Formats,
    /// Shares of trouble.
    pub shares: Shares,
    /// The id of the event's schema in the registry, for Confluent framing.
    pub schema_id: u32,
}

impl Formats {
    /// Plain JSON only.
    pub const JSON: Formats = Formats { json: 1, avro_confluent: 0, avro_single: 0, cloudevents_structured: 0, cloudevents_binary: 0 };
    /// Something of everything.
    pub const ALL: Formats = Formats { json: 5, avro_confluent: 2, avro_single: 1, cloudevents_structured: 1, cloudevents_binary: 1 };
}

impl Shares {
    /// No trouble, some cloud lines.
    pub const ORDINARY: Shares = Shares {
        duplicate: 0,
        conflict: 0,
        late: 0,
        future: 0,
        unpriced: 0,
        malformed: 0,
        tombstone: 0,
        cost: 20_000,
        credit: 0,
        adjustment: 0,
        out_of_order: 0,
        keyless: 0,
    };
    /// All trouble there is.
    pub const TROUBLED: Shares = Shares {
        duplicate: 40_000,
        conflict: 10_000,
        late: 10_000,
        future: 5_000,
        unpriced: 20_000,
        malformed: 20_000,
        tombstone: 2_000,
        cost: 30_000,
        credit: 3_000,
        adjustment: 5_000,
        out_of_order: 20_000,
        keyless: 0,
    };

    fn sum(&self) -> u64 {
        [
            self.duplicate,
            self.conflict,
            self.late,
            self.future,
            self.unpriced,
            self.malformed,
            self.tombstone,
            self.cost,
            self.credit,
            self.adjustment,
            self.out_of_order,
        ]
        .iter()
        .map(|share| u64::from(*share))
        .sum()
    }
}

/// Longest span, so that nothing ordinary can be late.
pub(crate) const MAX_SPAN_US: i64 = 14 * DAY_US;

impl Options {
    /// `events` over the hour before `end`, JSON, 10,000 users, no trouble.
    pub fn ending_at(end: Timestamp, seed: u64, events: u64) -> Self {
        Options {
            seed,
            events: Some(events),
            start: end.plus(-HOUR_US),
            pace: Pace::Span(HOUR_US),
            users: 10_000,
            formats: Formats::JSON,
            shares: Shares::ORDINARY,
            schema_id: 1,
        }
    }

    pub(crate) fn check(&self) -> Result<(), GenerateError> {
        let refuse = |key, found: String, expected| Err(GenerateError::Option { key, found, expected });
        match self.pace {
            Pace::Span(_) if self.events.is_none() => return refuse("events", "missing".to_owned(), "a number beside a span"),
            Pace::Span(span_us) if !(1..=MAX_SPAN_US).contains(&span_us) => {
                return refuse("span", format!("{span_us} us"), "more than 0 and at most 14 days");
            }
            // Slower, and the events that duplicates repeat would grow too old to be repeated.
            Pace::PerSecond(rate) if !(0.01..=1e7).contains(&rate) => {
                return refuse("rate", rate.to_string(), "0.01 to 10,000,000 a second");
            }
            _ => {}
        }
        if !(1..=10_000_000).contains(&self.users) {
            return refuse("users", self.users.to_string(), "1 to 10,000,000");
        }
        if self.shares.sum() > 900_000 {
            return refuse("shares", self.shares.sum().to_string(), "at most 900,000 of a million in sum");
        }
        let f = &self.formats;
        if [f.json, f.avro_confluent, f.avro_single, f.cloudevents_structured, f.cloudevents_binary].iter().all(|share| *share == 0) {
            return refuse("formats", "all 0".to_owned(), "at least one format");
        }
        Ok(())
    }
}
