//! The demo's planned incident: an agent that calls a dear model in a loop, each call with all that was said before.

use schemas::timestamp::{HOUR_US, MINUTE_US, SECOND_US};
use schemas::{Kind, Timestamp, Tokens};

use crate::catalog::WORKLOADS;
use crate::message_encoder::{Format, MessageEncoder};
use crate::random::Random;
use crate::spelling::Style;
use crate::{EventId, Expected, Fact, GenerateError, Generated};

/// The feature whose agent it is.
pub const FEATURE: &str = "code_review";
/// Of the model that it calls.
pub const PROVIDER: &str = "anthropic";
/// What it calls. In `prices/public.toml`.
pub const MODEL: &str = "claude-3-opus";
/// Whose agent it is: a user who does little else.
const USER: u32 = 1_404;

/// The hour of the end of the history less so many hours is that in which the agent begins: it has been quiet long enough before the end to be told as resolved.
const BEGINS_BEFORE_H: i64 = 7;
/// Within that hour, so that a limit is reached in a running hour.
const BEGINS_AFTER_US: i64 = 10 * MINUTE_US;
/// How long it runs until somebody stops it.
const RUNS_US: i64 = 2 * HOUR_US + 10 * MINUTE_US;
/// A call takes about so long.
const CALL_US: i64 = 40 * SECOND_US;
/// Tokens of the first call.
const FIRST_INPUT: i64 = 8_000;
/// What each call adds to the next one's input.
const GROWTH: i64 = 2_500;
/// When the context is full, it begins again.
const FULL: i64 = 190_000;

/// The calls of the agent, in order of time; a function of end and seed.
#[derive(Debug)]
pub struct Incident {
    start: Timestamp,
    end: Timestamp,
    run: u32,
    number: u64,
    at: Timestamp,
    input: i64,
    random: Random,
    encoder: MessageEncoder,
}

impl Incident {
    /// That of the history which ends at `end`.
    ///
    /// # Errors
    /// [`GenerateError`]
    pub fn before(end: Timestamp, seed: u64) -> Result<Self, GenerateError> {
        let start = end.plus(-end.micros().rem_euclid(HOUR_US) - BEGINS_BEFORE_H * HOUR_US + BEGINS_AFTER_US);
        // Its ids are others than those of the history of the same seed.
        let mut random = Random::new(seed.rotate_left(32) ^ 0x00A6_E170);
        Ok(Incident {
            start,
            end: start.plus(RUNS_US),
            run: (random.next() >> 32) as u32,
            number: 0,
            at: start,
            input: FIRST_INPUT,
            random,
            encoder: MessageEncoder::new(0)?,
        })
    }

    /// Event time of the first call.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Event time from which on there are no calls: it was stopped.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// All of its event ids begin with this, and no others do.
    pub fn id_prefix(&self) -> String {
        format!("{:08x}-", self.run)
    }

    fn call(&mut self) -> Fact {
        // One of the catalogue, so the pipeline knows its scopes already.
        let workload = WORKLOADS.iter().find(|workload| workload.feature == FEATURE).unwrap_or(&WORKLOADS[0]);
        let output = 400 + self.random.below(800).cast_signed();
        let fact = Fact {
            id: EventId { run: self.run, number: self.number },
            source: workload.source,
            occurred_at: self.at,
            kind: Kind::Llm,
            adjusts: None,
            provider: PROVIDER,
            model: MODEL,
            service: "",
            operation: workload.operation,
            route: workload.route,
            feature: workload.feature,
            task_type: workload.task_type,
            user: Some(USER),
            team: workload.team,
            project: workload.project,
            environment: "production",
            cost_center: workload.cost_center,
            owner: workload.owner,
            region: "eu-central-1",
            is_batch: false,
            tokens: Tokens { uncached_input: self.input, output, ..Tokens::default() },
            output_given: true,
            amount: None,
            revenue: None,
            latency_ms: Some(5_000 + output.unsigned_abs() * 20),
            status: "ok",
            error_type: "",
            note: "",
        };
        self.input = if self.input + GROWTH > FULL { FIRST_INPUT } else { self.input + GROWTH };
        fact
    }
}

impl Iterator for Incident {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        if self.at >= self.end {
            return None;
        }
        let fact = self.call();
        let encoded = self.encoder.encode(&fact, Format::Json, Style::default());
        let (number, intended_timestamp) = (self.number, self.at);
        self.number += 1;
        self.at = self.at.plus(CALL_US / 2 + self.random.below(CALL_US as u64).cast_signed());
        Some(Generated {
            number,
            key: Some(fact.id.to_string().into_bytes()),
            payload: encoded.payload,
            headers: encoded.headers,
            intended_timestamp,
            expected: Expected::Counted,
            fact: Some(fact),
        })
    }
}
