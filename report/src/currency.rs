//! Spend in any currency, by the dated rates of the views (`docs/ANALYSTS.md`).

use schemas::Currency;
use serde::Deserialize;

use crate::{Amount, ReadError, Reader, literal};

/// Currencies without a smaller coin (ISO 4217).
const WHOLE: [&str; 16] = ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];

impl Amount {
    /// For people, of a currency: as [`Amount::short`], but no decimals from 1 on where the currency has none.
    pub fn short_in(self, currency: &str) -> String {
        if WHOLE.contains(&currency) && self.0.units().unsigned_abs() >= 10_u128.pow(18) { self.rounded(0) } else { self.short() }
    }
}

/// A grouping set that has one view for each granularity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetView {
    /// Its name, which ends the names of its views.
    pub name: String,
    /// Names of its dimensions.
    pub key: Vec<&'static str>,
}

/// The windows of a grouping set, for behind FROM: `granularity` is `day` or `quarter_hour`. Columns are those of the rollup views as far as a report needs them. In another
/// currency than US dollars every window is converted by the rate at its start; one without a rate is an error of the query, never a smaller sum.
pub(crate) fn windows(set: &SetView, granularity: &str, currency: Currency) -> String {
    if currency == Currency::USD {
        let adverb = if granularity == "day" { "daily" } else { granularity };
        return if set.name == "total" { format!("{adverb}_total") } else { format!("{adverb}_by_{}", set.name) };
    }
    let dimensions: String =
        set.key.iter().zip(["value", "second_value"]).map(|(name, column)| format!("s.{column} AS {name}, ")).collect();
    format!(
        "(SELECT s.window_start AS window_start, {dimensions}s.events AS events, s.calls AS calls, s.errors AS errors, s.unpriced_events AS unpriced_events,
            assumeNotNull(s.cost) AS cost, assumeNotNull(s.revenue) AS revenue
        FROM spend(granularity = '{granularity}', set = {}, currency = '{currency}') AS s
        WHERE throwIf(s.cost IS NULL OR s.revenue IS NULL, 'no exchange rate in force') = 0)",
        literal(&set.name)
    )
}

/// The rates of a currency, for behind ASOF JOIN: `currency`, `valid_from`, `per_usd`.
pub(crate) fn rates(currency: Currency) -> String {
    format!(
        "(SELECT e.currency AS currency, toDateTime(e.valid_from, 'UTC') AS valid_from, e.per_usd AS per_usd FROM exchange_rates AS e WHERE e.currency = '{currency}')"
    )
}

#[derive(Deserialize)]
struct FirstRate {
    known: u64,
    from_s: i64,
    from: String,
}

/// Is there a rate from an instant on (seconds since 1970)?
///
/// # Errors
/// [`ReadError::NoRate`] names the currency, what there is, and the remedy.
pub(crate) fn check_rate(reader: &Reader<'_>, currency: Currency, since_s: i64) -> Result<(), ReadError> {
    let sql = format!(
        "SELECT toUInt64(count()) AS known, toInt64(toUnixTimestamp(toDateTime(min(valid_from), 'UTC'))) AS from_s, formatDateTime(min(valid_from), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS from
        FROM exchange_rates WHERE currency = '{currency}'"
    );
    let first: FirstRate = reader.row("exchange rates", &sql)?;
    match first.known {
        0 => Err(ReadError::NoRate { currency: currency.to_string(), problem: "exchange_rates has none".to_owned() }),
        _ if first.from_s > since_s => {
            let problem = format!("the first one is in force from {}, and amounts from {} on are asked for", first.from, rfc3339(since_s));
            Err(ReadError::NoRate { currency: currency.to_string(), problem })
        }
        _ => Ok(()),
    }
}

fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn won_and_yen_have_no_decimals_but_small_amounts_do_not_become_nothing() {
        let amount = |text: &str| Amount(text.parse().unwrap());
        assert_eq!((amount("1234.5").short_in("KRW"), amount("1235.5").short_in("JPY")), ("1234".to_owned(), "1236".to_owned()));
        assert_eq!((amount("-1234.567").short_in("EUR"), amount("0.25").short_in("KRW")), ("-1234.57".to_owned(), "0.2500".to_owned()));
    }

    #[test]
    fn dollars_are_read_from_the_views_and_other_currencies_window_by_window() {
        let set = |name: &str, key: &[&'static str]| SetView { name: name.to_owned(), key: key.to_vec() };
        assert_eq!(windows(&set("total", &[]), "day", Currency::USD), "daily_total");
        assert_eq!(windows(&set("model", &["provider", "model"]), "quarter_hour", Currency::USD), "quarter_hour_by_model");
        let won = windows(&set("model", &["provider", "model"]), "day", "KRW".parse().unwrap());
        assert!(won.contains("s.value AS provider, s.second_value AS model, ") && won.contains("currency = 'KRW'"), "{won}");
    }

    #[test]
    fn a_rate_that_begins_too_late_is_refused_with_both_times() {
        let reader = |row: &'static str| Reader::new(move |_| Ok(row.to_owned()));
        let ask = |row| check_rate(&reader(row), "KRW".parse().unwrap(), 1_000_000_000).map_err(|error| error.to_string());
        assert_eq!(ask(r#"{"known":1,"from_s":1000000000,"from":"2001-09-09T01:46:40Z"}"#), Ok(()));
        let late = ask(r#"{"known":1,"from_s":1000000001,"from":"2001-09-09T01:46:41Z"}"#).unwrap_err();
        assert!(
            late.starts_with("CR-6004: KRW") && late.contains("from 2001-09-09T01:46:41Z, and amounts from 2001-09-09T01:46:40Z"),
            "{late}"
        );
        assert!(ask(r#"{"known":0,"from_s":0,"from":""}"#).unwrap_err().contains("has none"));
    }
}
