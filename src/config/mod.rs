//! The configuration file: read, checked as a whole before anything starts, every default in `cost-rhythm.toml`.

mod load;
mod sections;
mod secret;

pub use load::{ConfigError, load};
pub use sections::*;
pub use secret::Secret;

use std::path::{Path, PathBuf};

use anyhow::Context;
use schemas::calendar::Calendar;
use schemas::budget::Budget;
use schemas::price_book::PriceBook;
use schemas::rates::Rates;
use schemas::GroupingSet;

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
}

impl Rules {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// Names the file, the key, the value and the remedy.
    pub fn read(config: &Config) -> anyhow::Result<Self> {
        let book = PriceBook::from_toml_files(&texts(config, &config.prices.books)?).context("prices.books")?;
        let rates = Rates::from_toml_files(&texts(config, &config.prices.rates)?).context("prices.rates")?;
        let budgets = Budget::from_toml_files(&texts(config, &config.budgets.files)?).context("budgets.files")?;
        let calendar = Calendar::new(&config.windows.time_zone).with_context(|| format!("windows.time_zone = {:?}", config.windows.time_zone))?;
        let mut sets = config.grouping_sets();
        for budget in &budgets {
            let set = budget.grouping_set(&sets);
            if !sets.iter().any(|known| known.name == set.name) {
                sets.push(GroupingSet { max_series: config.limits.max_series, ..set });
            }
        }
        Ok(Rules { sets, book, rates, budgets, calendar })
    }
}

/// Names and contents of files.
fn texts(config: &Config, files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    files
        .iter()
        .map(|file| {
            let path = config.resolve(file);
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok((path.display().to_string(), text))
        })
        .collect()
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
