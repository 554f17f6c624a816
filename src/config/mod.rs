//! The configuration file: read, checked as a whole before anything starts, every default in `cost-rhythm.toml`.

mod load;
mod sections;

pub use load::{ConfigError, from_text, load};
pub use sections::*;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use processor::meter::MeterRules;
use processor::pricing::Pricer;
use schemas::GroupingSet;
use schemas::budget::Budget;
use schemas::calendar::Calendar;
use schemas::notes::Notes;
use schemas::price_book::PriceBook;
use schemas::rates::Rates;
use xxhash_rust::xxh3::xxh3_128;

/// In the unit of event time; what is longer than that can count is for ever.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Everything that the fold's results depend on, read and checked.
pub struct Rules {
    /// All sets that cells are kept by: the configured ones and those that budgets need.
    pub sets: Vec<GroupingSet>,
    /// Prices.
    pub book: PriceBook,
    /// Exchange rates.
    pub rates: Rates,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// Business time zone.
    pub calendar: Calendar,
    /// Silences and feedback.
    pub notes: Notes,
}

impl Rules {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// Names the file, the key, the value and the remedy.
    pub fn read(config: &Config) -> anyhow::Result<Self> {
        let book = PriceBook::parse_all(&pairs(&texts(config, "prices.books", &config.prices.books)?)).context("prices.books")?;
        let rates = Rates::parse_all(&pairs(&texts(config, "prices.rates", &config.prices.rates)?)).context("prices.rates")?;
        let budgets = Budget::parse_all(&pairs(&texts(config, "budgets.files", &config.budgets.files)?)).context("budgets.files")?;
        if let Some(budget) = budgets.iter().find(|budget| !rates.knows(budget.currency)) {
            let (name, currency) = (&budget.name, budget.currency);
            anyhow::bail!("CR-3003: budget {name:?}: currency = {currency}: there is no rate for it: add one to a file of prices.rates");
        }
        let calendar =
            Calendar::new(&config.windows.time_zone).with_context(|| format!("windows.time_zone = {:?}", config.windows.time_zone))?;
        let mut sets = config.grouping_sets();
        for budget in &budgets {
            let set = budget.grouping_set(&sets);
            if !sets.iter().any(|known| known.name == set.name) {
                sets.push(GroupingSet { max_series: config.limits.max_series, ..set });
            }
        }
        let notes = Notes::parse_all(&pairs(&texts(config, "notes.files", &config.notes.files)?)).context("notes.files")?;
        let watch = config.watch.rules(&notes.feedback);
        let is_judged = |budget: &Budget| watch.rhythm && watch.watches(&budget.grouping_set(&sets));
        if let Some(budget) = budgets.iter().find(|budget| !budget.projected.is_empty() && !is_judged(budget)) {
            let (name, set) = (&budget.name, budget.grouping_set(&sets).name);
            anyhow::bail!(
                "CR-3003: budget {name:?}: projected: its spend is counted in grouping set {set:?}, which is not watched: take `projected` away, or see watch.enabled, watch.rhythm and watch.except"
            );
        }
        Ok(Rules { sets, book, rates, budgets, calendar, notes })
    }
}

impl Rules {
    /// The texts of all price and rate files, for an independent reader.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn price_texts(config: &Config) -> anyhow::Result<Vec<String>> {
        let (books, rates) = (texts(config, "prices.books", &config.prices.books)?, texts(config, "prices.rates", &config.prices.rates)?);
        Ok(books.into_iter().chain(rates).map(|(_, text)| text).collect())
    }

    /// Hash of what a meter's results depend on.
    pub fn meter_hash(&self, rules: &MeterRules, pricer: &Pricer) -> String {
        format!("{:032x}", xxh3_128(format!("{rules:?} {:032x}", pricer.rules_hash()).as_bytes()))
    }

    /// Hash of what a monitor's rows depend on. Budgets are not part of it: they may change at any time.
    pub fn monitor_hash(&self, retain_us: i64) -> String {
        let sets: Vec<&GroupingSet> = self.sets.iter().filter(|set| set.is_published()).collect();
        format!("{:032x}", xxh3_128(format!("{sets:?} {} {retain_us}", self.calendar.zone_name()).as_bytes()))
    }
}

fn pairs(texts: &[(String, String)]) -> Vec<(&str, &str)> {
    texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// Names and contents of files; a file that is not there is looked for among those that the program carries.
fn texts(config: &Config, key: &'static str, files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    files
        .iter()
        .map(|file| {
            let path = config.resolve(file);
            match (std::fs::read_to_string(&path), shipped(file)) {
                (Ok(text), _) => Ok((path.display().to_string(), text)),
                (Err(error), Some(text)) if error.kind() == std::io::ErrorKind::NotFound => {
                    Ok((format!("{} (shipped)", file.display()), text.to_owned()))
                }
                (Err(reason), _) => Err(ConfigError::Unreadable { key, path, reason }.into()),
            }
        })
        .collect()
}

/// The files that come with the program, so that it runs without any beside it.
fn shipped(file: &Path) -> Option<&'static str> {
    Some(match file.to_str()? {
        "prices/public.toml" => include_str!("../../prices/public.toml"),
        "prices/rates.toml" => include_str!("../../prices/rates.toml"),
        "budgets/llm_platform.toml" => include_str!("../../budgets/llm_platform.toml"),
        "budgets/cloud_platform.toml" => include_str!("../../budgets/cloud_platform.toml"),
        "budgets/saas_krw.toml" => include_str!("../../budgets/saas_krw.toml"),
        "budgets/canary.toml" => include_str!("../../budgets/canary.toml"),
        "budgets/demo.toml" => include_str!("../../budgets/demo.toml"),
        _ => return None,
    })
}

impl Config {
    /// A path of the file, relative to the file.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base_dir.join(path)
    }

    /// The configured grouping sets, or the twelve defaults.
    pub fn grouping_sets(&self) -> Vec<GroupingSet> {
        let sets = match &self.grouping_set {
            sets if sets.is_empty() => GroupingSet::defaults(),
            sets => sets.iter().map(|set| GroupingSet::new(&set.name, &set.key)).collect(),
        };
        sets.into_iter().map(|set| GroupingSet { max_series: self.limits.max_series, ..set }).collect()
    }
}
