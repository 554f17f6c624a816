//! The demo's load: two weeks of realistic history that end now, maybe with an [`Incident`] in their last hours, then the present without end.

use schemas::Timestamp;
use schemas::timestamp::DAY_US;

use crate::{Formats, GenerateError, Generated, Generator, Incident, Options, Pace, Shares};

/// Messages of a history, unless asked otherwise.
pub const DEFAULT_EVENTS: u64 = 100_000;

/// Two weeks that end at `end`, in the shape of real services (ServeGen) with real token sizes (Azure, Mooncake) and a little
/// of every trouble.
///
/// # Errors
/// [`GenerateError`]
pub fn history(end: Timestamp, events: u64, seed: u64) -> Result<Generator, GenerateError> {
    let span_us = 14 * DAY_US;
    Generator::new(Options { pace: Pace::Span(span_us), start: end.plus(-span_us), ..demo(seed, Some(events)) })
}

/// Goes on from `start` at `per_second` events a second, without end. Send each message at its `intended_timestamp`. Its ids
/// are others than those of the [`history`] of the same seed.
///
/// # Errors
/// [`GenerateError`]
pub fn live(start: Timestamp, per_second: f64, seed: u64) -> Result<Generator, GenerateError> {
    Generator::new(Options { pace: Pace::PerSecond(per_second), start, ..demo(!seed, None) })
}

/// The messages of both, in order of time; what they say is left as it is.
pub fn merged(history: Generator, incident: Option<Incident>) -> impl Iterator<Item = Generated> {
    let (mut history, mut incident) = (history.peekable(), incident.into_iter().flatten().peekable());
    std::iter::from_fn(move || match (history.peek(), incident.peek()) {
        (Some(ordinary), Some(call)) if call.intended_timestamp < ordinary.intended_timestamp => incident.next(),
        (Some(_), _) => history.next(),
        (None, _) => incident.next(),
    })
}

fn demo(seed: u64, events: Option<u64>) -> Options {
    Options {
        seed,
        events,
        start: Timestamp::MIN,
        pace: Pace::Span(DAY_US),
        users: 2_000,
        formats: Formats { avro_confluent: 0, ..Formats::ALL },
        shares: Shares {
            duplicate: 10_000,
            conflict: 500,
            late: 500,
            future: 200,
            unpriced: 5_000,
            malformed: 1_000,
            tombstone: 100,
            cost: 30_000,
            credit: 1_000,
            adjustment: 1_000,
            out_of_order: 10_000,
            keyless: 0,
        },
        schema_id: 0,
    }
}
