//! A ladder of limits that are judged hour by hour: one is reached at once, and left when it was not reached for some hours in a row.

use schemas::alert::AlertState;
use serde::{Deserialize, Serialize};

/// How one limit stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    is_on: bool,
    quiet_h: u8,
    times_left: u32,
}

/// Something to tell about one limit: its place on the ladder, and how often it was left before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is reached. `is_first`: and no other was on.
    Reached { nth: usize, repeat: u32, is_first: bool },
    /// It is not reached any more. `is_last`: and no other is.
    Left { nth: usize, repeat: u32, is_last: bool },
}

impl Turn {
    /// Which limit, how often it was left before, and the state that an alert about it has.
    pub(super) fn parts(self) -> (usize, u32, AlertState) {
        match self {
            Turn::Reached { nth, repeat, is_first: true } => (nth, repeat, AlertState::Fired),
            Turn::Reached { nth, repeat, is_first: false } => (nth, repeat, AlertState::Escalated),
            Turn::Left { nth, repeat, .. } => (nth, repeat, AlertState::Resolved),
        }
    }
}

impl Step {
    /// Is it reached, as told?
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }
}

/// Tells those of the lowest `reached` of `length` limits that were not told: before the hour is over, none is left.
pub(super) fn reach(steps: &mut Vec<Step>, length: usize, reached: usize) -> Vec<Turn> {
    if steps.len() != length {
        // Other limits by configuration, or none so far.
        *steps = vec![Step::default(); length];
    }
    let mut turns = Vec::new();
    let mut is_first = !is_any_on(steps);
    for (nth, step) in steps.iter_mut().enumerate().take(reached) {
        step.quiet_h = 0;
        if !step.is_on {
            step.is_on = true;
            turns.push(Turn::Reached { nth, repeat: step.times_left, is_first });
        }
        is_first = false;
    }
    turns
}

/// Takes in an hour in which the lowest `reached` of `length` limits were reached; one is left after `quiet_h` hours in a row without. What was
/// reached comes first, the lowest first; what was left the highest first.
pub(super) fn climb(steps: &mut Vec<Step>, length: usize, reached: usize, quiet_h: u8) -> Vec<Turn> {
    let mut turns = reach(steps, length, reached);
    for nth in (reached..length).rev() {
        let step = &mut steps[nth];
        step.quiet_h = step.quiet_h.saturating_add(1);
        if step.is_on && step.quiet_h >= quiet_h {
            let repeat = step.times_left;
            (step.is_on, step.times_left) = (false, repeat.saturating_add(1));
            turns.push(Turn::Left { nth, repeat, is_last: !is_any_on(steps) });
        }
    }
    turns
}

/// Is any limit reached, as told?
pub(super) fn is_any_on(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.is_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_at_once_and_left_after_quiet_hours() {
        let mut steps = Vec::new();
        let mut after = |reached| climb(&mut steps, 2, reached, 3);
        assert_eq!(after(0), []);
        assert_eq!(after(1), [Turn::Reached { nth: 0, repeat: 0, is_first: true }]);
        assert_eq!(after(2), [Turn::Reached { nth: 1, repeat: 0, is_first: false }]);
        for reached in [0, 0, 1, 0, 0] {
            let turns = after(reached);
            assert!(turns.iter().all(|turn| matches!(turn, Turn::Left { nth: 1, .. })), "{turns:?}");
        }
        assert_eq!(after(0), [Turn::Left { nth: 0, repeat: 0, is_last: true }]);
        assert_eq!(after(2), [Turn::Reached { nth: 0, repeat: 1, is_first: true }, Turn::Reached { nth: 1, repeat: 1, is_first: false }]);
    }
}
