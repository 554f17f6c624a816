//! How much of each budget is used, for `/metrics`.
//!
//! A monitor notes every budget row that it writes; what is shown is the latest of each budget and scope whose period is running. So there
//! is no sample before the first change after a start, or in a period in which nothing was spent yet: missing, never an old one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use schemas::Timestamp;
use schemas::rollup::BudgetRow;

use super::spend_figures::OTHER;

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

/// Of one budget in its newest period: older ones say nothing about the running one.
#[derive(Default)]
struct Newest {
    period_end: Timestamp,
    ratios: HashMap<Box<str>, f64>,
}

impl Newest {
    fn note(&mut self, period_end: Timestamp, scope: Box<str>, ratio: f64) {
        if period_end > self.period_end {
            *self = Newest { period_end, ratios: HashMap::new() };
        }
        if period_end == self.period_end {
            self.ratios.insert(scope, ratio);
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
    all: Arc<Mutex<All>>,
}

impl BudgetFigures {
    /// With so many scopes of a budget at most: those that have used most.
    pub fn new(most_scopes: usize) -> Self {
        BudgetFigures { most_scopes, all: Arc::default() }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the periods that are running.
    pub fn read(&self, now: Timestamp) -> Vec<BudgetFigure> {
        let all = self.all();
        let mut budgets: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
        for (budget, newest) in all.monitors.values().flatten().filter(|(_, newest)| newest.period_end > now) {
            budgets.entry(budget).or_default().extend(newest.ratios.iter().map(|(scope, ratio)| (&**scope, *ratio)));
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
            budgets.entry(budget).or_default().note(period_end, scope, ratio);
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
        let figures = BudgetFigures::new(3);
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
    fn the_most_used_scopes_are_shown_and_the_worst_of_the_others() {
        let figures = BudgetFigures::new(2);
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
