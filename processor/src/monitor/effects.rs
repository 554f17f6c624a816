//! What a monitor puts out.

use schemas::alert::Alert;
use schemas::rollup::{AccountsRow, AnomalyRow, BudgetRow, PaceRow, RhythmRow, RollupRow};

/// Takes what a flush emits, in this order: rollups, budgets, projections, rhythms, anomalies, accounts, alerts. Rows are borrowed: encode them at once.
pub trait MonitorEffects {
    /// A row that has changed, as an absolute value.
    fn rollup(&mut self, row: &RollupRow<'_, Box<str>>);
    /// A budget's state that has changed.
    fn budget(&mut self, row: &BudgetRow<'_>);
    /// Where a budget will end, after a closed hour of its series.
    fn pace(&mut self, row: &PaceRow<'_>);
    /// The rhythm of a watched series after a closed hour.
    fn rhythm(&mut self, row: &RhythmRow<'_>);
    /// A closed hour of an anomaly.
    fn anomaly(&mut self, row: &AnomalyRow<'_>);
    /// Must not become visible before the rollups of the same flush are.
    fn accounts(&mut self, row: &AccountsRow<'_>);
    /// Once per alert since the last flush, in the order in which they arose.
    fn alert(&mut self, alert: &Alert);
}

/// Nobody takes it.
impl MonitorEffects for () {
    fn rollup(&mut self, _: &RollupRow<'_, Box<str>>) {}
    fn budget(&mut self, _: &BudgetRow<'_>) {}
    fn pace(&mut self, _: &PaceRow<'_>) {}
    fn rhythm(&mut self, _: &RhythmRow<'_>) {}
    fn anomaly(&mut self, _: &AnomalyRow<'_>) {}
    fn accounts(&mut self, _: &AccountsRow<'_>) {}
    fn alert(&mut self, _: &Alert) {}
}
