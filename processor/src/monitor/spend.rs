//! What one scope of a budget has spent in one period.

use schemas::{Money, Timestamp};
use serde::{Deserialize, Serialize};

use super::NEVER;
use super::series::SeriesId;
use super::standing::Standing;

/// One unit of US dollars per US dollar.
const ONE: Money = Money::from_whole(1);

/// Sums of one scope and period.
#[derive(Clone, Debug)]
pub(super) struct Spend {
    /// The series of the budget's grouping set that is the scope.
    pub(super) series: SeriesId,
    /// The scope as rows and alerts name it.
    pub(super) scope: Box<str>,
    /// All of it.
    pub(super) sums: Sums,
    /// `sums` in the budget's currency.
    pub(super) spent: Money,
    /// What had entered the judged spend when the last quarter hour was closed by all inputs.
    pub(super) judged: Sums,
    /// What was judged last, in the budget's currency.
    pub(super) reached: Money,
    /// One for each threshold of the budget, the lowest first; empty until one is reached.
    pub(super) standings: Vec<Standing>,
    /// Has the period's end been told?
    pub(super) reset: bool,
    pub(super) dirty: bool,
    /// Offset after the record that last changed it.
    pub(super) revision: i64,
    /// How far the inputs were when it last changed.
    pub(super) frontier: Timestamp,
}

impl Spend {
    /// Nothing spent yet.
    pub(super) fn new(series: SeriesId, scope: Box<str>) -> Self {
        Spend {
            series,
            scope,
            sums: Sums::default(),
            spent: Money::ZERO,
            judged: Sums::default(),
            reached: Money::ZERO,
            standings: Vec::new(),
            reset: false,
            dirty: false,
            revision: 0,
            frontier: NEVER,
        }
    }
}

/// US dollars by the exchange rate that was in force when they were spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// Rate (units per US dollar) and US dollars, in the order of their first use; hardly ever more than two.
    by_rate: Vec<(Money, Money)>,
    /// Was something spent when no rate was in force?
    pub(super) unrated: bool,
}

impl Sums {
    /// Adds US dollars. `None`: the sum does not fit.
    pub(super) fn add(&mut self, per_usd: Money, usd: Money) -> Option<()> {
        add_to(&mut self.by_rate, per_usd, usd)
    }

    /// Adds another's US dollars. `None`: a sum does not fit.
    pub(super) fn merge(&mut self, other: &Sums) -> Option<()> {
        other.by_rate.iter().try_for_each(|(rate, usd)| self.add(*rate, *usd))
    }

    /// In the currency of the rates, each rate's sum rounded half even to 18 decimals. `None`: it does not fit.
    pub(super) fn spent(&self) -> Option<Money> {
        self.by_rate.iter().try_fold(Money::ZERO, |total, (per_usd, usd)| {
            let converted = if *per_usd == ONE { *usd } else { usd.checked_mul_rate(*per_usd)? };
            total.checked_add(converted)
        })
    }
}

/// Adds to the sum of a key, of which there are few. `None`: it does not fit.
pub(super) fn add_to<K: PartialEq>(sums: &mut Vec<(K, Money)>, key: K, amount: Money) -> Option<()> {
    match sums.iter_mut().find(|(known, _)| *known == key) {
        Some((_, sum)) => *sum = sum.checked_add(amount)?,
        None => sums.push((key, amount)),
    }
    Some(())
}

/// Have less than 5 % of the period passed, nothing is projected.
const PROJECTED_FROM: i128 = 20;

/// What will have been spent at the end of the period if it goes on as it did until `frontier`: a straight line, cut to
/// 18 decimals. `None` before 5 % of the period have passed.
pub(super) fn projection(spent: Money, start: Timestamp, end: Timestamp, frontier: Timestamp) -> Option<Money> {
    let seconds = |from: Timestamp, to: Timestamp| i128::from(to.micros().saturating_sub(from.micros()) / 1_000_000);
    let (length, elapsed) = (seconds(start, end), seconds(start, frontier.min(end)));
    if elapsed <= 0 || elapsed * PROJECTED_FROM < length {
        return None;
    }
    if elapsed == length {
        return Some(spent);
    }
    spent.units().checked_mul(length).map(|product| Money::from_units(product / elapsed))
}
