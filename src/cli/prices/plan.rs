//! What an import changes in the price book, before anything is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemas::price_book::{PriceBook, PriceEntry, UnitPrices};
use schemas::{Money, Timestamp};

use super::litellm::{Bucket, Import, Name};

/// A version that is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewVersion {
    pub provider: String,
    pub model: String,
    pub tier: String,
    pub aliases: Vec<String>,
    pub unit: UnitPrices,
    /// Id of the version that ends where this one begins.
    pub ends: Option<String>,
    /// What was in force.
    pub before: Option<UnitPrices>,
}

/// All changes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub versions: Vec<NewVersion>,
    /// Prices that are in the book already.
    pub unchanged: usize,
    /// What is not done, and why.
    pub left_out: BTreeMap<String, BTreeSet<String>>,
}

/// Compares an import with the book. New versions are in force from `from` on. `known_only`: nothing that the book does not know is added.
pub(super) fn plan(book: &PriceBook, import: Import, from: Timestamp, known_only: bool) -> Plan {
    let mut plan = Plan { left_out: import.left_out, ..Plan::default() };
    // By the version in force, for an import may name a model and its aliases.
    let mut replaced: BTreeMap<u32, Vec<(Name, UnitPrices)>> = BTreeMap::new();
    for (name, unit) in import.prices {
        let (provider, model, tier) = &name;
        let versions = book.versions(provider, model, tier);
        let shown = format!("{provider} / {model} / {tier}");
        match book.in_force_at(provider, model, tier, from) {
            Some(version) if version.to.is_some() || version.from == from => {
                plan.leave_out("the version in force then begins at that instant or has an end already: edit the file", shown);
            }
            Some(version) => replaced.entry(version.entry).or_default().push((name, unit)),
            None if !versions.is_empty() => plan.leave_out("the book has versions, and none is in force then: edit the file", shown),
            None if known_only => plan.leave_out("not in the book (--known)", shown),
            None => {
                let (provider, model, tier) = name;
                plan.versions.push(NewVersion { provider, model, tier, aliases: Vec::new(), unit, ends: None, before: None });
            }
        }
    }
    for (entry, named) in replaced {
        if let Some(entry) = book.entry(entry) {
            plan.replace(entry, &named);
        }
    }
    plan.versions.sort_by(|a, b| (&a.provider, &a.model, &a.tier).cmp(&(&b.provider, &b.model, &b.tier)));
    plan
}

impl Plan {
    fn leave_out(&mut self, reason: &str, what: String) {
        self.left_out.entry(reason.to_owned()).or_default().insert(what);
    }

    /// One new version for a model and its aliases; they must agree. A price that the import does not have stays.
    fn replace(&mut self, entry: &PriceEntry, named: &[(Name, UnitPrices)]) {
        let shown = format!("{} / {} / {}", entry.provider, entry.model, entry.tier);
        let mut units = named.iter().map(|(_, unit)| merged(entry.unit, *unit));
        let Some(unit) = units.next() else { return };
        if units.any(|other| other != unit) {
            let names: Vec<&str> = named.iter().map(|((_, model, _), _)| model.as_str()).collect();
            return self.leave_out(
                "aliases of one model with different prices: divide it in the file first",
                format!("{shown}: {}", names.join(", ")),
            );
        }
        if unit == entry.unit {
            self.unchanged += named.len();
            return;
        }
        self.versions.push(NewVersion {
            provider: entry.provider.clone(),
            model: entry.model.clone(),
            tier: entry.tier.clone(),
            aliases: entry.aliases.clone(),
            unit,
            ends: Some(entry.id.clone()),
            before: Some(entry.unit),
        });
    }
}

fn merged(mut before: UnitPrices, mut import: UnitPrices) -> UnitPrices {
    for bucket in Bucket::ALL {
        let price = *bucket.of(&mut import);
        let kept = bucket.of(&mut before);
        *kept = price.or(*kept);
    }
    before
}

/// Per million tokens, which any unit price is in at most 12 decimals.
pub(super) fn per_million(price: Money) -> String {
    price.checked_mul(1_000_000).map_or_else(|| "too large".to_owned(), |price| price.to_string())
}

impl fmt::Display for NewVersion {
    /// `changed  anthropic / claude / standard: input 3 -> 2.5, output 15`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.before.is_some() { "changed" } else { "new    " };
        write!(f, "{word}  {} / {} / {}:", self.provider, self.model, self.tier)?;
        let (mut unit, mut before) = (self.unit, self.before.unwrap_or_default());
        let mut mark = " ";
        for bucket in Bucket::ALL {
            let (now, was) = (*bucket.of(&mut unit), *bucket.of(&mut before));
            let Some(now) = now else { continue };
            match was {
                Some(was) if was != now => write!(f, "{mark}{} {} -> {}", bucket.key(), per_million(was), per_million(now))?,
                None if self.before.is_some() => write!(f, "{mark}{} none -> {}", bucket.key(), per_million(now))?,
                _ => write!(f, "{mark}{} {}", bucket.key(), per_million(now))?,
            }
            mark = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = r#"
[[price]]
provider = "acme"
model = "one"
aliases = ["one-2026", "one-latest"]
per = 1_000_000
input = "1"
cache_read = "0.1"
output = "5"
from = 2026-01-01T00:00:00Z
source = "s"
[[price]]
provider = "acme"
model = "two"
per = 1_000_000
input = "1"
output = "5"
from = 2026-01-01T00:00:00Z
to = 2027-01-01T00:00:00Z
source = "s"
"#;

    fn planned(models: &[(&str, &str, &str)], known_only: bool) -> Plan {
        let entries: Vec<String> = models
            .iter()
            .map(|(model, input, output)| {
                format!("\"{model}\": {{\"litellm_provider\": \"acme\", \"input_cost_per_token\": {input}, \"output_cost_per_token\": {output}}}")
            })
            .collect();
        let import = super::super::litellm::parse(&format!("{{{}}}", entries.join(", ")), &[]).unwrap();
        let book = PriceBook::parse_all(&[("book", BOOK)]).unwrap();
        plan(&book, import, Timestamp::parse("2026-12-01T00:00:00Z").unwrap(), known_only)
    }

    fn lines(plan: &Plan) -> Vec<String> {
        plan.versions.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_change_is_shown_with_both_prices_and_keeps_what_the_import_does_not_have() {
        let plan = planned(&[("one", "1.5e-6", "5e-6"), ("one-2026", "1.5e-6", "5e-6"), ("three", "2e-7", "4e-7")], false);
        assert_eq!(
            lines(&plan),
            [
                "changed  acme / one / standard: input 1 -> 1.5, cache_read 0.1, output 5",
                "new      acme / three / standard: input 0.2, output 0.4"
            ]
        );
        assert_eq!(plan.versions[0].aliases, ["one-2026", "one-latest"]);
        assert!(plan.left_out.is_empty() && plan.unchanged == 0);
    }

    #[test]
    fn what_is_the_same_is_no_change() {
        let plan = planned(&[("one", "1e-6", "5.0e-6"), ("one-latest", "0.000001", "5e-6")], false);
        assert_eq!((lines(&plan), plan.unchanged), (vec![], 2));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let plan =
            planned(&[("one", "1e-6", "5e-6"), ("one-2026", "2e-6", "5e-6"), ("two", "9e-6", "9e-6"), ("three", "2e-7", "4e-7")], true);
        assert_eq!(lines(&plan), [""; 0]);
        let left_out: Vec<&str> = plan.left_out.values().flatten().map(String::as_str).collect();
        assert_eq!(left_out, ["acme / one / standard: one, one-2026", "acme / three / standard", "acme / two / standard"]);
    }
}
