//! Spend, calls, tokens and budgets, under names of their own without the process's prefix.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use schemas::Timestamp;

use crate::stages::budget_figures::BudgetFigures;
use crate::stages::spend_figures::{PairFigures, SpendFigures, TOKEN_BUCKETS, TOKEN_KINDS, TokenUsage};

/// Where the figures come from.
#[derive(Clone)]
pub struct SpendSources {
    /// Of the meters.
    pub spend: SpendFigures,
    /// Of the monitors.
    pub budgets: BudgetFigures,
    /// The time, for what is over.
    pub now: fn() -> Timestamp,
}

/// Asks at every scrape.
pub(super) struct SpendCollector(pub(super) SpendSources);

impl std::fmt::Debug for SpendCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpendCollector")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    provider: String,
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    model: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    provider: String,
    model: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BudgetLabels {
    budget: String,
    scope: String,
}

const COST: &str = "US dollars of calls to models that this process has counted; a gauge, for credits lower it";
const CALLS: &str = "Calls to models that this process has counted";
const TOKENS: &str = "Tokens of a call by kind; a call has no sample of a kind that it did not use";
const PER_HOUR: &str = "US dollars of calls of the last 60 minutes, by event time, that this process has counted";
const BUDGETS: &str = "Spent over limit in the running period, as far as it has changed since the start";

impl Collector for SpendCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let now = (self.0.now)();
        let pairs = self.0.spend.read(now);
        if !pairs.is_empty() {
            encode_pairs(&mut encoder, &pairs)?;
        }
        let budgets = self.0.budgets.read(now);
        if !budgets.is_empty() {
            let mut metric = encoder.encode_descriptor("budget_usage_ratio", BUDGETS, None, MetricType::Gauge)?;
            for figure in budgets {
                metric.encode_family(&BudgetLabels { budget: figure.budget, scope: figure.scope })?.encode_gauge(&figure.ratio)?;
            }
        }
        Ok(())
    }
}

fn encode_pairs(encoder: &mut DescriptorEncoder<'_>, pairs: &[PairFigures]) -> Result<(), std::fmt::Error> {
    let model = |pair: &PairFigures| ModelLabels { provider: pair.provider.clone(), model: pair.model.clone() };
    let dollars = |money: schemas::Money| money.units() as f64 / 1e18;

    let mut cost = encoder.encode_descriptor("llm_total_cost_usd", COST, None, MetricType::Gauge)?;
    pairs.iter().try_for_each(|pair| cost.encode_family(&model(pair))?.encode_gauge(&dollars(pair.usage.cost())))?;

    let mut calls = encoder.encode_descriptor("llm_api_calls", CALLS, None, MetricType::Counter)?;
    for pair in pairs {
        for (status, count) in ["ok", "error"].into_iter().zip(pair.usage.calls) {
            let labels = CallLabels { provider: pair.provider.clone(), model: pair.model.clone(), status };
            calls.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
    }

    let mut tokens = encoder.encode_descriptor("llm_token_usage", TOKENS, None, MetricType::Histogram)?;
    for pair in pairs {
        for (kind, usage) in TOKEN_KINDS.into_iter().zip(&pair.usage.tokens).filter(|(_, usage)| usage.sum > 0) {
            let labels = TokenLabels { provider: pair.provider.clone(), model: pair.model.clone(), kind };
            tokens.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                usage.sum as f64,
                usage.buckets.iter().sum(),
                &buckets(usage),
                None,
            )?;
        }
    }

    let mut per_hour = encoder.encode_descriptor("llm_cost_per_hour_usd", PER_HOUR, None, MetricType::Gauge)?;
    pairs.iter().try_for_each(|pair| per_hour.encode_family(&model(pair))?.encode_gauge(&dollars(pair.last_hour)))
}

/// Upper bounds and counts of each bucket alone, as the encoder wants them; the last bound is infinity.
fn buckets(usage: &TokenUsage) -> Vec<(f64, u64)> {
    let bounds = TOKEN_BUCKETS.iter().map(|bound| *bound as f64).chain([f64::INFINITY]);
    bounds.zip(usage.buckets).collect()
}
