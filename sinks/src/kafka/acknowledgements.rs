//! Delivery reports of one outbox: partitions answer in any order, the outbox counts without a gap.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

#[derive(Debug, Default)]
struct State {
    /// All records before this one are acknowledged.
    prefix: u64,
    /// From `prefix` on: is it acknowledged? The first one is not.
    later: VecDeque<bool>,
    failure: Option<String>,
}

/// Which records of one outbox are acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements(Mutex<State>);

impl Acknowledgements {
    /// The record with this number (from 0) is in the log.
    pub(super) fn acknowledge(&self, number: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = number.checked_sub(state.prefix).and_then(|index| usize::try_from(index).ok()) else { return };
        if state.later.len() <= index {
            state.later.resize(index + 1, false);
        }
        state.later[index] = true;
        while state.later.front() == Some(&true) {
            state.later.pop_front();
            state.prefix += 1;
        }
    }

    /// A record can never be in the log. The first reason stays.
    pub(super) fn fail(&self, reason: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failure.get_or_insert(reason);
    }

    /// How many from the first on, or why never.
    pub(super) fn prefix(&self) -> Result<u64, String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.failure.clone().map_or(Ok(state.prefix), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_in_any_order_become_a_prefix_without_gap() {
        let acknowledgements = Acknowledgements::default();
        for (number, prefix) in [(2, 0), (0, 1), (3, 1), (1, 4), (1, 4), (4, 5)] {
            acknowledgements.acknowledge(number);
            assert_eq!(acknowledgements.prefix(), Ok(prefix), "after {number}");
        }
    }

    #[test]
    fn the_first_failure_stays() {
        let acknowledgements = Acknowledgements::default();
        acknowledgements.fail("first".to_owned());
        acknowledgements.fail("second".to_owned());
        acknowledgements.acknowledge(0);
        assert_eq!(acknowledgements.prefix(), Err("first".to_owned()));
    }
}
