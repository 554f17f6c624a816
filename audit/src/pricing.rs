//! What an event costs and earns.

use crate::price_book::{PriceBook, UnitPrices};
use crate::tokens::Tokens;
use crate::{Decimal, Event, Kind, Rejection};

/// Largest amount after conversion, US dollars.
const MAX_USD: i64 = 1_000_000_000;

/// In US dollars; no cost is "unpriced".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) cost: Option<Decimal>,
    pub(crate) revenue: Decimal,
}

/// Prices an event. `reported_first`: an amount that the event reports goes before the book.
pub(crate) fn price(event: &Event, book: &PriceBook, reported_first: bool) -> Result<Price, Rejection> {
    let convert = |money: &Option<(Decimal, String)>, name: &str| {
        let Some((value, currency)) = money else { return Ok(None) };
        let usd = book.in_usd(value, currency, event.occurred_at_us);
        let limited = usd.as_ref().unwrap_or(value);
        if limited.magnitude() > limit(usd.is_some()) {
            return Err(Rejection::new("out_of_range", format!("{name} {value} {currency}")));
        }
        Ok(usd)
    };
    let reported = convert(&event.amount, "amount")?;
    let revenue = convert(&event.revenue, "revenue")?.unwrap_or_default();
    let by_book = || {
        let prices = book.prices(event.dimension("provider"), event.dimension("model"), event.dimension("tier"), event.occurred_at_us)?;
        if event.usage_known { from_prices(&event.tokens, prices) } else { None }
    };
    let cost = match event.kind {
        Kind::Cost => reported,
        Kind::Adjustment if event.amount.is_some() => reported,
        Kind::Adjustment => by_book(),
        Kind::Llm if reported_first => reported.or_else(by_book),
        Kind::Llm => by_book().or(reported),
    };
    match cost {
        Some(cost) if cost.magnitude() > limit(true) => Err(Rejection::new("out_of_range", format!("cost {cost} USD"))),
        cost => Ok(Price { cost, revenue }),
    }
}

/// Without a rate only the width of money itself limits an amount.
fn limit(is_converted: bool) -> Decimal {
    Decimal::whole(MAX_USD).times(if is_converted { 1 } else { 100_000_000_000 })
}

fn from_prices(tokens: &Tokens, prices: &UnitPrices) -> Option<Decimal> {
    let buckets = [
        (tokens.uncached_input, &prices.input),
        (tokens.cache_read, &prices.cache_read),
        (tokens.cache_write_5m, &prices.cache_write_5m),
        (tokens.cache_write_1h, &prices.cache_write_1h),
        (tokens.output, &prices.output),
        (tokens.reasoning, if prices.reasoning.is_some() { &prices.reasoning } else { &prices.output }),
    ];
    let mut sum = Decimal::default();
    for (count, unit) in buckets {
        if count != 0 {
            sum += &unit.as_ref()?.times(count);
        }
    }
    Some(sum)
}
