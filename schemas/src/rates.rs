//! Dated exchange rates: how many units of a currency one US dollar buys, from an instant on.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::{Currency, Money, Timestamp};

/// Rates by currency and date. US dollars are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Sorted by currency, then date.
    rates: Vec<Rate>,
}

/// One `[[rate]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rate {
    /// Of which currency.
    pub currency: Currency,
    /// In force from this instant on, until the next one of the currency.
    pub from: Timestamp,
    /// Units per US dollar. More than zero.
    pub per_usd: Money,
}

/// The rate in force at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateVersion {
    /// For [`Rates::get`]; `None` for US dollars, which need no rate.
    pub index: Option<u32>,
    /// Units per US dollar.
    pub per_usd: Money,
}

/// A file of rates is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RatesError {
    /// No TOML, an unknown key, or a missing one; the text shows the line.
    #[error("{file}: {problem}")]
    Syntax {
        /// Name of the file.
        file: String,
        /// The reader's message.
        problem: String,
    },
    /// One rate says something impossible.
    #[error("{file}: rate of {currency}: {problem}")]
    Refused {
        /// Name of the file.
        file: String,
        /// Its currency, as written.
        currency: String,
        /// Key, value and remedy.
        problem: String,
    },
    /// Two rates for one currency and instant.
    #[error("two rates of {0} from {1}: keep one of them")]
    Duplicate(Currency, Timestamp),
}

impl Rates {
    /// Reads files of rates, given as (file name, text); they are one whole.
    ///
    /// # Errors
    /// [`RatesError`] names file, currency, key and remedy.
    pub fn parse_all(files: &[(&str, &str)]) -> Result<Rates, RatesError> {
        let mut rates = Vec::new();
        for (file, text) in files {
            let document: Document = toml::from_str(text)
                .map_err(|error| RatesError::Syntax { file: (*file).to_owned(), problem: error.to_string().trim_end().to_owned() })?;
            for entry in document.rate {
                let rate = entry.check().map_err(|problem| RatesError::Refused {
                    file: (*file).to_owned(),
                    currency: entry.currency.clone(),
                    problem,
                })?;
                rates.push(rate);
            }
        }
        rates.sort_unstable();
        let same = |pair: &&[Rate]| pair[0].currency == pair[1].currency && pair[0].from == pair[1].from;
        match rates.windows(2).find(same) {
            Some(pair) => Err(RatesError::Duplicate(pair[0].currency, pair[0].from)),
            None => Ok(Rates { rates }),
        }
    }

    /// The latest rate that is not after the instant. `None` for an unknown currency, or before its first rate.
    #[inline]
    pub fn version_at(&self, currency: Currency, at: Timestamp) -> Option<RateVersion> {
        if currency == Currency::USD {
            return Some(RateVersion { index: None, per_usd: Money::from_whole(1) });
        }
        let after = self.rates.partition_point(|rate| (rate.currency, rate.from) <= (currency, at));
        let index = after.checked_sub(1)?;
        let rate = self.rates.get(index).filter(|rate| rate.currency == currency)?;
        Some(RateVersion { index: Some(u32::try_from(index).ok()?), per_usd: rate.per_usd })
    }

    /// Is there any rate for the currency, of whatever time?
    pub fn knows(&self, currency: Currency) -> bool {
        currency == Currency::USD || self.rates.iter().any(|rate| rate.currency == currency)
    }

    /// A rate by [`RateVersion::index`].
    pub fn get(&self, index: u32) -> Option<&Rate> {
        self.rates.get(index as usize)
    }

    /// All rates, by currency and date.
    pub fn as_slice(&self) -> &[Rate] {
        &self.rates
    }

    /// An amount of a currency in US dollars by the rate in force at an instant, rounded half even to 18 decimals. `None`
    /// without a rate, or beyond what money can be.
    pub fn to_usd(&self, amount: Money, currency: Currency, at: Timestamp) -> Option<Money> {
        amount.checked_div(self.version_at(currency, at)?.per_usd)
    }

    /// US dollars in a currency by the rate in force at an instant, rounded half even to 18 decimals. `None` without a
    /// rate, or beyond what money can be.
    pub fn from_usd(&self, usd: Money, currency: Currency, at: Timestamp) -> Option<Money> {
        usd.checked_mul_rate(self.version_at(currency, at)?.per_usd)
    }

    /// Changes whenever a rate does; the same for any order and spelling.
    pub fn content_hash(&self) -> u128 {
        let mut bytes = Vec::with_capacity(self.rates.len() * 27);
        for rate in &self.rates {
            bytes.extend_from_slice(rate.currency.as_str().as_bytes());
            bytes.extend_from_slice(&rate.from.micros().to_le_bytes());
            bytes.extend_from_slice(&rate.per_usd.units().to_le_bytes());
        }
        xxh3_128(&bytes)
    }
}

/// A file of rates.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rate: Vec<Entry>,
}

/// `[[rate]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    currency: String,
    per_usd: toml::Value,
    from: toml::Value,
}

impl Entry {
    fn check(&self) -> Result<Rate, String> {
        let currency: Currency = self.currency.parse().map_err(|error| format!("currency: {error}, found {:?}", self.currency))?;
        if currency == Currency::USD {
            return Err("one US dollar is one US dollar: leave this rate out".to_owned());
        }
        let per_usd = decimal_text("per_usd", &self.per_usd)?;
        if per_usd <= Money::ZERO {
            return Err(format!("per_usd: expected more than zero, found {per_usd}"));
        }
        Ok(Rate { currency, from: instant("from", &self.from)?, per_usd })
    }
}

/// Money (or a share) in a TOML file: decimal text. A number is refused, because TOML readers make floating point of it.
pub(crate) fn decimal_text(key: &str, value: &toml::Value) -> Result<Money, String> {
    match value {
        toml::Value::String(text) => Money::parse(text).map_err(|error| format!("{key}: {error}, found {text:?}")),
        toml::Value::Float(_) | toml::Value::Integer(_) => {
            Err(format!("{key}: expected decimal text such as \"12.50\", found the number {value}: put it in quotes"))
        }
        _ => Err(format!("{key}: expected decimal text such as \"12.50\", found {}", value.type_str())),
    }
}

/// An instant in a TOML file: a date-time with an offset, or RFC 3339 text.
pub(crate) fn instant(key: &str, value: &toml::Value) -> Result<Timestamp, String> {
    let text = match value {
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::String(text) => text.clone(),
        _ => return Err(format!("{key}: expected a time such as 2026-01-01T00:00:00Z, found {}", value.type_str())),
    };
    Timestamp::parse(&text).map_err(|error| format!("{key}: {error}, found {text}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KRW: &str = "[[rate]]\ncurrency = \"KRW\"\nper_usd = \"1380.50\"\nfrom = 2026-01-01T00:00:00Z\n";

    fn parse(text: &str) -> Result<Rates, String> {
        Rates::parse_all(&[("rates.toml", text)]).map_err(|error| error.to_string())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_rate_is_in_force_from_its_instant_until_the_next_one() {
        let later = KRW.replace("1380.50", "1400").replace("2026-01-01", "2026-02-01");
        let rates = Rates::parse_all(&[("b", later.as_str()), ("a", KRW)]).unwrap();
        let krw = "krw".parse().unwrap();
        let per_usd = |text| rates.version_at(krw, at(text)).map(|version| version.per_usd.to_string());
        assert_eq!(per_usd("2025-12-31T23:59:59.999999Z"), None);
        assert_eq!(per_usd("2026-01-01T00:00:00Z").as_deref(), Some("1380.5"));
        assert_eq!(per_usd("2026-01-31T23:59:59.999999Z").as_deref(), Some("1380.5"));
        assert_eq!(per_usd("2026-02-01T00:00:00Z").as_deref(), Some("1400"));
        assert_eq!(rates.version_at("JPY".parse().unwrap(), at("2026-02-01T00:00:00Z")), None);
        assert_eq!(rates.version_at("ZZZ".parse().unwrap(), at("2026-02-01T00:00:00Z")), None);
    }

    #[test]
    fn us_dollars_need_no_rate() {
        let version = Rates::default().version_at(Currency::USD, Timestamp::MIN);
        assert_eq!(version, Some(RateVersion { index: None, per_usd: Money::from_whole(1) }));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (from, to, expected) in [
            ("\"1380.50\"", "1380.50", "rate of KRW: per_usd: expected decimal text such as \"12.50\", found the number 1380.5"),
            ("\"1380.50\"", "\"0\"", "rate of KRW: per_usd: expected more than zero"),
            ("\"1380.50\"", "true", "per_usd: expected decimal text such as \"12.50\", found boolean"),
            ("\"KRW\"", "\"won\"", "two"),
            ("\"KRW\"", "\"wons\"", "rate of wons: currency: expected a currency code of three letters"),
            ("\"KRW\"", "\"usd\"", "one US dollar is one US dollar"),
            ("2026-01-01T00:00:00Z", "2026-01-01", "from: expected an RFC 3339 time with an offset"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "from: expected an RFC 3339 time with an offset"),
            ("2026-01-01T00:00:00Z", "12", "from: expected a time such as"),
            ("per_usd", "rate", "unknown field `rate`"),
        ] {
            let text = KRW.replace(from, to);
            let message = parse(&if expected == "two" { text.repeat(2) } else { text }).unwrap_err();
            assert!(message.contains(expected), "{to}: {message}");
        }
    }

    #[test]
    fn the_hash_changes_with_a_rate_and_not_with_its_spelling() {
        let hash = |text: &str| parse(text).unwrap().content_hash();
        assert_eq!(hash(KRW), hash(&KRW.replace("1380.50", "1380.5").replace("2026-01-01T00:00:00Z", "\"2026-01-01T09:00:00+09:00\"")));
        assert_ne!(hash(KRW), hash(&KRW.replace("1380.50", "1380.51")));
    }

    #[test]
    fn the_shipped_rates_cover_2023_and_later() {
        let rates = parse(include_str!("../../prices/rates.toml")).unwrap();
        for (code, per_usd) in [("EUR", "0.92"), ("GBP", "0.79"), ("JPY", "149.5"), ("CNY", "7.24"), ("KRW", "1380.5")] {
            let version = rates.version_at(code.parse().unwrap(), at("2023-01-01T00:00:00Z")).unwrap();
            assert_eq!(version.per_usd.to_string(), per_usd);
        }
    }

    proptest! {
        #[test]
        fn a_lookup_equals_a_search_through_all_rates(
            list in proptest::collection::btree_map((0_usize..3, 0_i64..40), 1_i64..1_000_000, 0..30),
            (code, instant) in (0_usize..4, -1_i64..42),
        ) {
            let codes = ["AAA", "BBB", "CCC", "DDD"].map(|code| code.parse::<Currency>().unwrap());
            let rates = list.iter().map(|((code, from), units)| Rate {
                currency: codes[*code], from: Timestamp::from_micros(*from), per_usd: Money::from_units((*units).into()),
            }).collect();
            let found = Rates { rates }.version_at(codes[code], Timestamp::from_micros(instant)).map(|v| v.per_usd.units());
            let expected = list.iter().filter(|((c, from), _)| *c == code && *from <= instant).max().map(|(_, units)| i128::from(*units));
            prop_assert_eq!(found, expected);
        }
    }
}
