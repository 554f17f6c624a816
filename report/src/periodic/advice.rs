//! Recommendations: what is dear by the product's limits, and what could be had for less.

use serde::{Deserialize, Serialize};

use super::{Breakdown, Line};
use crate::Amount;

/// A provider above this on a day is told, US dollars.
pub(super) const PROVIDER_A_DAY: u32 = 50;
/// The average call above this, US dollars.
const CALL: i64 = 1;
/// A call of a task above this, US dollars.
const TASK_CALL: i64 = 2;
/// A budget used less than this is idle, percent.
const IDLE_PERCENT: i128 = 20;
/// So long a cache that is not asked for longer holds what was written or read last (Anthropic, OpenAI: 5 minutes at least).
pub(super) const CACHE_MINUTES: u32 = 5;
/// Of one kind.
const MOST_OF_A_KIND: usize = 10;

/// What should be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// `provider_above_limit`, `call_above_limit`, `task_above_limit`, `cheaper_model`, `cacheable_repeats`, `cacheable_input`, `idle_budget`.
    pub kind: &'static str,
    /// Which provider, task, model or budget.
    pub about: String,
    /// What was found and what to do.
    pub text: String,
    /// The money that it is about.
    pub saving: Amount,
    /// Of that amount.
    pub currency: String,
    /// What the amount is.
    pub saving_is: Saving,
}

/// What an amount of money in advice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Saving {
    /// The same calls at the other model's prices.
    Exact,
    /// What repeats would have cost less from the cache, less what writing the cache costs more.
    FromTheCache,
    /// It cannot be more.
    AtMost,
    /// What was spent beyond the limit.
    AboveLimit,
    /// What may be planned for something else.
    Unused,
}

impl Saving {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Saving::Exact => "saved on the same calls",
            Saving::FromTheCache => "saved if read from the cache",
            Saving::AtMost => "at most",
            Saving::AboveLimit => "above the limit",
            Saving::Unused => "not used",
        }
    }
}

/// Days of a provider above the limit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ProviderDays {
    pub provider: String,
    pub days_above: u64,
    pub above: Amount,
    pub dearest: Amount,
}

/// Input of a model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct CacheUse {
    pub provider: String,
    pub model: String,
    pub uncached: i64,
    pub cached: i64,
}

/// Calls of a model that begin with the same text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct PrefixUse {
    pub provider: String,
    pub model: String,
    /// What producers call that beginning.
    pub prefix: String,
    pub calls: u64,
    /// Of them so soon after another one that a cache would have held it.
    pub repeats: u64,
    /// Its tokens that repeats paid at the full price.
    pub repeated_tokens: i64,
    /// The same of the other calls, which would have written the cache.
    pub written_tokens: i64,
}

/// A beginning of prompts that should be cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub used: PrefixUse,
    pub saving: Amount,
}

/// A model whose input is hardly read from a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cacheable {
    pub used: CacheUse,
    pub at_most: Amount,
}

/// A model that could be a cheaper one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cheaper {
    pub task: String,
    pub model: String,
    pub instead: String,
    pub calls: u64,
    pub cost: Amount,
    pub cost_instead: Amount,
    pub saving: Amount,
}

/// A budget over the periods that lie in the report's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct BudgetUse {
    pub budget: String,
    pub currency: String,
    pub periods: u64,
    pub spent: Amount,
    pub limit: Amount,
}

/// What advice is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub providers: Vec<ProviderDays>,
    pub cheaper: Vec<Cheaper>,
    pub repeats: Vec<Repeated>,
    pub caches: Vec<Cacheable>,
    pub budgets: Vec<BudgetUse>,
}

/// All advice, kind after kind.
pub(super) fn advise(findings: &Findings, total: &Line, breakdowns: &[Breakdown]) -> Vec<Advice> {
    let tasks = breakdowns.iter().filter(|breakdown| breakdown.by == "task").flat_map(|breakdown| &breakdown.lines);
    let mut all: Vec<Advice> = findings.cheaper.iter().take(MOST_OF_A_KIND).map(of_cheaper).collect();
    all.extend(findings.repeats.iter().take(MOST_OF_A_KIND).map(of_repeats));
    all.extend(findings.caches.iter().take(MOST_OF_A_KIND).map(of_cache));
    all.extend(findings.providers.iter().take(MOST_OF_A_KIND).map(of_provider));
    all.extend(above("call_above_limit", "all calls", CALL, total));
    all.extend(tasks.filter_map(|line| above("task_above_limit", name(line), TASK_CALL, line)).take(MOST_OF_A_KIND));
    all.extend(findings.budgets.iter().filter_map(of_budget).take(MOST_OF_A_KIND));
    all
}

fn name(line: &Line) -> &str {
    if line.name.is_empty() { "(not given)" } else { &line.name }
}

fn advice(kind: &'static str, about: &str, text: String, saving: Amount, saving_is: Saving) -> Advice {
    Advice { kind, about: about.to_owned(), text, saving, currency: "USD".to_owned(), saving_is }
}

fn of_cheaper(found: &Cheaper) -> Advice {
    let text = format!(
        "{} calls of {} cost {} USD on {}. {} does the same task and fails no more often: the same tokens cost {} USD there. Try it on a part first.",
        found.calls,
        found.task,
        found.cost.short(),
        found.model,
        found.instead,
        found.cost_instead.short()
    );
    advice("cheaper_model", &format!("{}: {}", found.task, found.model), text, found.saving, Saving::Exact)
}

fn of_repeats(found: &Repeated) -> Advice {
    let used = &found.used;
    let text = format!(
        "{} of {} calls began as one at most {CACHE_MINUTES} minutes before them did, and paid the full price for {} tokens of that beginning. Mark it for the cache.",
        used.repeats, used.calls, used.repeated_tokens
    );
    let about = format!("{} / {}, prefix {}", used.provider, used.model, used.prefix);
    advice("cacheable_repeats", &about, text, found.saving, Saving::FromTheCache)
}

fn of_cache(found: &Cacheable) -> Advice {
    let used = &found.used;
    let all = used.uncached.saturating_add(used.cached).max(1);
    let text = format!(
        "{} input tokens were sent uncached, {:.0} % came from the cache. Put what repeats at the beginning of the prompt and mark it for the cache.",
        used.uncached,
        used.cached as f64 * 100.0 / all as f64
    );
    advice("cacheable_input", &format!("{} / {}", used.provider, used.model), text, found.at_most, Saving::AtMost)
}

fn of_provider(found: &ProviderDays) -> Advice {
    let days = if found.days_above == 1 { "day was" } else { "days were" };
    let text = format!(
        "{} {days} above {PROVIDER_A_DAY} USD, the dearest {} USD. Look at its models and tasks, and give it a budget.",
        found.days_above,
        found.dearest.short()
    );
    advice("provider_above_limit", &found.provider, text, found.above, Saving::AboveLimit)
}

/// An average call above the limit, exactly: cost > limit x calls.
fn above(kind: &'static str, about: &str, limit: i64, line: &Line) -> Option<Advice> {
    let allowed = Amount(schemas::Money::from_whole(limit)).times(i64::try_from(line.calls).ok()?)?;
    if line.calls == 0 || line.cost <= allowed {
        return None;
    }
    let average = line.cost_per_call.unwrap_or_default().short();
    let text = format!(
        "{} calls cost {average} USD on average, more than {limit} USD. Shorter prompts, a smaller model or fewer steps.",
        line.calls
    );
    Some(advice(kind, about, text, line.cost.less(allowed), Saving::AboveLimit))
}

fn of_budget(found: &BudgetUse) -> Option<Advice> {
    if found.spent >= found.limit.share(IDLE_PERCENT, 100) {
        return None;
    }
    let text = format!(
        "{} of {} {} were used in {} periods with spend. Lower it, or plan the rest for something else.",
        found.spent.short_in(&found.currency),
        found.limit.short_in(&found.currency),
        found.currency,
        found.periods
    );
    let unused = found.limit.less(found.spent);
    Some(Advice { currency: found.currency.clone(), ..advice("idle_budget", &found.budget, text, unused, Saving::Unused) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    fn line(name: &str, calls: u64, cost: &str) -> Line {
        Line { name: name.to_owned(), calls, cost: amount(cost), ..Line::default() }.complete()
    }

    #[test]
    fn limits_are_exceeded_not_reached() {
        assert_eq!(above("call_above_limit", "all calls", 1, &line("", 10, "10")), None);
        let found = above("call_above_limit", "all calls", 1, &line("", 10, "10.000000000000000001")).unwrap();
        assert_eq!(found.saving.to_string(), "0.000000000000000001");
        assert_eq!(above("call_above_limit", "all calls", 1, &line("", 0, "10")), None);
    }

    #[test]
    fn a_budget_is_idle_below_a_fifth() {
        let used = |spent: &str| BudgetUse {
            budget: "b".to_owned(),
            currency: "KRW".to_owned(),
            periods: 1,
            spent: amount(spent),
            limit: amount("500"),
        };
        assert_eq!(of_budget(&used("100")), None);
        let idle = of_budget(&used("99.99")).unwrap();
        assert_eq!((idle.saving.to_string(), idle.currency.as_str()), ("400.01".to_owned(), "KRW"));
    }
}
