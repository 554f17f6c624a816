//! What a prompt costs on every model of the price book, before it is sent: `cost-rhythm estimate`.
//!
//! The tokens are an estimate ([`tokens`]); what is made of them is exact.

mod text;
mod tokens;

pub use text::terminal;
pub use tokens::tokens;

use schemas::price_book::{PriceBook, STANDARD_TIER, UnitPrices};
use schemas::{Money, Timestamp};
use serde::Serialize;

use crate::Amount;

/// A prompt and how often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptQuestion {
    /// Of the prompt.
    pub input_tokens: u64,
    /// Of every answer; 0: answers are not priced.
    pub output_tokens: u64,
    /// Of this prompt in a month.
    pub calls: u64,
    /// Prices in force at this instant.
    pub at: Timestamp,
}

/// A prompt on every model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromptEstimate {
    /// Format of this document.
    pub format: &'static str,
    /// Estimated.
    pub input_tokens: u64,
    /// As given.
    pub output_tokens: u64,
    /// As given.
    pub calls_per_month: u64,
    /// Of all amounts.
    pub currency: &'static str,
    /// Cheapest call first.
    pub models: Vec<ModelEstimate>,
    /// Models in force that have no price for what is asked.
    pub unpriced: u64,
}

/// A prompt on a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelEstimate {
    /// Whose.
    pub provider: String,
    /// Which.
    pub model: String,
    /// A call that reads nothing from a cache.
    pub call: Amount,
    /// All calls of a month, likewise.
    pub month: Amount,
    /// A call whose prompt is read from the cache as a whole; `None`: the model has no price for it.
    pub cached_call: Option<Amount>,
    /// What a month costs less if the first call writes the cache and all others read it; below zero, it costs more. A bound: caches end after minutes without use.
    pub cache_saving: Option<Amount>,
}

/// Prices the prompt by every model's standard tier; `None` beyond what money can be.
pub fn estimate(book: &PriceBook, question: &PromptQuestion) -> Option<PromptEstimate> {
    let mut models = Vec::new();
    let mut unpriced = 0;
    let is_asked = |entry: &&schemas::price_book::PriceEntry| {
        entry.tier == STANDARD_TIER && entry.from <= question.at && entry.to.is_none_or(|to| question.at < to)
    };
    for entry in book.entries().iter().filter(is_asked) {
        match Prices::of(&entry.unit, question) {
            None => unpriced += 1,
            Some(prices) => models.push(prices.model(&entry.provider, &entry.model, question)?),
        }
    }
    models.sort_by(|one, other| (one.call, &one.provider, &one.model).cmp(&(other.call, &other.provider, &other.model)));
    Some(PromptEstimate {
        format: "cost-rhythm-estimate/1",
        input_tokens: question.input_tokens,
        output_tokens: question.output_tokens,
        calls_per_month: question.calls,
        currency: "USD",
        models,
        unpriced,
    })
}

/// Of one token; the cache's if there is a price for reading it.
struct Prices {
    input: Money,
    output: Money,
    read: Option<Money>,
    write: Money,
}

impl Prices {
    fn of(unit: &UnitPrices, question: &PromptQuestion) -> Option<Self> {
        let input = unit.input?;
        let output = if question.output_tokens == 0 { Money::ZERO } else { unit.output? };
        // Without a price for writing, providers write for the price of input.
        Some(Prices { input, output, read: unit.cache_read, write: unit.cache_write_5m.unwrap_or(input) })
    }

    fn model(&self, provider: &str, model: &str, question: &PromptQuestion) -> Option<ModelEstimate> {
        let (tokens, calls) = (i64::try_from(question.input_tokens).ok()?, i64::try_from(question.calls).ok()?);
        let answer = self.output.checked_mul(i64::try_from(question.output_tokens).ok()?)?;
        let input = self.input.checked_mul(tokens)?;
        let call = input.checked_add(answer)?;
        let cached = match self.read {
            None => None,
            Some(read) => {
                let (read, written) = (read.checked_mul(tokens)?, self.write.checked_mul(tokens)?);
                let reads = input.checked_sub(read)?.checked_mul((calls - 1).max(0))?;
                Some((read.checked_add(answer)?, reads.checked_sub(written.checked_sub(input)?.checked_mul(calls.min(1))?)?))
            }
        };
        Some(ModelEstimate {
            provider: provider.to_owned(),
            model: model.to_owned(),
            call: Amount(call),
            month: Amount(call.checked_mul(calls)?),
            cached_call: cached.map(|(call, _)| Amount(call)),
            cache_saving: cached.map(|(_, saving)| Amount(saving)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = r#"
        [[price]]
        provider = "anthropic"
        model = "haiku"
        per = 1_000_000
        input = "1"
        cache_read = "0.1"
        cache_write_5m = "1.25"
        output = "5"
        from = 2026-01-01T00:00:00Z
        source = "test"
        [[price]]
        provider = "openai"
        model = "small"
        per = 1_000_000
        input = "0.5"
        output = "2"
        from = 2026-01-01T00:00:00Z
        source = "test"
        [[price]]
        provider = "openai"
        model = "embedding"
        per = 1_000_000
        input = "0.02"
        from = 2026-01-01T00:00:00Z
        source = "test"
        [[price]]
        provider = "openai"
        model = "old"
        per = 1_000_000
        input = "0.01"
        output = "0.01"
        from = 2025-01-01T00:00:00Z
        to = 2026-01-01T00:00:00Z
        source = "test"
    "#;

    fn asked(output_tokens: u64, calls: u64) -> PromptEstimate {
        let book = PriceBook::parse_all(&[("prices.toml", BOOK)]).unwrap();
        let at = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
        estimate(&book, &PromptQuestion { input_tokens: 1_000_000, output_tokens, calls, at }).unwrap()
    }

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    #[test]
    fn the_cheapest_model_is_first_and_ended_prices_are_not_there() {
        let names = |found: &PromptEstimate| found.models.iter().map(|model| model.model.clone()).collect::<Vec<_>>();
        assert_eq!(names(&asked(0, 1)), ["embedding", "small", "haiku"]);
        // What has no price for answers cannot answer.
        let answered = asked(1_000_000, 10);
        assert_eq!((names(&answered), answered.unpriced), (vec!["small".to_owned(), "haiku".to_owned()], 1));
        assert_eq!((answered.models[1].call, answered.models[1].month), (amount("6"), amount("60")));
    }

    #[test]
    fn a_cache_saves_from_the_second_call_on_and_its_writing_costs() {
        for (calls, saving) in [(0, "0"), (1, "-0.25"), (2, "0.65"), (10, "7.85")] {
            let haiku = &asked(1_000_000, calls).models[1];
            assert_eq!((haiku.cached_call, haiku.cache_saving), (Some(amount("5.1")), Some(amount(saving))), "{calls}");
        }
        assert_eq!(asked(1, 10).models[0].cache_saving, None);
    }

    #[test]
    fn beyond_money_there_is_no_estimate() {
        let book = PriceBook::parse_all(&[("prices.toml", BOOK)]).unwrap();
        let at = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
        assert_eq!(estimate(&book, &PromptQuestion { input_tokens: u64::MAX, output_tokens: 0, calls: 1, at }), None);
    }
}
