//! What to do about a budget: what the monitor recommends after every closed hour, or, where it has not judged lately, the table of
//! [`detection::action`] over the straight line.

use detection::action::{Action, ActionLimits};
use detection::rhythm::State;

use super::{BudgetFound, BudgetStatus, PaceFound};
use crate::Amount;

/// A budget with its forecast and action. `pace` is the monitor's newest row, however old; `state` the scope's, if it is known and new.
pub(super) fn budget_status(
    row: BudgetFound,
    rhythm_scope: String,
    state: Option<State>,
    pace: Option<&PaceFound>,
    stale_after_s: i64,
) -> BudgetStatus {
    let pace = pace.filter(|pace| pace.period == row.period && pace.age_s <= stale_after_s && row.is_running == 1);
    if let Some(pace) = pace {
        return BudgetStatus {
            forecast_basis: "pace",
            forecast: pace.forecast,
            forecast_range: Some([pace.low, pace.high]),
            exceeded_at: pace.exceeded_at.clone(),
            action: pace.action,
            confidence: pace.confidence,
            gate_score: pace.gate_score,
            state,
            rhythm_scope,
            row,
        };
    }
    let outlook = outlook(row.spent, row.projection);
    BudgetStatus {
        forecast_basis: outlook.basis,
        forecast: outlook.amount,
        forecast_range: None,
        exceeded_at: row.exceeded_at.clone(),
        action: action(outlook, row.limit, state, row.is_running == 1),
        confidence: None,
        gate_score: None,
        state,
        rhythm_scope,
        row,
    }
}

/// Where a period ends, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outlook {
    /// `straight_line` or `spent`.
    basis: &'static str,
    /// At least so much.
    amount: Amount,
}

/// The projection if there is one; in a young period what is spent, which is where it ends at least.
fn outlook(spent: Amount, projection: Option<Amount>) -> Outlook {
    match projection {
        Some(amount) => Outlook { basis: "straight_line", amount },
        None => Outlook { basis: "spent", amount: spent },
    }
}

/// The row of the table. A state that is not known is no chaos, and without a gate score only chaos leads to a rollback. A period that is over needs no action.
fn action(outlook: Outlook, limit: Amount, state: Option<State>, is_running: bool) -> Action {
    if !is_running {
        return Action::None;
    }
    let state = state.unwrap_or(State::Learning);
    ActionLimits::default().action(outlook.amount.approximate(), limit.approximate(), state, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    fn of(projection: Option<&str>, state: Option<State>) -> Action {
        action(outlook(amount("90"), projection.map(amount)), amount("100"), state, true)
    }

    #[test]
    fn the_table_is_that_of_the_product() {
        assert_eq!(of(Some("120"), Some(State::Chaotic)), Action::EmergencyStop);
        assert_eq!(of(Some("119.99"), Some(State::Chaotic)), Action::Rollback);
        assert_eq!(of(Some("110"), Some(State::Chaotic)), Action::Rollback);
        assert_eq!(of(Some("110"), Some(State::Dissonant)), Action::ScaleDown);
        assert_eq!(of(Some("100"), Some(State::Resonant)), Action::ScaleDown);
        assert_eq!(of(Some("99.999999999999999999"), Some(State::Resonant)), Action::ScaleDown, "twelve digits are compared");
        assert_eq!(of(Some("99.9"), Some(State::Chaotic)), Action::None);
    }

    #[test]
    fn what_is_not_known_is_no_chaos_and_no_projection_is_no_zero() {
        assert_eq!(of(Some("150"), None), Action::ScaleDown);
        assert_eq!(of(None, Some(State::Chaotic)), Action::None);
        assert_eq!(action(outlook(amount("130"), None), amount("100"), Some(State::Chaotic), true), Action::EmergencyStop);
    }

    #[test]
    fn a_period_that_is_over_needs_no_action() {
        assert_eq!(action(outlook(amount("500"), None), amount("100"), Some(State::Chaotic), false), Action::None);
    }
}
