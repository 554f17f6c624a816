//! The running period of a budget.

use std::fmt;

use crate::rhythm::Hour;

/// A budget's period with what was spent in it so far. Amounts in currency units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    start: Hour,
    end: Hour,
    spent: f64,
    budget: f64,
}

/// Why a period is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PeriodError {
    /// It does not end after its start.
    Empty {
        /// First hour.
        start: Hour,
        /// First hour after it.
        end: Hour,
    },
    /// The budget is no positive number.
    Budget(f64),
    /// What was spent is no number.
    Spent(f64),
}

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeriodError::Empty { start, end } => write!(f, "expected a period that ends after its start, found {} to {}", start.0, end.0),
            PeriodError::Budget(found) => write!(f, "expected a positive budget, found {found}"),
            PeriodError::Spent(found) => write!(f, "expected an amount spent, found {found}"),
        }
    }
}

impl std::error::Error for PeriodError {}

impl Period {
    /// From its first hour up to, but not with, `end`.
    ///
    /// # Errors
    /// If it has no hours, or the amounts are no numbers, or the budget is not positive.
    pub fn new(start: Hour, end: Hour, spent: f64, budget: f64) -> Result<Period, PeriodError> {
        if end <= start {
            return Err(PeriodError::Empty { start, end });
        }
        if !(budget.is_finite() && budget > 0.0) {
            return Err(PeriodError::Budget(budget));
        }
        if !spent.is_finite() {
            return Err(PeriodError::Spent(spent));
        }
        Ok(Period { start, end, spent, budget })
    }

    /// First hour.
    pub fn start(&self) -> Hour {
        self.start
    }

    /// First hour after the period.
    pub fn end(&self) -> Hour {
        self.end
    }

    /// Spent so far, with the latest closed hour.
    pub fn spent(&self) -> f64 {
        self.spent
    }

    /// The budget.
    pub fn budget(&self) -> f64 {
        self.budget
    }
}
