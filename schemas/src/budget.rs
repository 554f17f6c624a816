//! Budgets: how much may be spent on what, per period, and from which shares of that on somebody is told.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::alert::Level;
use crate::calendar::{Calendar, Window};
use crate::event::MAX_DIMENSION_BYTES;
use crate::grouping::{DEFAULT_MAX_SERIES, MAX_KEY};
use crate::rates::decimal_text;
use crate::timestamp::HOUR_US;
use crate::{Bucket, Currency, Dimension, GroupingSet, Money};

/// Longest name of a budget, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// A budget whose definition has been checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Budget {
    /// Unique; lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What may be spent in a period. More than zero.
    pub limit: Money,
    /// Of the limit, and of every amount that the budget shows.
    pub currency: Currency,
    /// The period.
    pub window: BudgetWindow,
    /// Every one of these dimensions has one of these values. Sorted by dimension; empty: all spend.
    pub filter: Vec<(Dimension, Vec<String>)>,
    /// One budget for each combination of values of these; empty: one budget.
    pub per: Vec<Dimension>,
    /// Ascending, at least one.
    pub thresholds: Vec<Threshold>,
    /// The same for what the period is projected to end at. Ascending, maybe none. In no state: what was told of them is kept by their place.
    #[serde(skip)]
    pub projected: Vec<Threshold>,
}

/// A budget and the grouping set that counts it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CountedBudget {
    /// Its name.
    pub name: String,
    /// Name of the grouping set: `total`, `user`, ..., or `budget:NAME` for one of its own.
    pub set: String,
    /// Does its window roll on? Its newest one ends with the newest closed hour, and counts as running.
    pub is_rolling: bool,
}

/// From which spend on somebody is told. Reached at `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Threshold {
    /// Share of the limit: 0.8 are 80 %.
    pub share: Money,
    /// Limit times share, in the budget's currency, rounded half even to 18 decimals.
    pub amount: Money,
    /// How grave it is.
    pub level: Level,
}

/// The period of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetWindow {
    /// An hour of UTC.
    Hourly,
    /// A day of the business time zone.
    Daily,
    /// A month of the business time zone.
    Monthly,
    /// So many hours of UTC that end with any.
    Rolling {
        /// How many, 2 to [`MAX_ROLLING_HOURS`].
        hours: u32,
    },
}

/// Most hours of a rolling window: a month.
pub const MAX_ROLLING_HOURS: u32 = 744;

impl BudgetWindow {
    /// Its name in budget files.
    pub const fn name(self) -> &'static str {
        match self {
            BudgetWindow::Hourly => "hourly",
            BudgetWindow::Daily => "daily",
            BudgetWindow::Monthly => "monthly",
            BudgetWindow::Rolling { .. } => "rolling",
        }
    }

    /// Is it one that moves with every hour?
    pub const fn is_rolling(self) -> bool {
        matches!(self, BudgetWindow::Rolling { .. })
    }

    /// The period that holds the bucket.
    pub fn of(self, calendar: &Calendar, bucket: Bucket) -> Window {
        match self {
            BudgetWindow::Hourly => calendar.hour(bucket),
            BudgetWindow::Daily => calendar.day(bucket),
            BudgetWindow::Monthly => calendar.month(bucket),
            BudgetWindow::Rolling { hours } => {
                let last = calendar.hour(bucket);
                Window { start: last.start.plus(-i64::from(hours.saturating_sub(1)) * HOUR_US), end: last.end }
            }
        }
    }

    /// The period as people name it: `2026-11`, `2026-11-22` (both in the calendar's zone), `2026-11-22T10:00Z` or `24 h to 2026-11-22T10:00Z`.
    pub fn label(self, calendar: &Calendar, period: Window) -> String {
        let utc = period.start.to_string();
        match self {
            BudgetWindow::Hourly => format!("{}Z", utc.get(..16).unwrap_or(&utc)),
            BudgetWindow::Daily => calendar.date_text(period),
            BudgetWindow::Monthly => calendar.date_text(period).get(..7).unwrap_or(&utc).to_owned(),
            BudgetWindow::Rolling { hours } => {
                let end = period.end.to_string();
                format!("{hours} h to {}Z", end.get(..16).unwrap_or(&end))
            }
        }
    }
}

/// A budget file is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// No TOML, an unknown key, or a missing one; the text shows the line.
    #[error("{file}: {problem}")]
    Syntax {
        /// Name of the file.
        file: String,
        /// The reader's message.
        problem: String,
    },
    /// One budget says something impossible.
    #[error("{file}: budget {budget:?}: {problem}")]
    Refused {
        /// Name of the file.
        file: String,
        /// Name of the budget.
        budget: String,
        /// Key, value and remedy.
        problem: String,
    },
}

impl Budget {
    /// Reads budget files, given as (file name, text), in that order. Names are unique across all of them.
    ///
    /// ```
    /// let budgets = schemas::budget::Budget::parse_all(&[("daily.toml", r#"
    ///     [[budget]]
    ///     name = "llm-user-daily"
    ///     limit = "10"
    ///     window = "daily"
    ///     per = ["user_id"]
    ///     thresholds = [{ at = "0.90", level = "warning" }, { at = "0.98", level = "critical" }]
    /// "#)])?;
    /// assert_eq!(budgets[0].thresholds[1].amount.to_string(), "9.8");
    /// # Ok::<(), schemas::budget::BudgetError>(())
    /// ```
    ///
    /// # Errors
    /// [`BudgetError`] names file, budget, key and remedy.
    pub fn parse_all(files: &[(&str, &str)]) -> Result<Vec<Budget>, BudgetError> {
        let mut budgets = Vec::new();
        let mut names = HashSet::new();
        for (file, text) in files {
            let document: Document = toml::from_str(text)
                .map_err(|error| BudgetError::Syntax { file: (*file).to_owned(), problem: error.to_string().trim_end().to_owned() })?;
            for entry in document.budget {
                let name = entry.name.clone();
                let refused = |problem| BudgetError::Refused { file: (*file).to_owned(), budget: name.clone(), problem };
                if !names.insert(name.clone()) {
                    return Err(refused("another budget has the same name: names must be unique across all files".to_owned()));
                }
                budgets.push(entry.check().map_err(refused)?);
            }
        }
        Ok(budgets)
    }

    /// How many thresholds, from the lowest, so much spend reaches.
    pub fn reached(&self, spent: Money) -> usize {
        self.thresholds.iter().filter(|threshold| spent >= threshold.amount).count()
    }

    /// What readers need to find its spend, where these are the grouping sets.
    pub fn counted(&self, sets: &[GroupingSet]) -> CountedBudget {
        CountedBudget { name: self.name.clone(), set: self.grouping_set(sets).name, is_rolling: self.window.is_rolling() }
    }

    /// Where its spend is counted: a default set when that counts the same, else a set of its own, `budget:NAME`.
    pub fn grouping_set(&self, defaults: &[GroupingSet]) -> GroupingSet {
        let serves = |set: &&GroupingSet| self.filter.is_empty() && set.filter.is_empty() && set.key == self.per;
        defaults.iter().find(serves).cloned().unwrap_or_else(|| GroupingSet {
            name: format!("budget:{}", self.name),
            key: self.per.clone(),
            filter: self.filter.clone(),
            max_series: DEFAULT_MAX_SERIES,
        })
    }
}

/// A budget file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    budget: Vec<Entry>,
}

/// `[[budget]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    limit: toml::Value,
    currency: Option<String>,
    window: WindowEntry,
    /// Of a rolling window.
    hours: Option<u32>,
    #[serde(default)]
    filter: BTreeMap<Dimension, OneOrMany>,
    #[serde(default)]
    per: Vec<Dimension>,
    thresholds: Vec<ThresholdEntry>,
    #[serde(default)]
    projected: Vec<ThresholdEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WindowEntry {
    Hourly,
    Daily,
    Monthly,
    Rolling,
}

impl WindowEntry {
    fn check(self, hours: Option<u32>) -> Result<BudgetWindow, String> {
        match (self, hours) {
            (WindowEntry::Hourly, None) => Ok(BudgetWindow::Hourly),
            (WindowEntry::Daily, None) => Ok(BudgetWindow::Daily),
            (WindowEntry::Monthly, None) => Ok(BudgetWindow::Monthly),
            (WindowEntry::Rolling, Some(hours @ 2..=MAX_ROLLING_HOURS)) => Ok(BudgetWindow::Rolling { hours }),
            (WindowEntry::Rolling, Some(hours)) => Err(format!("hours: a rolling window has 2 to {MAX_ROLLING_HOURS}, found {hours}")),
            (WindowEntry::Rolling, None) => Err("hours: is missing: how many hours has the rolling window, such as 24?".to_owned()),
            (_, Some(hours)) => {
                Err(format!("hours: only a rolling window has them, found {hours}: leave them out, or use window = \"rolling\""))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdEntry {
    at: toml::Value,
    level: Level,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Entry {
    fn check(self) -> Result<Budget, String> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || !self.name.bytes().all(is_plain) {
            return Err(format!("name: expected 1 to {MAX_NAME_BYTES} of a-z, 0-9, - and _"));
        }
        let limit = positive("limit", &self.limit)?;
        let currency = match &self.currency {
            None => Currency::USD,
            Some(code) => code.parse().map_err(|error| format!("currency: {error}, found {code:?}"))?,
        };
        let thresholds = check_thresholds("thresholds", &self.thresholds, limit)?;
        if thresholds.is_empty() {
            return Err("thresholds: expected at least one, such as { at = \"0.80\", level = \"warning\" }".to_owned());
        }
        let window = self.window.check(self.hours)?;
        if !matches!(window, BudgetWindow::Daily | BudgetWindow::Monthly) && !self.projected.is_empty() {
            return Err("projected: only days and months are projected; leave it out, or use a daily or monthly window".to_owned());
        }
        Ok(Budget {
            limit,
            currency,
            window,
            filter: check_filter(self.filter)?,
            per: check_per(self.per)?,
            thresholds,
            projected: check_thresholds("projected", &self.projected, limit)?,
            name: self.name,
        })
    }
}

fn positive(key: &str, value: &toml::Value) -> Result<Money, String> {
    let money = decimal_text(key, value)?;
    if money <= Money::ZERO {
        return Err(format!("{key}: expected more than zero, found {money}"));
    }
    Ok(money)
}

fn check_filter(filter: BTreeMap<Dimension, OneOrMany>) -> Result<Vec<(Dimension, Vec<String>)>, String> {
    let mut checked = Vec::with_capacity(filter.len());
    for (dimension, values) in filter {
        let name = dimension.name();
        let values = match values {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        };
        if values.is_empty() {
            return Err(format!("filter.{name}: an empty list would let nothing pass; leave the key out to let everything pass"));
        }
        if let Some(value) = values.iter().find(|value| value.len() > MAX_DIMENSION_BYTES) {
            return Err(format!("filter.{name}: a value of {} bytes never passes, events are cut to {MAX_DIMENSION_BYTES}", value.len()));
        }
        let mut seen = HashSet::new();
        if let Some(value) = values.iter().find(|value| !seen.insert(value.as_str())) {
            return Err(format!("filter.{name}: {value:?} stands twice"));
        }
        checked.push((dimension, values));
    }
    Ok(checked)
}

fn check_per(per: Vec<Dimension>) -> Result<Vec<Dimension>, String> {
    if per.len() > MAX_KEY {
        return Err(format!("per: at most {MAX_KEY} dimensions, found {}", per.len()));
    }
    let mut seen = HashSet::new();
    match per.iter().find(|dimension| !seen.insert(**dimension)) {
        Some(twice) => Err(format!("per: {} stands twice", twice.name())),
        None => Ok(per),
    }
}

fn check_thresholds(name: &str, entries: &[ThresholdEntry], limit: Money) -> Result<Vec<Threshold>, String> {
    let mut thresholds: Vec<Threshold> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let key = format!("{name}[{index}].at");
        let share = positive(&key, &entry.at)?;
        let amount = limit.checked_mul_rate(share).ok_or_else(|| format!("{key}: limit times {share} is too large for money"))?;
        let below = thresholds.last().map_or(Money::ZERO, |threshold| threshold.amount);
        if amount <= below {
            return Err(format!("{key}: {share} of {limit} is not above the threshold before it ({below}); sort them ascending"));
        }
        thresholds.push(Threshold { share, amount, level: entry.level });
    }
    Ok(thresholds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAILY: &str = r#"
        [[budget]]
        name = "llm-daily"
        limit = "100"
        window = "daily"
        thresholds = [{ at = "0.80", level = "warning" }, { at = "0.95", level = "critical" }, { at = "1", level = "critical" }]
    "#;

    fn parse(text: &str) -> Result<Vec<Budget>, String> {
        Budget::parse_all(&[("test.toml", text)]).map_err(|error| error.to_string())
    }

    fn refusal(from: &str, to: &str) -> String {
        assert!(DAILY.contains(from), "{from}");
        parse(&DAILY.replace(from, to)).unwrap_err()
    }

    #[test]
    fn a_budget_reads_with_its_amounts_worked_out() {
        let budget = parse(DAILY).unwrap().remove(0);
        let amounts: Vec<String> = budget.thresholds.iter().map(|t| format!("{} {}", t.amount, t.level)).collect();
        assert_eq!(amounts, ["80 warning", "95 critical", "100 critical"]);
        assert_eq!((budget.currency, budget.window), (Currency::USD, BudgetWindow::Daily));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (from, to, expected) in [
            ("\"100\"", "100.0", "limit: expected decimal text such as \"12.50\", found the number 100.0"),
            ("\"100\"", "100", "limit: expected decimal text"),
            ("\"0.80\"", "0.8", "thresholds[0].at: expected decimal text"),
            ("\"100\"", "\"0\"", "limit: expected more than zero, found 0"),
            ("\"100\"", "\"-1\"", "limit: expected more than zero, found -1"),
            ("\"100\"", "\"1e3\"", "limit: expected a decimal number"),
            ("\"0.95\"", "\"0.80\"", "thresholds[1].at: 0.8 of 100 is not above the threshold before it (80)"),
            ("llm-daily", "LLM daily", "name: expected 1 to 64 of a-z"),
            ("\"daily\"", "\"weekly\"", "unknown variant `weekly`"),
            ("\"critical\" }]", "\"fatal\" }]", "unknown variant `fatal`"),
            ("window =", "colour = 1\nwindow =", "unknown field `colour`"),
            ("window =", "currency = \"euro\"\nwindow =", "currency: expected a currency code of three letters"),
            ("window =", "per = [\"planet\"]\nwindow =", "unknown variant `planet`"),
            ("window =", "per = [\"team\", \"team\"]\nwindow =", "per: team stands twice"),
            ("window =", "filter = { team = [] }\nwindow =", "filter.team: an empty list"),
            ("window =", "filter = { team = [\"a\", \"a\"] }\nwindow =", "filter.team: \"a\" stands twice"),
            ("window =", "filter = { team = 1 }\nwindow =", "expected a text or a list of texts"),
            ("window =", "filter = { planet = \"a\" }\nwindow =", "unknown variant `planet`"),
        ] {
            let message = refusal(from, to);
            assert!(message.contains(expected) && message.starts_with("test.toml: "), "{to}: {message}");
        }
        assert!(parse(&format!("{DAILY}{DAILY}")).unwrap_err().contains("names must be unique"));
        assert!(parse(&DAILY[..DAILY.find("thresholds").unwrap()]).unwrap_err().contains("missing field `thresholds`"));
    }

    #[test]
    fn a_period_is_named_by_its_local_date() {
        let seoul = Calendar::new("Asia/Seoul").unwrap();
        let bucket = Bucket::of(crate::Timestamp::parse("2026-10-31T15:00:00Z").unwrap());
        let label = |window: BudgetWindow| window.label(&seoul, window.of(&seoul, bucket));
        assert_eq!(label(BudgetWindow::Hourly), "2026-10-31T15:00Z");
        assert_eq!(label(BudgetWindow::Daily), "2026-11-01");
        assert_eq!(label(BudgetWindow::Monthly), "2026-11");
        let new_york = Calendar::new("America/New_York").unwrap();
        let first = BudgetWindow::Monthly.of(&new_york, Bucket::from_number(0));
        assert_eq!(BudgetWindow::Monthly.label(&new_york, first), "1969-12");
    }

    #[test]
    fn a_default_set_serves_when_it_counts_the_same() {
        let defaults = GroupingSet::defaults();
        let budget = parse(DAILY).unwrap().remove(0);
        assert_eq!(budget.grouping_set(&defaults).name, "total");
        let per_user = Budget { per: vec![Dimension::UserId], ..budget.clone() };
        assert_eq!(per_user.grouping_set(&defaults).name, "user");
        let per_user_and_team = Budget { per: vec![Dimension::UserId, Dimension::Team], ..budget.clone() };
        assert_eq!(per_user_and_team.grouping_set(&defaults).name, "budget:llm-daily");
        let filter = vec![(Dimension::Service, vec!["S3".to_owned()])];
        let own = Budget { filter: filter.clone(), ..budget }.grouping_set(&defaults);
        assert_eq!((own.name.as_str(), own.key.len(), own.filter), ("budget:llm-daily", 0, filter));
    }

    #[test]
    fn the_shipped_budgets_are_those_of_the_product_page() {
        let files = [
            ("llm_platform.toml", include_str!("../../budgets/llm_platform.toml")),
            ("cloud_platform.toml", include_str!("../../budgets/cloud_platform.toml")),
            ("saas_krw.toml", include_str!("../../budgets/saas_krw.toml")),
            ("canary.toml", include_str!("../../budgets/canary.toml")),
        ];
        let budgets = Budget::parse_all(&files).unwrap();
        assert_eq!(budgets.len(), 3 + 10 + 3 + 1);
        let limit = |name: &str| {
            let budget = budgets.iter().find(|budget| budget.name == name).unwrap();
            format!("{} {} {} {}", budget.limit, budget.currency, budget.window.name(), budget.thresholds[0].amount)
        };
        assert_eq!(limit("llm-daily"), "100 USD daily 80");
        assert_eq!(limit("llm-user-daily"), "10 USD daily 9");
        assert_eq!(limit("bedrock-monthly"), "5000 USD monthly 3750");
        assert_eq!(limit("saas-hourly"), "50000 KRW hourly 40000");
        assert_eq!(limit("canary-monthly"), "200 USD monthly 160");
        // Those of the demo fit its history and are no example of the page.
        assert_eq!(Budget::parse_all(&[("demo.toml", include_str!("../../budgets/demo.toml"))]).unwrap().len(), 4);
    }
}
