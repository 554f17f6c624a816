//! The rules of an event as a whole: what must be there, what fits together.

use bumpalo::Bump;
use schemas::event::MAX_DIMENSION_BYTES;
use schemas::tokens::{Convention, ReportedTokens};
use schemas::{Amount, Currency, Dimension, Event, Kind, Money, Reason, Tokens};

use super::draft::Draft;
use super::field::{CountField, MoneyField, TextField};
use super::pairs;
use super::refusal::{Refused, about, field};

/// Largest amount in US dollars. Other currencies are checked after conversion, by the meter.
const MAX_USD: Money = Money::from_whole(1_000_000_000);

/// Checks a draft and makes it an event.
pub(super) fn event<'a>(mut draft: Draft<'a>, arena: &'a Bump) -> Result<Event<'a>, Refused> {
    let source = required(&draft, TextField::SOURCE, "source")?;
    let event_id = required(&draft, TextField::EVENT_ID, "event_id")?;
    let kind = kind(&draft)?;
    let occurred_at = draft.occurred_at.ok_or_else(|| {
        about(Reason::MissingField, "occurred_at", "missing, null or empty; send the time of the event, RFC 3339 with an offset")
    })?;
    let amount = match draft.amount {
        Some(value) => {
            let currency = currency(&draft, TextField::CURRENCY, "currency", None)?;
            Some(Amount { value: in_range(value, currency, MoneyField::Amount)?, currency })
        }
        None => None,
    };
    let revenue = match draft.revenue {
        Some(value) => {
            let currency = currency(&draft, TextField::REVENUE_CURRENCY, "revenue_currency", Some(Currency::USD))?;
            Some(Amount { value: in_range(value, currency, MoneyField::Revenue)?, currency })
        }
        None => None,
    };
    let has_counts = draft.counts.iter().any(Option::is_some);
    let adjusts = required_by_kind(&draft, kind, has_counts)?;
    let (tokens, all_given) = tokens(&draft, kind)?;

    pairs::normalise(&mut draft.tags);
    pairs::normalise(&mut draft.attributes);
    pairs::normalise(&mut draft.unknown);
    let mut dimensions = [""; Dimension::COUNT];
    for (cut, text) in dimensions.iter_mut().zip(&draft.texts) {
        *cut = cut_to_limit(text);
    }
    Ok(Event {
        source,
        event_id,
        occurred_at,
        kind,
        adjusts,
        dimensions,
        tokens,
        // A correction names just the counts that it corrects.
        usage_known: if kind == Kind::Adjustment { has_counts } else { all_given },
        amount,
        revenue,
        latency_ms: draft.latency_ms,
        status: draft.text(TextField::STATUS),
        error_type: draft.text(TextField::ERROR_TYPE),
        tags: draft.tags.into_bump_slice(),
        attributes: pairs::merge(arena, draft.attributes, draft.unknown),
    })
}

#[inline]
fn required<'a>(draft: &Draft<'a>, slot: TextField, name: &str) -> Result<&'a str, Refused> {
    match draft.text(slot) {
        "" => Err(about(Reason::MissingField, name, "missing, null or empty; send it with every event of this kind")),
        text => Ok(text),
    }
}

fn kind(draft: &Draft<'_>) -> Result<Kind, Refused> {
    let name = required(draft, TextField::KIND, "kind")?;
    Kind::from_name(name).ok_or_else(|| field(Reason::UnknownKind, "kind", name, "send llm, cost or adjustment"))
}

/// What the kind demands. Gives the id that is adjusted.
fn required_by_kind<'a>(draft: &Draft<'a>, kind: Kind, has_counts: bool) -> Result<&'a str, Refused> {
    let provider_and_model = || {
        required(draft, TextField::of(Dimension::Provider), "provider")?;
        required(draft, TextField::of(Dimension::Model), "model")
    };
    match kind {
        Kind::Llm => {
            provider_and_model()?;
            Ok("")
        }
        Kind::Cost if draft.amount.is_none() => {
            Err(about(Reason::MissingField, "amount", "missing, null or empty; an event of kind cost carries its amount and currency"))
        }
        Kind::Cost => Ok(""),
        Kind::Adjustment => {
            let adjusts = required(draft, TextField::ADJUSTS, "adjusts")?;
            match (draft.amount.is_some(), has_counts) {
                (true, false) => {}
                (false, true) => {
                    provider_and_model()?;
                }
                (true, true) => {
                    let remedy = "both an amount and token counts are given; send one of them, or two adjustments";
                    return Err(about(Reason::InconsistentAdjustment, "adjustment", remedy));
                }
                (false, false) => {
                    let remedy =
                        "neither an amount nor token counts are given; send amount and currency, or provider, model and signed counts";
                    return Err(about(Reason::InconsistentAdjustment, "adjustment", remedy));
                }
            }
            Ok(adjusts)
        }
    }
}

fn currency(draft: &Draft<'_>, slot: TextField, name: &str, default: Option<Currency>) -> Result<Currency, Refused> {
    let text = draft.text(slot);
    match default {
        Some(default) if text.is_empty() => Ok(default),
        None if text.is_empty() => Err(about(Reason::MissingField, name, "missing, null or empty; an amount needs its currency")),
        _ => text.parse().map_err(|error: schemas::currency::CurrencyError| field(Reason::BadCurrency, name, text, &error.to_string())),
    }
}

fn in_range(value: Money, currency: Currency, money: MoneyField) -> Result<Money, Refused> {
    let is_too_large = currency == Currency::USD && value.units().abs() > MAX_USD.units();
    if is_too_large {
        return Err(field(Reason::OutOfRange, money.name(), &value.to_string(), "send an amount of at most 10^9 US dollars"));
    }
    Ok(value)
}

/// The disjoint counts, and whether all are given that a price needs.
fn tokens(draft: &Draft<'_>, kind: Kind) -> Result<(Tokens, bool), Refused> {
    let is_signed = kind == Kind::Adjustment;
    if !is_signed {
        for (index, count) in draft.counts.iter().enumerate() {
            if let Some(count) = count.filter(|count| *count < 0) {
                let remedy = "send a count from 0 to 10^12; only adjustments may be negative";
                return Err(field(Reason::OutOfRange, CountField::name_at(index), &count.to_string(), remedy));
            }
        }
    }
    let provider = draft.text(TextField::of(Dimension::Provider));
    let convention = match draft.text(TextField::CONVENTION) {
        "" => Convention::default_for(provider),
        name => Convention::from_name(name).ok_or_else(|| {
            let remedy = "send inclusive, cache_apart, reasoning_apart or exclusive, or leave it out for the provider's own";
            field(Reason::UnknownTokenConvention, "token_convention", name, remedy)
        })?,
    };
    let reported = ReportedTokens {
        input: draft.count(CountField::Input),
        cache_read: draft.count(CountField::CacheRead).unwrap_or(0),
        cache_write_5m: cache_write_5m(draft)?,
        cache_write_1h: draft.count(CountField::CacheWrite1h).unwrap_or(0),
        output: draft.count(CountField::Output),
        reasoning: draft.count(CountField::Reasoning).unwrap_or(0),
    };
    let tokens = reported.disjoint(convention, is_signed).map_err(|error| {
        let found = format!("{error}: found {reported:?} as {convention:?}; correct the counts or the token_convention");
        about(Reason::InconsistentTokens, "tokens", &found)
    })?;
    let is_embedding =
        ["embedding", "embeddings"].iter().any(|name| draft.text(TextField::of(Dimension::Operation)).eq_ignore_ascii_case(name));
    let all_given = reported.input.is_some() && (reported.output.is_some() || is_embedding);
    Ok((tokens, all_given))
}

/// `cache_write_tokens` alone means 5 minutes; beside the others it must be their sum.
fn cache_write_5m(draft: &Draft<'_>) -> Result<i64, Refused> {
    let (short, long) = (draft.count(CountField::CacheWrite5m), draft.count(CountField::CacheWrite1h));
    match draft.count(CountField::CacheWrite) {
        Some(total) if short.is_none() && long.is_none() => Ok(total),
        Some(total) if total != short.unwrap_or(0) + long.unwrap_or(0) => {
            let remedy = "send the sum of cache_write_5m_tokens and cache_write_1h_tokens, or leave it out";
            Err(field(Reason::InconsistentTokens, CountField::CacheWrite.name(), &total.to_string(), remedy))
        }
        _ => Ok(short.unwrap_or(0)),
    }
}

#[inline]
fn cut_to_limit(text: &str) -> &str {
    if text.len() <= MAX_DIMENSION_BYTES { text } else { &text[..text.floor_char_boundary(MAX_DIMENSION_BYTES)] }
}
