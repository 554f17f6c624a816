//! Keeps a repeated warning from filling the log.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets one line through per interval and counts the others.
#[derive(Debug)]
pub(super) struct RareLog {
    every: Duration,
    state: Mutex<(Option<Instant>, u64)>,
}

impl RareLog {
    pub(super) const fn new(every: Duration) -> Self {
        RareLog { every, state: Mutex::new((None, 0)) }
    }

    /// `Some(how many were held back since the last line)` when a line may be written.
    pub(super) fn due(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|last| last.elapsed() < self.every) {
            state.1 += 1;
            return None;
        }
        let held_back = state.1;
        *state = (Some(Instant::now()), 0);
        Some(held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_within_the_interval_are_counted_instead_of_written() {
        let log = RareLog::new(Duration::from_secs(3600));
        assert_eq!(log.due(), Some(0));
        assert_eq!((log.due(), log.due()), (None, None));
        let always = RareLog::new(Duration::ZERO);
        assert_eq!((always.due(), always.due()), (Some(0), Some(0)));
    }
}
