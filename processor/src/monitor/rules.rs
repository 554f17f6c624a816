//! What the monitor's result depends on beside the log.

use schemas::GroupingSet;
use schemas::budget::Budget;
use schemas::calendar::Calendar;
use schemas::rates::Rates;

use super::WatchRules;

/// The monitor's rules. Two monitors with equal rules make the same of the same log.
#[derive(Clone, Debug)]
pub struct MonitorRules {
    /// The sets that the meters send, those of budgets (`budget:NAME`) included.
    pub sets: Vec<GroupingSet>,
    /// What is watched; names are unique.
    pub budgets: Vec<Budget>,
    /// For budgets in other currencies than US dollars.
    pub rates: Rates,
    /// Where days and months begin.
    pub calendar: Calendar,
    /// How long rows and budgets stay in memory after every input has closed their window, in microseconds of event time.
    pub retain_us: i64,
    /// What is watched beside budgets.
    pub watch: WatchRules,
    /// Beyond these the partition stops.
    pub limits: MonitorLimits,
}

impl MonitorRules {
    /// The budgets whose spend is that of the set's series, with their places.
    pub(super) fn budgets_of(&self, set: &GroupingSet) -> impl Iterator<Item = (u16, &Budget)> {
        let is_of = move |(_, budget): &(u16, &Budget)| budget.grouping_set(&self.sets).name == set.name;
        (0..).zip(&self.budgets).filter(is_of)
    }
}

/// Bounds of the state (G5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorLimits {
    /// Most cells held (about 240 bytes each): all inputs' unsealed buckets.
    pub max_cells: usize,
    /// Most rows held (about 260 bytes each).
    pub max_rows: usize,
    /// Most budget states held (about 200 bytes each): budgets times scopes times open periods.
    pub max_budget_states: usize,
}

impl Default for MonitorLimits {
    fn default() -> Self {
        MonitorLimits { max_cells: 8_000_000, max_rows: 8_000_000, max_budget_states: 4_000_000 }
    }
}
