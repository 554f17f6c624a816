//! Reads states of version 1. In those a threshold that had fired stayed fired, and alerts had no `repeat`.

use std::borrow::Cow;

use schemas::alert::{Alert, AlertState, Level};
use schemas::budget::Budget;
use schemas::{Currency, Money, Timestamp};
use serde::Deserialize;

use super::snapshot::{PeriodState, ReadPeriod, ScopeState, SnapshotError, Tail, malformed};
use super::spend::Sums;
use super::standing::Standing;
use crate::state_bytes::Parts;

/// First byte of the state.
pub(super) const VERSION: u8 = 1;

#[derive(Deserialize)]
struct ScopeV1 {
    series: u32,
    scope: String,
    sums: Sums,
    judged: Sums,
    reached: Money,
    /// How many thresholds have fired, from the lowest.
    fired: u32,
    reset: bool,
    revision: i64,
    frontier: Timestamp,
}

#[derive(Deserialize)]
struct AlertV1 {
    rule: String,
    scope: String,
    period: String,
    period_start: Timestamp,
    period_end: Timestamp,
    level: Level,
    state: AlertState,
    threshold: Money,
    current: Money,
    previous: Money,
    currency: Currency,
    occurred_at: Timestamp,
    projection: Option<Money>,
    explanation: String,
    recommendation: String,
    permalink: Option<String>,
}

/// What stands behind the windows.
pub(super) fn tail(parts: &mut Parts<'_>) -> Result<Tail<ReadPeriod, Alert>, SnapshotError> {
    let old: Tail<PeriodState<Vec<ScopeV1>>, AlertV1> = parts.take().map_err(malformed)?;
    let periods = old.periods.into_iter().map(|period| of_period(period, &old.budgets)).collect::<Result<_, _>>()?;
    Ok(Tail {
        dirty_rows: old.dirty_rows,
        budgets: old.budgets,
        periods,
        dirty_scopes: old.dirty_scopes,
        due: old.due,
        alerts: old.alerts.into_iter().map(of_alert).collect(),
    })
}

fn of_period(old: PeriodState<Vec<ScopeV1>>, budgets: &[Budget]) -> Result<ReadPeriod, SnapshotError> {
    let budget = budgets.get(old.budget as usize).ok_or_else(|| malformed(format!("budget {} of {}", old.budget, budgets.len())))?;
    let scopes = old.scopes.into_iter().map(|scope| of_scope(scope, budget)).collect::<Result<_, _>>()?;
    Ok(PeriodState { budget: old.budget, window: old.window, noticed: old.noticed, departed: old.departed, scopes })
}

fn of_scope(old: ScopeV1, budget: &Budget) -> Result<ScopeState<'static>, SnapshotError> {
    let judged = old.judged.spent().ok_or_else(|| malformed("a sum that does not fit"))?;
    let standing = |(nth, threshold): (usize, &schemas::budget::Threshold)| {
        let is_on = nth < old.fired as usize;
        // What had fallen before the upgrade is not told as left.
        Standing { is_on, is_confirmed: is_on && judged >= threshold.amount, ..Standing::NEW }
    };
    let standings = if old.fired == 0 { Vec::new() } else { budget.thresholds.iter().enumerate().map(standing).collect() };
    Ok(ScopeState {
        series: old.series,
        scope: old.scope.into(),
        sums: Cow::Owned(old.sums),
        judged: Cow::Owned(old.judged),
        reached: old.reached,
        standings: standings.into(),
        reset: old.reset,
        revision: old.revision,
        frontier: old.frontier,
    })
}

fn of_alert(old: AlertV1) -> Alert {
    Alert {
        rule: old.rule,
        scope: old.scope,
        period: old.period,
        period_start: old.period_start,
        period_end: old.period_end,
        level: old.level,
        state: old.state,
        threshold: old.threshold,
        current: old.current,
        previous: old.previous,
        currency: old.currency,
        occurred_at: old.occurred_at,
        projection: old.projection,
        explanation: old.explanation,
        recommendation: old.recommendation,
        permalink: old.permalink,
        repeat: 0,
    }
}
