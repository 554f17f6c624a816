//! How a threshold of a budget stands for one scope and period.

use schemas::budget::{Budget, Threshold};
use schemas::{Bucket, Money};
use serde::{Deserialize, Serialize};

/// Quarter hours after one at which a threshold was left: it is not told again within the hour.
pub(super) const QUIET: u32 = 4;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// It was told that it is reached, and not yet that it was left.
    pub(super) is_on: bool,
    /// It was reached at the end of the last quarter hour that all inputs have closed. Only then can it be left.
    pub(super) is_confirmed: bool,
    /// How often it was left.
    pub(super) times_left: u32,
    /// The first quarter hour at which it may be told again.
    pub(super) quiet_before: Bucket,
}

impl Standing {
    pub(super) const NEW: Standing = Standing { is_on: false, is_confirmed: false, times_left: 0, quiet_before: Bucket::from_number(0) };

    /// Was it ever reached?
    pub(super) fn was_told(&self) -> bool {
        self.is_on || self.times_left > 0
    }
}

/// How many thresholds, from the lowest, the judged spend of `bucket` reaches. One that has to be quiet counts if a
/// higher one does not: an escalation always passes.
pub(super) fn reached(thresholds: &[Threshold], standings: &[Standing], bucket: Bucket, amount: Money) -> usize {
    let is_reached = |(at, threshold): &(usize, &Threshold)| {
        amount >= threshold.amount && standings.get(*at).is_none_or(|standing| bucket >= standing.quiet_before)
    };
    thresholds.iter().enumerate().filter(is_reached).map(|(at, _)| at + 1).max().unwrap_or(0)
}

/// What the standings under an earlier definition of the budget are under this one: a threshold is known by its amount.
pub(super) fn carried_over(earlier: &Budget, standings: &[Standing], now: &Budget) -> Vec<Standing> {
    if standings.is_empty() {
        return Vec::new();
    }
    let known = |threshold: &Threshold| earlier.thresholds.iter().position(|old| old.amount == threshold.amount);
    let carried = |threshold| known(threshold).and_then(|at| standings.get(at)).cloned().unwrap_or(Standing::NEW);
    now.thresholds.iter().map(carried).collect()
}
