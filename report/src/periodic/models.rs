//! What the same calls would have cost on another model, and what caches could save: exact, by the price book at the period's end.

use schemas::price_book::{PriceBook, STANDARD_TIER, UnitPrices};
use schemas::{Money, Timestamp};
use serde::Deserialize;

use super::advice::{CacheUse, Cacheable, Cheaper, PrefixUse, Repeated};
use crate::Amount;

/// Calls of a model on a task, so that a failure rate says something.
const ENOUGH_CALLS: u64 = 20;
/// A cheaper model may fail so much more often and still count as good enough.
const FAILURE_MARGIN: f64 = 0.02;
/// Less is not worth a sentence, US dollars.
const WORTH_SAYING: i64 = 1;
/// Part of the cost that a change of model must save, in percent.
const WORTH_CHANGING_PERCENT: i128 = 10;
/// Uncached input of a model from which on caches are looked at.
const MUCH_INPUT: i64 = 1_000_000;

/// A model on a task.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct TaskModel {
    pub task: String,
    pub provider: String,
    pub model: String,
    pub calls: u64,
    pub errors: u64,
    /// Uncached input, cache read, written for 5 minutes, for an hour, output, reasoning.
    pub tokens: [i64; 6],
    pub cost: Amount,
}

impl TaskModel {
    fn failure_rate(&self) -> f64 {
        self.errors as f64 / self.calls.max(1) as f64
    }
}

fn prices(book: &PriceBook, provider: &str, model: &str, end_s: i64) -> Option<UnitPrices> {
    let last = Timestamp::from_micros(end_s.checked_mul(1_000_000)? - 1);
    book.in_force_at(provider, model, STANDARD_TIER, last).map(|version| version.unit)
}

/// What tokens cost at these prices; `None` if one of them is missing. Reasoning without a price costs as output.
fn cost_of(tokens: &[i64; 6], unit: &UnitPrices) -> Option<Amount> {
    let units = [unit.input, unit.cache_read, unit.cache_write_5m, unit.cache_write_1h, unit.output, unit.reasoning.or(unit.output)];
    let mut sum = Money::ZERO;
    for (count, price) in tokens.iter().zip(units).filter(|(count, _)| **count != 0) {
        sum = sum.checked_add(price?.checked_mul(*count)?)?;
    }
    Some(Amount(sum))
}

/// For each model on a task the cheapest other model that does the same task already and fails no more often; dearest first.
pub(super) fn cheaper(used: &[TaskModel], book: &PriceBook, end_s: i64) -> Vec<Cheaper> {
    let enough: Vec<&TaskModel> = used.iter().filter(|used| used.calls >= ENOUGH_CALLS).collect();
    let mut found: Vec<Cheaper> = enough.iter().filter_map(|dear| cheapest_instead(dear, &enough, book, end_s)).collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.saving));
    found
}

fn cheapest_instead(dear: &TaskModel, enough: &[&TaskModel], book: &PriceBook, end_s: i64) -> Option<Cheaper> {
    let others = enough.iter().filter(|other| other.task == dear.task && (&other.provider, &other.model) != (&dear.provider, &dear.model));
    let as_good = others.filter(|other| other.failure_rate() <= dear.failure_rate() + FAILURE_MARGIN);
    let priced = as_good.filter_map(|other| Some((cost_of(&dear.tokens, &prices(book, &other.provider, &other.model, end_s)?)?, other)));
    let (cost, instead) = priced.min_by_key(|(cost, _)| *cost)?;
    let saving = dear.cost.less(cost);
    let is_worth =
        saving.0 >= Money::from_whole(WORTH_SAYING) && saving.0.units() >= dear.cost.share(WORTH_CHANGING_PERCENT, 100).0.units();
    is_worth.then(|| Cheaper {
        task: dear.task.clone(),
        model: format!("{} / {}", dear.provider, dear.model),
        instead: format!("{} / {}", instead.provider, instead.model),
        calls: dear.calls,
        cost: dear.cost,
        cost_instead: cost,
        saving,
    })
}

/// What repeats of a prompt's beginning would have cost less from the cache, less what writing it costs more than sending it. A model whose cache is written without a
/// price of its own (OpenAI, Google) costs nothing more.
pub(super) fn repeated(used: &[PrefixUse], book: &PriceBook, end_s: i64) -> Vec<Repeated> {
    let mut found: Vec<Repeated> = used.iter().filter_map(|used| saved_by_cache(used, book, end_s)).collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.saving));
    found
}

fn saved_by_cache(used: &PrefixUse, book: &PriceBook, end_s: i64) -> Option<Repeated> {
    let unit = prices(book, &used.provider, &used.model, end_s)?;
    let input = unit.input?;
    let read = input.checked_sub(unit.cache_read?)?.checked_mul(used.repeated_tokens)?;
    let written = unit.cache_write_5m.map_or(Some(Money::ZERO), |write| write.checked_sub(input)?.checked_mul(used.written_tokens))?;
    let saving = Amount(read.checked_sub(written)?);
    (saving.0 >= Money::from_whole(WORTH_SAYING)).then(|| Repeated { used: used.clone(), saving })
}

/// What the uncached input of each model would have cost less if all of it had been read from the cache: a bound.
pub(super) fn cacheable(used: &[CacheUse], book: &PriceBook, end_s: i64) -> Vec<Cacheable> {
    let mut found: Vec<Cacheable> = used.iter().filter_map(|used| bound(used, book, end_s)).collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.at_most));
    found
}

fn bound(used: &CacheUse, book: &PriceBook, end_s: i64) -> Option<Cacheable> {
    if used.uncached < MUCH_INPUT || used.cached > used.uncached {
        return None;
    }
    let unit = prices(book, &used.provider, &used.model, end_s)?;
    let less = unit.input?.checked_sub(unit.cache_read?)?;
    let at_most = Amount(less.checked_mul(used.uncached)?);
    (at_most.0 >= Money::from_whole(WORTH_SAYING)).then(|| Cacheable { used: used.clone(), at_most })
}

#[cfg(test)]
mod tests {
    use super::*;

    const END_S: i64 = 1_796_083_200; // 2026-12-01

    fn book() -> PriceBook {
        let price = |model: &str, input: &str, output: &str, more: &str| {
            format!(
                "[[price]]\nprovider = \"p\"\nmodel = \"{model}\"\nper = 1_000_000\ninput = \"{input}\"\noutput = \"{output}\"\nfrom = 2026-01-01T00:00:00Z\nsource = \"s\"\n{more}\n"
            )
        };
        let text = price("dear", "10", "30", "cache_read = \"1\"")
            + &price("cheap", "1", "3", "cache_read = \"0.1\"")
            + &price("bare", "0.1", "0.3", "");
        PriceBook::parse_all(&[("p", &text)]).unwrap()
    }

    fn on(model: &str, errors: u64, cost: &str) -> TaskModel {
        TaskModel {
            task: "tutor".to_owned(),
            provider: "p".to_owned(),
            model: model.to_owned(),
            calls: 100,
            errors,
            tokens: [1_000_000, 500_000, 0, 0, 100_000, 10_000],
            cost: Amount(cost.parse().unwrap()),
        }
    }

    #[test]
    fn the_same_tokens_are_priced_on_the_cheaper_model_of_the_task() {
        let found = cheaper(&[on("dear", 2, "13.8"), on("cheap", 3, "1.38"), on("bare", 0, "0.2")], &book(), END_S);
        // 1 + 0.05 + 0.3 + 0.03; `bare` has no price for what was read from the cache.
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].instead.as_str(), found[0].cost_instead.to_string(), found[0].saving.to_string()),
            ("p / cheap", "1.38".to_owned(), "12.42".to_owned())
        );
    }

    #[test]
    fn a_model_that_fails_more_often_or_was_hardly_tried_is_not_recommended() {
        assert_eq!(cheaper(&[on("dear", 2, "13.8"), on("cheap", 9, "1.38")], &book(), END_S), []);
        assert_eq!(cheaper(&[on("dear", 2, "13.8"), TaskModel { calls: 19, ..on("cheap", 0, "1.38") }], &book(), END_S), []);
        assert_eq!(cheaper(&[on("dear", 2, "13.8"), TaskModel { task: "other".to_owned(), ..on("cheap", 0, "1.38") }], &book(), END_S), []);
    }

    #[test]
    fn repeats_save_what_reading_costs_less_and_pay_what_writing_costs_more() {
        let writing = "[[price]]\nprovider = \"p\"\nmodel = \"written\"\nper = 1_000_000\ninput = \"10\"\ncache_read = \"1\"\ncache_write_5m = \"12.5\"\nfrom = 2026-01-01T00:00:00Z\nsource = \"s\"\n";
        let plain = "[[price]]\nprovider = \"p\"\nmodel = \"plain\"\nper = 1_000_000\ninput = \"10\"\ncache_read = \"5\"\nfrom = 2026-01-01T00:00:00Z\nsource = \"s\"\n";
        let book = PriceBook::parse_all(&[("p", &format!("{writing}{plain}"))]).unwrap();
        let used = |model: &str, repeated_tokens, written_tokens| PrefixUse {
            provider: "p".to_owned(),
            model: model.to_owned(),
            prefix: "x".to_owned(),
            calls: 9,
            repeats: 8,
            repeated_tokens,
            written_tokens,
        };
        let found = repeated(
            &[
                used("written", 1_000_000, 400_000),
                used("plain", 1_000_000, 400_000),
                used("written", 400_000, 1_200_000),
                used("none", 9_000_000, 0),
            ],
            &book,
            END_S,
        );
        // 9 x 1 - 2.5 x 0.4, 5 x 1; the third would save 3.6 and pay 3.
        let savings: Vec<String> = found.iter().map(|found| found.saving.to_string()).collect();
        assert_eq!(savings, ["8", "5"]);
    }

    #[test]
    fn caches_are_a_bound_for_models_that_hardly_use_them() {
        let used = |model: &str, uncached, cached| CacheUse { provider: "p".to_owned(), model: model.to_owned(), uncached, cached };
        let found = cacheable(
            &[used("dear", 2_000_000, 5), used("cheap", 999_999, 0), used("bare", 9_000_000, 0), used("dear", 3_000_000, 4_000_000)],
            &book(),
            END_S,
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].at_most.to_string(), "18");
    }
}
