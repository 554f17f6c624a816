//! Draws the facts of ordinary events: calls to models and cloud cost lines.

use schemas::{Kind, Money, Timestamp, Tokens};

use crate::catalog::{
    CURRENCIES, CURRENCY_WITHOUT_RATE, EMBEDDING_MODEL, ENVIRONMENTS, MODELS, Model, NOTES, PLAIN_MODEL, REGIONS, SERVICES, UNPRICED_MODEL,
    WORKLOADS,
};
use crate::random::Random;
use crate::trace::Traces;
use crate::zipf::Zipf;
use crate::{EventId, Fact};

/// Draws.
#[derive(Debug)]
pub(crate) struct Draw {
    traces: Traces,
    users: Zipf,
}

/// Failures of calls, of 1000: status and kind of error.
const FAILURES: [(u64, &str, &str); 3] = [(6, "error", "overloaded"), (9, "timeout", "deadline"), (10, "aborted", "client_closed")];

impl Draw {
    pub(crate) fn new(traces: Traces, users: u32) -> Self {
        Draw { traces, users: Zipf::new(users) }
    }

    /// A call with a price and usage.
    pub(crate) fn call(&self, random: &mut Random, id: EventId, at: Timestamp) -> Fact {
        let workload = random.pick(&WORKLOADS);
        let is_embedding = workload.operation == "embeddings";
        let model = if is_embedding { &EMBEDDING_MODEL } else { weighted(random) };
        let request = *random.pick(self.traces.requests(workload.origin));
        let tokens =
            if is_embedding { Tokens { uncached_input: request.input, ..Tokens::default() } } else { split(random, request, model) };
        // About a tenth of a millisecond a token in and 15 ms a token out, give or take a half.
        let usual_ms = 120 + request.input.unsigned_abs() / 10 + tokens.output.unsigned_abs() * 15;
        let failure = FAILURES.iter().find(|(limit, ..)| random.below(1000) < *limit && !is_embedding);
        Fact {
            id,
            source: workload.source,
            occurred_at: at,
            kind: Kind::Llm,
            adjusts: None,
            provider: model.provider,
            model: model.name,
            service: "",
            operation: workload.operation,
            route: workload.route,
            feature: workload.feature,
            task_type: workload.task_type,
            user: Some(self.users.rank(random)),
            team: workload.team,
            project: workload.project,
            environment: one_of(random, &ENVIRONMENTS),
            cost_center: workload.cost_center,
            owner: workload.owner,
            region: one_of(random, &REGIONS),
            // Only these have batch prices.
            is_batch: model.name == "claude-haiku-4-5" && random.chance(50_000),
            tokens,
            output_given: !is_embedding,
            amount: None,
            revenue: random.chance(300_000).then(|| Money::from_units(i128::from(random.below(50_000)) * 10_i128.pow(12))),
            latency_ms: Some(usual_ms / 2 + random.below(usual_ms)),
            status: failure.map_or("ok", |(_, status, _)| *status),
            error_type: failure.map_or("", |(_, _, error)| *error),
            note: if random.chance(20_000) { one_of(random, &NOTES) } else { "" },
        }
    }

    /// A call that counts but has no price.
    pub(crate) fn unpriced(&self, random: &mut Random, id: EventId, at: Timestamp) -> Fact {
        let mut fact = self.call(random, id, at);
        match random.below(3) {
            0 => (fact.provider, fact.model, fact.is_batch) = (UNPRICED_MODEL.provider, UNPRICED_MODEL.name, false),
            1 => {
                fact = self.cost(random, id, at);
                fact.amount = fact.amount.map(|(value, _)| (value, CURRENCY_WITHOUT_RATE));
            }
            // Embeddings need no output, so their operation goes too.
            _ => {
                (fact.output_given, fact.operation) = (false, "chat");
                (fact.tokens.output, fact.tokens.reasoning) = (0, 0);
            }
        }
        fact
    }

    /// A cloud cost line.
    pub(crate) fn cost(&self, random: &mut Random, id: EventId, at: Timestamp) -> Fact {
        let workload = random.pick(&WORKLOADS);
        let pick = |roll: u64, weights: &mut dyn Iterator<Item = u64>| {
            let sums = weights.scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            });
            sums.take_while(|sum| *sum <= roll).count()
        };
        let (service, _, thousandths) = SERVICES[pick(random.below(100), &mut SERVICES.iter().map(|s| s.1)).min(SERVICES.len() - 1)];
        let (currency, _, rate) = CURRENCIES[pick(random.below(100), &mut CURRENCIES.iter().map(|c| c.1)).min(CURRENCIES.len() - 1)];
        // Bills have up to ten decimals.
        let micros = thousandths * 1000 * rate / 100;
        let amount = i128::from(random.below(2 * micros)) * 10_i128.pow(12) + i128::from(random.below(10_000)) * 10_i128.pow(8);
        Fact {
            id,
            source: "cloud-bill",
            occurred_at: at,
            kind: Kind::Cost,
            adjusts: None,
            provider: "aws",
            model: "",
            service,
            operation: "",
            route: "",
            feature: "",
            task_type: "",
            user: None,
            team: workload.team,
            project: workload.project,
            environment: one_of(random, &ENVIRONMENTS),
            cost_center: workload.cost_center,
            owner: workload.owner,
            region: one_of(random, &REGIONS),
            is_batch: false,
            tokens: Tokens::default(),
            output_given: false,
            amount: Some((Money::from_units(amount), currency)),
            revenue: None,
            latency_ms: None,
            status: "",
            error_type: "",
            note: "",
        }
    }

    /// A call whose parts lie inside their wholes, for one fault to break, without text that a cut could split.
    pub(crate) fn plain_call(&self, random: &mut Random, id: EventId, at: Timestamp) -> Fact {
        let mut fact = self.call(random, id, at);
        (fact.provider, fact.model, fact.is_batch, fact.note) = (PLAIN_MODEL.provider, PLAIN_MODEL.name, false, "");
        (fact.output_given, fact.operation) = (true, "chat");
        fact
    }

    /// A cost line in US dollars, for one fault to break.
    pub(crate) fn plain_cost(&self, random: &mut Random, id: EventId, at: Timestamp) -> Fact {
        let mut fact = self.cost(random, id, at);
        fact.amount = fact.amount.map(|(value, _)| (value, "USD"));
        fact
    }
}

fn one_of(random: &mut Random, texts: &[&'static str]) -> &'static str {
    random.pick::<&'static str>(texts)
}

fn weighted(random: &mut Random) -> &'static Model {
    let mut roll = random.below(100);
    for model in &MODELS {
        if roll < model.weight {
            return model;
        }
        roll -= model.weight;
    }
    &MODELS[0]
}

/// Disjoint counts of a request as this model would report them.
fn split(random: &mut Random, request: crate::trace::Request, model: &Model) -> Tokens {
    let cached = if model.has_cache { request.cached } else { 0 };
    // What is new in the prompt is written to the cache by one call in four with a cache, for an hour by one in sixteen.
    let fresh = request.input - cached;
    let written = if cached > 0 && model.provider == "anthropic" && random.below(4) == 0 { fresh * 3 / 4 } else { 0 };
    let is_long = random.below(4) == 0;
    let reasoning =
        if model.has_reasoning && random.below(2) == 0 { random.below(request.output.unsigned_abs() / 2 + 1).cast_signed() } else { 0 };
    Tokens {
        uncached_input: fresh - written,
        cache_read: cached,
        cache_write_5m: if is_long { 0 } else { written },
        cache_write_1h: if is_long { written } else { 0 },
        output: request.output - reasoning,
        reasoning,
    }
}
