//! Price files as written, and everything that is refused in them.

use serde::Deserialize;

use super::{PriceEntry, STANDARD_TIER, UnitPrices};
use crate::rates::{decimal_text, instant};
use crate::{Money, Timestamp};

/// Most tokens that a price may be for.
pub const MAX_PER: i64 = 1_000_000_000_000;
/// Highest price of a token, in US dollars: far above all prices, and low enough that no event's cost overflows.
const MAX_UNIT_PRICE: Money = Money::from_whole(1_000_000);

/// A price book is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceBookError {
    /// No TOML, an unknown key, or a missing one; the text shows the line.
    #[error("{file}: {problem}")]
    Syntax {
        /// Name of the file.
        file: String,
        /// The reader's message.
        problem: String,
    },
    /// One price says something impossible.
    #[error("{file}: price of {price}: {problem}")]
    Refused {
        /// Name of the file.
        file: String,
        /// Provider, model and tier.
        price: String,
        /// Key, value and remedy.
        problem: String,
    },
    /// Two prices for one name, tier and instant.
    #[error("two prices of {name} are in force at once: {one}, and {other}; let the first end (`to`) where the second begins")]
    Overlap {
        /// Provider, model or alias, and tier.
        name: String,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
}

/// Provider, model, tier, interval and source of an entry.
pub(super) fn describe(entry: &PriceEntry) -> String {
    let to = entry.to.map_or_else(|| "further notice".to_owned(), |to| to.to_string());
    format!("{} / {} / {} from {} to {to} ({})", entry.provider, entry.model, entry.tier, entry.from, entry.source)
}

/// Reads (file name, text) pairs.
pub(super) fn parse(files: &[(&str, &str)]) -> Result<Vec<PriceEntry>, PriceBookError> {
    let mut entries = Vec::new();
    for (file, text) in files {
        let document: Document = toml::from_str(text)
            .map_err(|error| PriceBookError::Syntax { file: (*file).to_owned(), problem: error.to_string().trim_end().to_owned() })?;
        for price in document.price {
            let entry = price.check().map_err(|problem| PriceBookError::Refused {
                file: (*file).to_owned(),
                price: format!("{} / {} / {}", price.provider, price.model, price.tier()),
                problem,
            })?;
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// A price file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    price: Vec<Price>,
}

/// `[[price]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    provider: String,
    model: String,
    #[serde(default)]
    aliases: Vec<String>,
    tier: Option<String>,
    /// Explicit, never guessed.
    per: i64,
    input: Option<toml::Value>,
    cache_read: Option<toml::Value>,
    cache_write_5m: Option<toml::Value>,
    cache_write_1h: Option<toml::Value>,
    output: Option<toml::Value>,
    reasoning: Option<toml::Value>,
    from: toml::Value,
    to: Option<toml::Value>,
    source: String,
}

impl Price {
    fn tier(&self) -> &str {
        self.tier.as_deref().unwrap_or(STANDARD_TIER)
    }

    fn check(&self) -> Result<PriceEntry, String> {
        for (key, name) in [("provider", &self.provider), ("model", &self.model)] {
            if name.is_empty() {
                return Err(format!("{key}: expected a name, found nothing"));
            }
        }
        if self.tier().is_empty() {
            return Err("tier: expected a name, found nothing; leave it out for the standard tier".to_owned());
        }
        if !(1..=MAX_PER).contains(&self.per) {
            return Err(format!("per: expected 1 to {MAX_PER} tokens, found {}", self.per));
        }
        let from = instant("from", &self.from)?;
        let to = self.to.as_ref().map(|value| instant("to", value)).transpose()?;
        if to.is_some_and(|to| to <= from) {
            return Err(format!("to: expected an instant after from ({from}), found {}", to.unwrap_or(Timestamp::MIN)));
        }
        let entry = PriceEntry {
            id: String::new(),
            provider: self.provider.to_ascii_lowercase(),
            model: self.model.to_ascii_lowercase(),
            aliases: self.aliases()?,
            tier: self.tier().to_ascii_lowercase(),
            unit: self.unit_prices()?,
            from,
            to,
            source: self.source.clone(),
        };
        Ok(entry.with_id())
    }

    /// Lower case, sorted, each once, without the model's own name.
    fn aliases(&self) -> Result<Vec<String>, String> {
        if self.aliases.iter().any(String::is_empty) {
            return Err("aliases: expected names, found an empty one".to_owned());
        }
        let mut aliases: Vec<String> = self.aliases.iter().map(|alias| alias.to_ascii_lowercase()).collect();
        aliases.retain(|alias| !alias.eq_ignore_ascii_case(&self.model));
        aliases.sort_unstable();
        aliases.dedup();
        Ok(aliases)
    }

    fn unit_prices(&self) -> Result<UnitPrices, String> {
        let unit = UnitPrices {
            input: self.unit_price("input", &self.input)?,
            cache_read: self.unit_price("cache_read", &self.cache_read)?,
            cache_write_5m: self.unit_price("cache_write_5m", &self.cache_write_5m)?,
            cache_write_1h: self.unit_price("cache_write_1h", &self.cache_write_1h)?,
            output: self.unit_price("output", &self.output)?,
            reasoning: self.unit_price("reasoning", &self.reasoning)?,
        };
        if unit == UnitPrices::default() {
            return Err("expected at least one of input, cache_read, cache_write_5m, cache_write_1h, output, reasoning".to_owned());
        }
        Ok(unit)
    }

    fn unit_price(&self, key: &str, value: &Option<toml::Value>) -> Result<Option<Money>, String> {
        let Some(value) = value else { return Ok(None) };
        let price = decimal_text(key, value)?;
        if price.is_negative() {
            return Err(format!("{key}: expected zero or more, found {price}"));
        }
        let per = i128::from(self.per);
        if price.units() % per != 0 {
            return Err(format!("{key}: {price} for {per} tokens is finer than 10^-18 USD per token"));
        }
        let unit_price = Money::from_units(price.units() / per);
        if unit_price > MAX_UNIT_PRICE {
            return Err(format!("{key}: expected at most {MAX_UNIT_PRICE} USD per token, found {unit_price}"));
        }
        Ok(Some(unit_price))
    }
}
