//! What to do about a budget, by the table of [`detection::action`].

use detection::action::{Action, ActionLimits};
use detection::rhythm::State;

use crate::Amount;

/// Where a period ends, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outlook {
    /// `straight_line` or `spent`.
    pub basis: &'static str,
    /// At least so much.
    pub amount: Amount,
}

/// The projection if there is one; in a young period what is spent, which is where it ends at least.
pub(super) fn outlook(spent: Amount, projection: Option<Amount>) -> Outlook {
    match projection {
        Some(amount) => Outlook { basis: "straight_line", amount },
        None => Outlook { basis: "spent", amount: spent },
    }
}

/// The row of the table. A state that is not known is no chaos, and without a gate score (nobody reports a service level here) only chaos
/// leads to a rollback. A period that is over needs no action.
pub(super) fn action(outlook: Outlook, limit: Amount, state: Option<State>, is_running: bool) -> Action {
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
