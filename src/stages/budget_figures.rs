//! How much of each budget is used, for `/metrics`.
//!
//! A monitor notes every budget row that it writes; what is shown is the latest of each budget and scope whose period is running. So there
//! is no sample before the first change after a start, or in a period in which nothing was spent yet: missing, never an old one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use schemas::Timestamp;
use schemas::grouping::OTHER;
use schemas::rollup::BudgetRow;
use schemas::timestamp::HOUR_US;

/// A budget's scope and how far it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetFigure {
    /// The budget's name.
    pub budget: String,
    /// `total` for a budget without `per`; `__other__`: the most used of all scopes beyond the limit.
    pub scope: String,
    /// Spent over limit.
    pub ratio: f64,
}

/// How long the row of a window that rolls on holds after the window's end, microseconds: until the next hour is closed, with time to spare.
const ROLLING_HOLDS_US: i64 = 2 * HOUR_US;

/// Of one budget in its newest period: older ones say nothing about the running one.
#[derive(Default)]
struct Newest {
    period_end: Timestamp,
    /// By scope: end of the period, and ratio.
    ratios: HashMap<Box<str>, (Timestamp, f64)>,
}

impl Newest {
    /// `holds_us`: how long a row holds after its period's end.
    fn note(&mut self, period_end: Timestamp, scope: Box<str>, ratio: f64, holds_us: i64) {
        if period_end > self.period_end {
            self.period_end = period_end;
            self.ratios.retain(|_, (end, _)| end.plus(holds_us) >= period_end);
        }
        let is_newer = self.ratios.get(&scope).is_none_or(|(end, _)| *end <= period_end);
        if is_newer && period_end.plus(holds_us) >= self.period_end {
            self.ratios.insert(scope, (period_end, ratio));
        }
    }
}

/// A row: budget, end of the period, scope, ratio.
type Noted = (Box<str>, Timestamp, Box<str>, f64);

#[derive(Default)]
struct All {
    /// Monitors that have begun here.
    begun: u64,
    /// By monitor and budget.
    monitors: HashMap<u64, HashMap<Box<str>, Newest>>,
}

/// The process's figures; clones are the same figures.
#[derive(Clone)]
pub struct BudgetFigures {
    most_scopes: usize,
    /// Budgets whose window rolls on.
    rolling: Arc<BTreeSet<String>>,
    all: Arc<Mutex<All>>,
}

impl BudgetFigures {
    /// With so many scopes of a budget at most: those that have used most. `rolling`: names of the budgets whose window rolls on.
    pub fn new(most_scopes: usize, rolling: impl IntoIterator<Item = String>) -> Self {
        BudgetFigures { most_scopes, rolling: Arc::new(rolling.into_iter().collect()), all: Arc::default() }
    }

    fn holds_us(&self, budget: &str) -> i64 {
        if self.rolling.contains(budget) { ROLLING_HOLDS_US } else { 0 }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the periods that are running.
    pub fn read(&self, now: Timestamp) -> Vec<BudgetFigure> {
        let all = self.all();
        let mut budgets: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
        for (budget, newest) in all.monitors.values().flatten() {
            let holds_us = self.holds_us(budget);
            let running = newest.ratios.iter().filter(|(_, (end, _))| end.plus(holds_us) > now);
            budgets.entry(budget).or_default().extend(running.map(|(scope, (_, ratio))| (&**scope, *ratio)));
        }
        budgets.into_iter().flat_map(|(budget, scopes)| self.figures_of(budget, scopes)).collect()
    }

    fn figures_of(&self, budget: &str, scopes: BTreeMap<&str, f64>) -> Vec<BudgetFigure> {
        let mut scopes: Vec<(&str, f64)> = scopes.into_iter().collect();
        // Stable: equal ones stay in the order of their names.
        scopes.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let figure = |scope: &str, ratio: f64| BudgetFigure { budget: budget.to_owned(), scope: scope.to_owned(), ratio };
        let others = scopes.get(self.most_scopes).map(|(_, ratio)| figure(OTHER, *ratio));
        scopes.iter().take(self.most_scopes).map(|(scope, ratio)| figure(scope, *ratio)).chain(others).collect()
    }

    /// For the monitor of a partition.
    pub fn notes(&self) -> BudgetNotes {
        let mut all = self.all();
        all.begun += 1;
        BudgetNotes { figures: self.clone(), monitor: all.begun, rows: Vec::new() }
    }
}

/// What one monitor notes; gone with it when its partition moves.
pub struct BudgetNotes {
    figures: BudgetFigures,
    monitor: u64,
    rows: Vec<Noted>,
}

impl BudgetNotes {
    /// A row as it is written.
    pub fn note(&mut self, row: &BudgetRow<'_>) {
        let limit = row.limit.units();
        if limit > 0 {
            let ratio = row.spent.units() as f64 / limit as f64;
            let scope = if row.scope.is_empty() { "total" } else { row.scope };
            self.rows.push((row.budget.into(), row.period_end, scope.into(), ratio));
        }
    }

    /// Shows what was noted since the last time.
    pub fn show(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let mut all = self.figures.all();
        let budgets = all.monitors.entry(self.monitor).or_default();
        for (budget, period_end, scope, ratio) in self.rows.drain(..) {
            let holds_us = self.figures.holds_us(&budget);
            budgets.entry(budget).or_default().note(period_end, scope, ratio, holds_us);
        }
    }
}

impl Drop for BudgetNotes {
    fn drop(&mut self) {
        self.figures.all().monitors.remove(&self.monitor);
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Currency, Money};

    use super::*;

    fn note(notes: &mut BudgetNotes, budget: &str, scope: &str, period_end: i64, spent: i64) {
        notes.note(&BudgetRow {
            budget,
            scope,
            period: "p",
            period_start: Timestamp::from_millis(0),
            period_end: Timestamp::from_millis(period_end),
            currency: Currency::USD,
            spent: Money::from_whole(spent),
            limit: Money::from_whole(200),
            projection: None,
            level: "",
            revision: 1,
        });
        notes.show();
    }

    fn read(figures: &BudgetFigures, now: i64) -> Vec<(String, String, f64)> {
        let read = figures.read(Timestamp::from_millis(now)).into_iter();
        read.map(|figure| (figure.budget, figure.scope, figure.ratio)).collect()
    }

    fn of(budget: &str, scope: &str, ratio: f64) -> (String, String, f64) {
        (budget.to_owned(), scope.to_owned(), ratio)
    }

    #[test]
    fn the_running_period_is_shown_until_it_is_over() {
        let figures = BudgetFigures::new(3, []);
        let mut notes = figures.notes();
        note(&mut notes, "daily", "", 100, 50);
        note(&mut notes, "daily", "", 100, 150);
        assert_eq!(read(&figures, 99), [of("daily", "total", 0.75)]);
        assert_eq!(read(&figures, 100), []);
        note(&mut notes, "daily", "", 200, 20);
        note(&mut notes, "daily", "", 100, 180);
        assert_eq!(read(&figures, 101), [of("daily", "total", 0.1)], "a correction of the day before is not of today");
    }

    #[test]
    fn a_window_that_rolls_on_holds_until_the_next_hour_is_closed() {
        let figures = BudgetFigures::new(3, ["last-day".to_owned()]);
        let mut notes = figures.notes();
        let hour = HOUR_US / 1000;
        note(&mut notes, "last-day", "team=a", hour, 50);
        note(&mut notes, "last-day", "team=b", hour, 100);
        // The running hour of one of them is looked at.
        note(&mut notes, "last-day", "team=a", 2 * hour, 150);
        assert_eq!(read(&figures, hour + 1), [of("last-day", "team=a", 0.75), of("last-day", "team=b", 0.5)]);
        assert_eq!(read(&figures, 3 * hour), [of("last-day", "team=a", 0.75)], "b has had nothing for two hours");
        note(&mut notes, "last-day", "team=a", 4 * hour, 20);
        assert_eq!(read(&figures, 4 * hour), [of("last-day", "team=a", 0.1)]);
    }

    #[test]
    fn the_most_used_scopes_are_shown_and_the_worst_of_the_others() {
        let figures = BudgetFigures::new(2, []);
        let (mut one, mut other) = (figures.notes(), figures.notes());
        for (user, spent) in [("a", 10), ("b", 200), ("c", 60)] {
            note(&mut one, "users", user, 100, spent);
        }
        note(&mut other, "users", "d", 100, 100);
        assert_eq!(read(&figures, 0), [of("users", "b", 1.0), of("users", "d", 0.5), of("users", OTHER, 0.3)]);
        // The partition has moved to another process.
        drop(one);
        assert_eq!(read(&figures, 0), [of("users", "d", 0.5)]);
    }
}
