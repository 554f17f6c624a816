//! Prices and exchange rates, read from TOML by ourselves.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::value::Datetime;

use crate::{AuditError, Decimal};

/// Unit prices in US dollars per token; `None` is "no price", never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitPrices {
    pub(crate) input: Option<Decimal>,
    pub(crate) cache_read: Option<Decimal>,
    pub(crate) cache_write_5m: Option<Decimal>,
    pub(crate) cache_write_1h: Option<Decimal>,
    pub(crate) output: Option<Decimal>,
    pub(crate) reasoning: Option<Decimal>,
}

#[derive(Clone, Debug)]
struct Version {
    from_us: i64,
    to_us: Option<i64>,
    prices: UnitPrices,
}

/// Provider, model or alias, tier.
type Key = (String, String, String);

/// All prices and rates.
#[derive(Debug, Default)]
pub(crate) struct PriceBook {
    versions: BTreeMap<Key, Vec<Version>>,
    /// By currency, each from an instant on.
    rates: BTreeMap<String, BTreeMap<i64, Decimal>>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    price: Vec<PriceEntry>,
    #[serde(default)]
    rate: Vec<RateEntry>,
}

#[derive(Deserialize)]
struct PriceEntry {
    provider: String,
    model: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    tier: Option<String>,
    per: i64,
    input: Option<String>,
    cache_read: Option<String>,
    cache_write_5m: Option<String>,
    cache_write_1h: Option<String>,
    output: Option<String>,
    reasoning: Option<String>,
    from: Datetime,
    to: Option<Datetime>,
}

#[derive(Deserialize)]
struct RateEntry {
    currency: String,
    per_usd: String,
    from: Datetime,
}

impl PriceBook {
    /// Adds what one file holds.
    pub(crate) fn add_toml(&mut self, text: &str) -> Result<(), AuditError> {
        let file: File = toml::from_str(text).map_err(|e| AuditError::PriceBook(e.to_string()))?;
        for entry in file.price {
            self.add_price(&entry)?;
        }
        for entry in file.rate {
            let per_usd =
                Decimal::from_text(&entry.per_usd).map_err(|e| AuditError::PriceBook(format!("per_usd {:?}: {e}", entry.per_usd)))?;
            self.rates.entry(entry.currency.to_ascii_uppercase()).or_default().insert(micros(&entry.from)?, per_usd);
        }
        Ok(())
    }

    fn add_price(&mut self, entry: &PriceEntry) -> Result<(), AuditError> {
        let unit = |price: &Option<String>| {
            let Some(text) = price else { return Ok(None) };
            let value = Decimal::from_text(text).map_err(|e| AuditError::PriceBook(format!("{} {text:?}: {e}", entry.model)))?;
            let unit = value.exactly_over(entry.per);
            unit.map(Some).ok_or_else(|| AuditError::PriceBook(format!("{} {text} per {}: finer than 10^-18", entry.model, entry.per)))
        };
        let prices = UnitPrices {
            input: unit(&entry.input)?,
            cache_read: unit(&entry.cache_read)?,
            cache_write_5m: unit(&entry.cache_write_5m)?,
            cache_write_1h: unit(&entry.cache_write_1h)?,
            output: unit(&entry.output)?,
            reasoning: unit(&entry.reasoning)?,
        };
        let (provider, model) = (entry.provider.to_lowercase(), entry.model.to_lowercase());
        let tier = entry.tier.clone().unwrap_or_else(|| "standard".to_owned());
        let version = Version { from_us: micros(&entry.from)?, to_us: entry.to.as_ref().map(micros).transpose()?, prices };
        // An alias stands for the entries that name it, not for the model's other versions and tiers.
        let names: BTreeSet<String> = entry.aliases.iter().map(|alias| alias.to_lowercase()).chain([model]).collect();
        for name in names {
            self.versions.entry((provider.clone(), name, tier.clone())).or_default().push(version.clone());
        }
        Ok(())
    }

    /// The prices in force, `from` inclusive, `to` exclusive.
    pub(crate) fn prices(&self, provider: &str, model: &str, tier: &str, at_us: i64) -> Option<&UnitPrices> {
        let (provider, model) = (provider.to_lowercase(), model.to_lowercase());
        let tier = if tier.is_empty() { "standard" } else { tier }.to_owned();
        let versions = self.versions.get(&(provider, model, tier))?;
        versions.iter().find(|v| v.from_us <= at_us && v.to_us.is_none_or(|to_us| at_us < to_us)).map(|v| &v.prices)
    }

    /// As US dollars by the latest rate not after the instant; `None` without a rate.
    pub(crate) fn in_usd(&self, value: &Decimal, currency: &str, at_us: i64) -> Option<Decimal> {
        if currency == "USD" {
            return Some(value.clone());
        }
        let (_, rate) = self.rates.get(currency)?.range(..=at_us).next_back()?;
        value.over(rate)
    }
}

fn micros(time: &Datetime) -> Result<i64, AuditError> {
    let text = time.to_string();
    let instant: jiff::Timestamp = text.parse().map_err(|_| AuditError::PriceBook(format!("from or to {text}: expected an offset")))?;
    Ok(instant.as_microsecond())
}
