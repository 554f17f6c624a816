//! The generator: draws what each message is, keeps what it may repeat, and knows what must come of it.

use schemas::timestamp::{DAY_US, HOUR_US, SECOND_US};
use schemas::{Kind, Reason, Timestamp, Tokens};

use crate::arrival::Arrival;
use crate::draw::Draw;
use crate::malformed::malformed;
use crate::message_encoder::{Encoded, Format, MessageEncoder};
use crate::options::MAX_SPAN_US;
use crate::random::Random;
use crate::spelling::Style;
use crate::trace::Traces;
use crate::{EventId, Expected, Fact, GenerateError, Generated, Options, Pace};

/// How many events back a message may repeat.
const MEMORY: usize = 4096;

/// An endless or counted sequence of messages, a function of its options.
#[derive(Debug)]
pub struct Generator {
    options: Options,
    random: Random,
    arrival: Option<Arrival>,
    draw: Draw,
    encoder: MessageEncoder,
    /// Counted events with a key, the newest overwriting the oldest.
    memory: Vec<Fact>,
    /// By cumulative weight.
    formats: Vec<(u64, Format)>,
    run: u32,
    number: u64,
}

/// What one message will be.
struct Plan {
    fact: Option<Fact>,
    expected: Expected,
    /// Whose id is the key.
    key: EventId,
    /// Encoded already, because it is malformed.
    encoded: Option<Encoded>,
}

impl Generator {
    /// Checks the options and loads the traces.
    ///
    /// # Errors
    /// [`GenerateError::Option`]
    pub fn new(options: Options) -> Result<Self, GenerateError> {
        options.check()?;
        let traces = Traces::load()?;
        let arrival = match options.pace {
            Pace::Span(span_us) => Some(Arrival::new(options.start, span_us, options.events.unwrap_or(1), &traces.hourly)),
            Pace::PerSecond(_) => None,
        };
        let mut random = Random::new(options.seed);
        let f = &options.formats;
        let mut sum = 0;
        let formats = [
            (f.json, Format::Json),
            (f.avro_confluent, Format::AvroConfluent),
            (f.avro_single, Format::AvroSingle),
            (f.cloudevents_structured, Format::CloudEventsStructured),
            (f.cloudevents_binary, Format::CloudEventsBinary),
        ];
        let formats = formats.map(|(weight, format)| {
            sum += u64::from(weight);
            (sum, format)
        });
        Ok(Generator {
            run: (random.next() >> 32) as u32,
            random,
            arrival,
            draw: Draw::new(traces, options.users),
            encoder: MessageEncoder::new(options.schema_id)?,
            memory: Vec::with_capacity(MEMORY),
            formats: formats.to_vec(),
            number: 0,
            options,
        })
    }

    fn time(&self) -> Timestamp {
        match (&self.arrival, self.options.pace) {
            (Some(arrival), _) => arrival.at(self.number),
            (None, Pace::PerSecond(rate)) => self.options.start.plus((self.number as f64 / rate * SECOND_US as f64) as i64),
            (None, Pace::Span(_)) => self.options.start,
        }
    }

    fn remembered(&mut self) -> Option<Fact> {
        (!self.memory.is_empty()).then(|| *self.random.pick(&self.memory))
    }

    fn remember(&mut self, fact: Fact) {
        if self.memory.len() < MEMORY {
            self.memory.push(fact);
        } else {
            self.memory[fact.id.number as usize % MEMORY] = fact;
        }
    }

    fn plan(&mut self, at: Timestamp) -> Plan {
        let id = EventId { run: self.run, number: self.number };
        let shares = self.options.shares;
        let mut roll = self.random.below(1_000_000);
        let mut is = |share: u32| match roll.checked_sub(u64::from(share)) {
            None => {
                // Nothing after it may match.
                roll = u64::MAX;
                true
            }
            Some(rest) => {
                roll = rest;
                false
            }
        };
        let (duplicate, conflict, late, adjustment) = (is(shares.duplicate), is(shares.conflict), is(shares.late), is(shares.adjustment));
        let (future, bad, tombstone) = (is(shares.future), is(shares.malformed), is(shares.tombstone));
        let (unpriced, cost, credit, out_of_order) = (is(shares.unpriced), is(shares.cost), is(shares.credit), is(shares.out_of_order));
        let random = &mut self.random;
        let draw = &self.draw;
        let plan = |fact: Fact, expected| Plan { fact: Some(fact), expected, key: id, encoded: None };
        if bad {
            let (call, cost) = (draw.plain_call(random, id, at), draw.plain_cost(random, id, at));
            let (encoded, reason) = malformed(random, &mut self.encoder, &call, &cost);
            return Plan { fact: None, expected: Expected::Rejected(reason), key: id, encoded: Some(encoded) };
        }
        if tombstone {
            let encoded = Some(Encoded { payload: None, headers: Vec::new() });
            return Plan { fact: None, expected: Expected::Rejected(Reason::Tombstone), key: id, encoded };
        }
        if future {
            let ahead_us = 36 * HOUR_US + random.below(30 * DAY_US as u64).cast_signed();
            // After the end of a span, whenever in it this message is.
            let end = if let Pace::Span(span_us) = self.options.pace { self.options.start.plus(span_us) } else { at };
            return plan(draw.call(random, id, end.plus(ahead_us)), Expected::Rejected(Reason::OccurredAtInFuture));
        }
        if cost || credit {
            let mut fact = draw.cost(random, id, at);
            if credit {
                fact.amount = fact.amount.map(|(value, currency)| (schemas::Money::from_units(-value.units()), currency));
            }
            return plan(fact, Expected::Counted);
        }
        if unpriced {
            return plan(draw.unpriced(random, id, at), Expected::Counted);
        }
        let fresh = draw.call(random, id, at);
        if out_of_order {
            let back_us = if random.below(10) == 0 { 20 * DAY_US } else { 2 * HOUR_US };
            let occurred_at = at.plus(-random.below(back_us.unsigned_abs()).cast_signed());
            return plan(Fact { occurred_at, ..fresh }, Expected::Counted);
        }
        let earlier = if duplicate || conflict || late || adjustment { self.remembered() } else { None };
        // At the very beginning there is nothing to repeat yet.
        let Some(earlier) = earlier else { return plan(fresh, Expected::Counted) };
        if duplicate {
            return Plan { fact: Some(earlier), expected: Expected::Duplicate, key: earlier.id, encoded: None };
        }
        if conflict {
            let fact = self.contradict(earlier);
            return Plan { fact: Some(fact), expected: Expected::Conflict, key: earlier.id, encoded: None };
        }
        if late {
            let back_us = 36 * DAY_US + self.random.below(30 * DAY_US as u64).cast_signed();
            let fact = Fact { occurred_at: earlier.occurred_at.plus(-back_us), ..fresh };
            // That key's partition has counted `earlier`, so it is late there.
            return Plan { fact: Some(fact), expected: Expected::Late, key: earlier.id, encoded: None };
        }
        let is_void = earlier.kind == Kind::Llm && earlier.is_usage_known();
        plan(if is_void { void(earlier, id) } else { fresh }, Expected::Counted)
    }

    /// The same identity with another meaning.
    fn contradict(&mut self, mut fact: Fact) -> Fact {
        match self.random.below(4) {
            0 => fact.occurred_at = fact.occurred_at.plus(-1),
            1 => fact.latency_ms = Some(fact.latency_ms.map_or(7, |ms| ms + 1)),
            2 => fact.team = "another_team",
            _ if fact.has_counts() => fact.tokens.uncached_input += 1,
            _ => fact.amount = fact.amount.map(|(value, currency)| (schemas::Money::from_units(value.units() + 1), currency)),
        }
        fact
    }

    fn format(&mut self) -> Format {
        let total = self.formats.last().map_or(1, |(sum, _)| *sum);
        let roll = self.random.below(total);
        self.formats.iter().find(|(sum, _)| roll < *sum).map_or(Format::Json, |(_, format)| *format)
    }
}

/// The exact negation of a call.
fn void(earlier: Fact, id: EventId) -> Fact {
    let t = earlier.tokens;
    Fact {
        id,
        kind: Kind::Adjustment,
        adjusts: Some(earlier.id),
        tokens: Tokens {
            uncached_input: -t.uncached_input,
            cache_read: -t.cache_read,
            cache_write_5m: -t.cache_write_5m,
            cache_write_1h: -t.cache_write_1h,
            output: -t.output,
            reasoning: -t.reasoning,
        },
        amount: None,
        revenue: earlier.revenue.map(|value| schemas::Money::from_units(-value.units())),
        latency_ms: None,
        note: "",
        ..earlier
    }
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        if self.options.events.is_some_and(|events| self.number >= events) {
            return None;
        }
        let intended_timestamp = self.time();
        let plan = self.plan(intended_timestamp);
        let is_original = plan.expected == Expected::Counted;
        let has_key = !(is_original && self.random.chance(self.options.shares.keyless));
        let encoded = match (plan.encoded, &plan.fact) {
            (Some(encoded), _) => encoded,
            (None, None) => Encoded { payload: None, headers: Vec::new() },
            (None, Some(fact)) => {
                let oddness = self.random.below(20);
                // A void repeats counts that may be inside others under their convention: any spelling does.
                let style = Style { is_verbose: oddness == 0, is_exclusive: oddness == 1 };
                let format = self.format();
                self.encoder.encode(fact, format, style)
            }
        };
        if let Some(fact) = plan.fact.filter(|_| is_original && has_key) {
            self.remember(fact);
        }
        let number = self.number;
        self.number += 1;
        Some(Generated {
            number,
            key: has_key.then(|| plan.key.to_string().into_bytes()),
            payload: encoded.payload,
            headers: encoded.headers,
            intended_timestamp,
            expected: plan.expected,
            fact: plan.fact,
        })
    }
}

const _: () = assert!(MAX_SPAN_US + 20 * DAY_US < 35 * DAY_US);
