//! The hours that a series has behind it, exactly.

use std::collections::VecDeque;

use schemas::Money;
use serde::{Deserialize, Serialize};

/// Eight days, one of which may have 25 hours.
const KEPT: usize = 8 * 24 + 1;
/// Hours in a mean, at most.
const WEEK: usize = 7 * 24;
/// Hours before there is a mean.
const DAY: usize = 24;

/// Spend of the last hours, the newest last. Starts with the hour of the first spend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct History(VecDeque<Money>);

impl History {
    pub(super) fn push(&mut self, spend: Money) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(spend);
    }

    pub(super) fn last(&self) -> Money {
        self.0.back().copied().unwrap_or_default()
    }

    /// Mean of the last week, cut to 18 decimals. `None` in the first day, and for sums that do not fit.
    pub(super) fn mean(&self) -> Option<Money> {
        let count = self.0.len().min(WEEK);
        let sum = (count >= DAY).then(|| self.sum(0, count)).flatten()?;
        Some(Money::from_units(sum.units() / count as i128))
    }

    /// The sum of `count` hours, of which the last is `before` hours before the newest. `None`: not all are known.
    pub(super) fn sum(&self, before: usize, count: usize) -> Option<Money> {
        let end = self.0.len().checked_sub(before)?;
        let start = end.checked_sub(count)?;
        self.0.range(start..end).try_fold(Money::ZERO, |sum, spend| sum.checked_add(*spend))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_sums_are_those_of_the_newest_hours() {
        let mut history = History::default();
        for hour in 0..23 {
            history.push(Money::from_whole(hour));
        }
        assert_eq!((history.mean(), history.sum(0, 24)), (None, None));
        history.push(Money::from_whole(23));
        assert_eq!(history.mean(), Some("11.5".parse().unwrap()));
        for hour in 24..1000 {
            history.push(Money::from_whole(hour));
        }
        assert_eq!(history.mean(), Some("915.5".parse().unwrap()));
        assert_eq!(history.sum(24, 2), Some(Money::from_whole(975 + 974)));
        assert_eq!(history.sum(192, 1), Some(Money::from_whole(807)));
        assert_eq!(history.sum(192, 2), None);
    }
}
