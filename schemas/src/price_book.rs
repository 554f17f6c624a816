//! The price book: what a token of each kind costs, by provider, model and tier, and from when to when.
//!
//! It is read from one or more TOML files (`price_book/document.rs`). A unit price is an exact number of 10^-18 US dollars
//! per token, so that counts times prices need no rounding. Names are looked up in lower case (ASCII) and through aliases.

mod document;

use std::collections::HashMap;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

pub use self::document::{MAX_PER, PriceBookError};
use crate::rates::Rates;
use crate::{Money, Timestamp};

/// The tier of an event that names none.
pub const STANDARD_TIER: &str = "standard";

/// Prices of one token of each kind, in US dollars; `None`: no price is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct UnitPrices {
    /// Input outside caches.
    pub input: Option<Money>,
    /// Input read from a cache.
    pub cache_read: Option<Money>,
    /// Input written to a cache that lives 5 minutes.
    pub cache_write_5m: Option<Money>,
    /// Input written to a cache that lives an hour.
    pub cache_write_1h: Option<Money>,
    /// Output without reasoning.
    pub output: Option<Money>,
    /// Reasoning.
    pub reasoning: Option<Money>,
}

/// One `[[price]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceEntry {
    /// Sixteen hex digits: a hash of all that this entry says about prices (not of its aliases and source).
    pub id: String,
    /// Lower case.
    pub provider: String,
    /// Lower case.
    pub model: String,
    /// Other names of the model; lower case, sorted.
    pub aliases: Vec<String>,
    /// Lower case.
    pub tier: String,
    /// Per token.
    pub unit: UnitPrices,
    /// In force from this instant on,
    pub from: Timestamp,
    /// and no longer from this one on.
    pub to: Option<Timestamp>,
    /// Where the prices were found.
    pub source: String,
}

/// Prices in force from `from` (inclusive) to `to` (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceVersion {
    /// For [`PriceBook::entry`].
    pub entry: u32,
    /// First instant in force.
    pub from: Timestamp,
    /// First instant no longer in force.
    pub to: Option<Timestamp>,
    /// Per token.
    pub unit: UnitPrices,
}

impl PriceVersion {
    /// Is it in force at the instant?
    #[inline]
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// All prices. The same content in any order, spelling and division into files makes the same book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    /// Sorted by provider, model, tier, date.
    entries: Vec<PriceEntry>,
    /// Versions by list number, each list sorted by `from`, without overlaps.
    lists: Vec<Vec<PriceVersion>>,
    /// (provider, model or alias, tier) to list number.
    names: HashMap<[String; 3], u32>,
}

impl PriceBook {
    /// Reads price files, given as (file name, text); they are one whole.
    ///
    /// ```
    /// let book = schemas::price_book::PriceBook::parse_all(&[("prices.toml", r#"
    ///     [[price]]
    ///     provider = "anthropic"
    ///     model = "claude-haiku-4-5"
    ///     per = 1_000_000
    ///     input = "1.00"
    ///     output = "5.00"
    ///     from = 2025-10-15T00:00:00Z
    ///     source = "provider price page"
    /// "#)])?;
    /// let now = schemas::Timestamp::parse("2026-11-22T00:00:00Z")?;
    /// let price = book.in_force_at("Anthropic", "Claude-Haiku-4-5", "", now).unwrap();
    /// assert_eq!(price.unit.input.unwrap().to_string(), "0.000001");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PriceBookError`] names file, price, key and remedy.
    pub fn parse_all(files: &[(&str, &str)]) -> Result<PriceBook, PriceBookError> {
        PriceBook::of(document::parse(files)?)
    }

    fn of(mut entries: Vec<PriceEntry>) -> Result<PriceBook, PriceBookError> {
        let key = |e: &PriceEntry| (e.provider.clone(), e.model.clone(), e.tier.clone(), e.from);
        entries.sort_by_cached_key(key);
        let mut book = PriceBook::default();
        for (number, entry) in (0_u32..).zip(&entries) {
            let version = PriceVersion { entry: number, from: entry.from, to: entry.to, unit: entry.unit };
            for name in std::iter::once(&entry.model).chain(&entry.aliases) {
                let next = book.lists.len() as u32;
                let list = *book.names.entry([entry.provider.clone(), name.clone(), entry.tier.clone()]).or_insert(next);
                if list == next {
                    book.lists.push(Vec::new());
                }
                book.lists[list as usize].push(version);
            }
        }
        for (name, list) in &book.names {
            let versions = &mut book.lists[*list as usize];
            versions.sort_by_key(|version| version.from);
            for pair in versions.windows(2) {
                if pair[0].to.is_none_or(|to| pair[1].from < to) {
                    let described = |version: &PriceVersion| document::describe(&entries[version.entry as usize]);
                    return Err(PriceBookError::Overlap { name: name.join(" / "), one: described(&pair[0]), other: described(&pair[1]) });
                }
            }
        }
        book.entries = entries;
        Ok(book)
    }

    /// Number of the list of versions of a model (or alias) on a tier; an empty tier is the standard one. Allocates.
    pub fn list_of(&self, provider: &str, model: &str, tier: &str) -> Option<u32> {
        let tier = if tier.is_empty() { STANDARD_TIER } else { tier };
        self.names.get(&[provider, model, tier].map(str::to_ascii_lowercase)).copied()
    }

    /// The versions of a list, by date.
    #[inline]
    pub fn list(&self, number: u32) -> &[PriceVersion] {
        self.lists.get(number as usize).map_or(&[], Vec::as_slice)
    }

    /// The versions of a model (or alias) on a tier, by date; none when the book does not know it.
    pub fn versions(&self, provider: &str, model: &str, tier: &str) -> &[PriceVersion] {
        self.list_of(provider, model, tier).map_or(&[], |number| self.list(number))
    }

    /// The version in force at an instant.
    pub fn in_force_at(&self, provider: &str, model: &str, tier: &str, at: Timestamp) -> Option<&PriceVersion> {
        in_force_at(self.versions(provider, model, tier), at)
    }

    /// An entry by [`PriceVersion::entry`].
    pub fn entry(&self, number: u32) -> Option<&PriceEntry> {
        self.entries.get(number as usize)
    }

    /// All entries, by provider, model, tier and date.
    pub fn entries(&self) -> &[PriceEntry] {
        &self.entries
    }

    /// Changes whenever the price of some event may; not with order, spelling, comments and sources.
    pub fn content_hash(&self) -> u128 {
        let mut bytes = Vec::new();
        for entry in &self.entries {
            entry.put_price(&mut bytes);
            bytes.extend_from_slice(&(entry.aliases.len() as u64).to_le_bytes());
            for alias in &entry.aliases {
                put_text(&mut bytes, alias);
            }
        }
        xxh3_128(&bytes)
    }
}

/// The version of a list (sorted, without overlaps) in force at an instant. The newest is looked at first.
#[inline]
pub fn in_force_at(versions: &[PriceVersion], at: Timestamp) -> Option<&PriceVersion> {
    versions.iter().rev().find(|version| version.from <= at).filter(|version| version.holds_at(at))
}

/// Of a price book and rates together: what a snapshot's numbers are a function of.
pub fn rules_hash(book: &PriceBook, rates: &Rates) -> u128 {
    let mut bytes = [0_u8; 32];
    bytes[..16].copy_from_slice(&book.content_hash().to_le_bytes());
    bytes[16..].copy_from_slice(&rates.content_hash().to_le_bytes());
    xxh3_128(&bytes)
}

impl PriceEntry {
    /// Sets `id` from the rest.
    fn with_id(mut self) -> Self {
        let mut bytes = Vec::new();
        self.put_price(&mut bytes);
        self.id = format!("{:016x}", xxh3_64(&bytes));
        self
    }

    fn put_price(&self, out: &mut Vec<u8>) {
        for text in [&self.provider, &self.model, &self.tier] {
            put_text(out, text);
        }
        out.extend_from_slice(&self.from.micros().to_le_bytes());
        out.extend_from_slice(&self.to.map_or(i64::MAX, Timestamp::micros).to_le_bytes());
        let unit = &self.unit;
        for price in [unit.input, unit.cache_read, unit.cache_write_5m, unit.cache_write_1h, unit.output, unit.reasoning] {
            // No price is negative, so -1 is none.
            out.extend_from_slice(&price.map_or(-1, Money::units).to_le_bytes());
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
