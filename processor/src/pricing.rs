//! What an event costs: by the price book at its event time, or by the amount it carries.
//!
//! A pure function of event, book, rates and preference; nothing is remembered. Counts times unit prices are exact;
//! a conversion is rounded once, half even, to 18 decimals. What cannot be priced is a state of its own, never a cost of 0.

use std::sync::Arc;

use schemas::event::Amount;
use schemas::measures::Priced;
use schemas::price_book::{PriceBook, PriceVersion, UnitPrices, in_force_at, rules_hash};
use schemas::rates::Rates;
pub use schemas::rollup::CostStatus;
use schemas::{Event, Kind, Money, Reason, Rejection, Tokens};

/// Most that one event may cost, be credited or earn.
pub const MAX_USD: Money = Money::from_whole(1_000_000_000);

/// Whose cost counts when a call has both a price in the book and an amount of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// The price book's.
    #[default]
    Book,
    /// The producer's.
    Reported,
}

/// Where the prices of a provider, model and tier stand in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PriceSlot(u32);

impl PriceSlot {
    /// The book does not know the model, or not on this tier.
    pub const UNKNOWN: PriceSlot = PriceSlot(u32::MAX);
}

/// What the cost was worked out with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionRef {
    /// An entry of the price book.
    Price(u32),
    /// A dated exchange rate.
    Rate(u32),
}

/// An event's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedEvent {
    /// Cost and revenue in US dollars.
    pub priced: Priced,
    /// Where the cost comes from.
    pub status: CostStatus,
    /// What it was worked out with; `None` when unpriced, or an amount in US dollars.
    pub price_version: Option<VersionRef>,
    /// The event has a revenue in a currency without a rate: it counts 0.
    pub revenue_without_rate: bool,
}

/// Prices events. Cheap to clone; pricing allocates nothing (a refusal does).
#[derive(Clone, Debug)]
pub struct Pricer {
    book: Arc<PriceBook>,
    rates: Arc<Rates>,
    prefer: Prefer,
}

/// A cost in US dollars and what it was worked out with.
type Cost = (Money, Option<VersionRef>);

impl Pricer {
    /// By these rules.
    pub fn new(book: Arc<PriceBook>, rates: Arc<Rates>, prefer: Prefer) -> Self {
        Pricer { book, rates, prefer }
    }

    /// With an empty book and no rates: only amounts in US dollars have a cost.
    pub fn without_prices() -> Self {
        Pricer::new(Arc::default(), Arc::default(), Prefer::default())
    }

    /// Changes whenever the price of some event may.
    pub fn rules_hash(&self) -> u128 {
        rules_hash(&self.book, &self.rates) ^ (self.prefer as u128)
    }

    /// Finds the prices of a model on a tier (empty: the standard one). Allocates: ask once per triple and keep the answer.
    pub fn resolve(&self, provider: &str, model: &str, tier: &str) -> PriceSlot {
        self.book.list_of(provider, model, tier).map_or(PriceSlot::UNKNOWN, PriceSlot)
    }

    /// The event's money; `slot` is that of its provider, model and tier.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] for a cost or revenue beyond [`MAX_USD`].
    #[inline]
    pub fn price(&self, slot: PriceSlot, event: &Event<'_>) -> Result<PricedEvent, Rejection> {
        let amount = match event.amount {
            None => None,
            Some(amount) => self.in_usd("amount", amount, event)?,
        };
        let (cost, status) = match event.kind {
            Kind::Cost => (amount, CostStatus::Amount),
            Kind::Adjustment if event.amount.is_some() => (amount, CostStatus::Amount),
            Kind::Adjustment => (self.by_book(slot, event)?, CostStatus::Priced),
            Kind::Llm if self.prefer == Prefer::Reported && amount.is_some() => (amount, CostStatus::Reported),
            Kind::Llm => match self.by_book(slot, event)? {
                None => (amount, CostStatus::Reported),
                by_book => (by_book, CostStatus::Priced),
            },
        };
        let revenue = match event.revenue {
            None => Some((Money::ZERO, None)),
            Some(revenue) => self.in_usd("revenue", revenue, event)?,
        };
        Ok(PricedEvent {
            priced: Priced {
                cost: cost.map_or(Money::ZERO, |(money, _)| money),
                revenue: revenue.map_or(Money::ZERO, |(money, _)| money),
                unpriced: cost.is_none(),
            },
            status: if cost.is_some() { status } else { CostStatus::Unpriced },
            price_version: cost.and_then(|(_, version)| version),
            revenue_without_rate: revenue.is_none(),
        })
    }

    /// The stable text of a version: the entry's id, or `KRW@2026-01-01T00:00:00.000000Z`.
    pub fn version_text(&self, version: VersionRef) -> String {
        match version {
            VersionRef::Price(entry) => self.book.entry(entry).map(|entry| entry.id.clone()),
            VersionRef::Rate(index) => self.rates.get(index).map(|rate| format!("{}@{}", rate.currency, rate.from)),
        }
        .unwrap_or_default()
    }

    /// `None`: no version in force, usage not known, or a bucket with tokens and no price.
    #[inline]
    fn by_book(&self, slot: PriceSlot, event: &Event<'_>) -> Result<Option<Cost>, Rejection> {
        if !event.usage_known {
            return Ok(None);
        }
        let Some(version) = in_force_at(self.book.list(slot.0), event.occurred_at) else { return Ok(None) };
        match sum_of_buckets(&version.unit, &event.tokens) {
            BucketSum::NoPrice => Ok(None),
            BucketSum::Exact(cost) if is_acceptable(cost) => Ok(Some((cost, Some(VersionRef::Price(version.entry))))),
            _ => Err(too_dear(version, event)),
        }
    }

    /// An amount in US dollars; `None` without a rate.
    fn in_usd(&self, field: &str, amount: Amount, event: &Event<'_>) -> Result<Option<Cost>, Rejection> {
        let Some(rate) = self.rates.version_at(amount.currency, event.occurred_at) else { return Ok(None) };
        let converted = match rate.index {
            None => Some(amount.value),
            Some(_) => amount.value.checked_div(rate.per_usd),
        };
        match converted.filter(|usd| is_acceptable(*usd)) {
            Some(usd) => Ok(Some((usd, rate.index.map(VersionRef::Rate)))),
            None => Err(Rejection::new(
                Reason::OutOfRange,
                format!("{field}: {} {} is beyond ±{MAX_USD} USD: check unit and currency", amount.value, amount.currency),
            )),
        }
    }
}

/// What the buckets of an event cost together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BucketSum {
    Exact(Money),
    /// A bucket has tokens and no price.
    NoPrice,
    /// Beyond 128 bits.
    Overflow,
}

#[inline]
fn sum_of_buckets(unit: &UnitPrices, tokens: &Tokens) -> BucketSum {
    let buckets = [
        (tokens.uncached_input, unit.input),
        (tokens.cache_read, unit.cache_read),
        (tokens.cache_write_5m, unit.cache_write_5m),
        (tokens.cache_write_1h, unit.cache_write_1h),
        (tokens.output, unit.output),
        // Providers bill reasoning as output unless they say otherwise.
        (tokens.reasoning, unit.reasoning.or(unit.output)),
    ];
    let mut sum = Money::ZERO;
    for (count, price) in buckets {
        if count == 0 {
            continue;
        }
        let Some(price) = price else { return BucketSum::NoPrice };
        match product(price, count).and_then(|cost| sum.checked_add(cost)) {
            Some(next) => sum = next,
            None => return BucketSum::Overflow,
        }
    }
    BucketSum::Exact(sum)
}

/// Price times count. Every real price is below 9 USD per token and so fits 64 bits, where the product cannot overflow and is
/// many times faster than a checked one of 128 bits.
#[inline]
fn product(price: Money, count: i64) -> Option<Money> {
    match i64::try_from(price.units()) {
        Ok(units) => Some(Money::from_units(i128::from(units) * i128::from(count))),
        Err(_) => price.checked_mul(count),
    }
}

#[inline]
fn is_acceptable(usd: Money) -> bool {
    usd.units().unsigned_abs() <= MAX_USD.units().unsigned_abs()
}

#[cold]
fn too_dear(version: &PriceVersion, event: &Event<'_>) -> Rejection {
    Rejection::new(
        Reason::OutOfRange,
        format!(
            "tokens: {:?} cost more than {MAX_USD} USD by entry {} of the price book: check the counts, and the price's `per`",
            event.tokens, version.entry
        ),
    )
}

#[cfg(test)]
mod tests;
