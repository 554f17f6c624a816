//! Figures about a monitor's state.

/// What a monitor holds, and what it has left out. Counters begin anew with each process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonitorGauges {
    /// Cells held.
    pub cells: usize,
    /// Rows held.
    pub rows: usize,
    /// Different series.
    pub series: usize,
    /// Input partitions seen.
    pub inputs: usize,
    /// Budget states held.
    pub budget_states: usize,
    /// Series that are watched.
    pub watched_series: usize,
    /// Series of the last closed hour that are not, for want of room (`watch.max_series`).
    pub unwatched_series: usize,
    /// Memory, about.
    pub bytes: usize,
    /// Counter: cells that were known already (repeats after a crash, zombies).
    pub repeated_cells: u64,
    /// Counter: cells of sets, or with keys, that the rules do not have.
    pub unknown_set_cells: u64,
    /// Counter: changes of budgets' periods that were closed longer ago than `retain`; they are in the rollups only.
    pub late_budget_changes: u64,
    /// Counter: changes of budgets for which no exchange rate was in force.
    pub unrated_budget_changes: u64,
}
