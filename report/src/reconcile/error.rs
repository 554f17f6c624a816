//! What is wrong with a bill.

use super::ledger::MOST_SUMS;

/// Where something stands in a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// From 1; of a record over several lines the first. In a compressed file, of what it holds.
    pub line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)
    }
}

/// Why a bill cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// Not there, no rights, damaged.
    #[error("CR-6008: {file}: cannot be read: {problem}; check path and rights, and fetch the export again if it is damaged")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's words.
        problem: String,
    },
    /// It is not an export that is known, or not a whole one.
    #[error("CR-6009: {place}: {problem}")]
    NoBill {
        /// Where.
        place: Place,
        /// What was expected and found, and the remedy.
        problem: String,
    },
    /// A value that is none.
    #[error("CR-6010: {place}, column {column}: {value:?}: {problem}")]
    BadValue {
        /// Where.
        place: Place,
        /// Under which name.
        column: String,
        /// What stands there, at most 100 characters of it.
        value: String,
        /// What was expected, and the remedy.
        problem: String,
    },
    /// Sums beyond what is kept.
    #[error("CR-6011: {place}: {problem}")]
    TooMuch {
        /// Where.
        place: Place,
        /// What, and the remedy.
        problem: String,
    },
}

impl Place {
    pub(super) fn no_bill(&self, problem: impl Into<String>) -> BillError {
        BillError::NoBill { place: self.clone(), problem: problem.into() }
    }

    pub(super) fn bad_value(&self, column: &str, value: &str, problem: impl Into<String>) -> BillError {
        let value = value.chars().take(100).collect();
        BillError::BadValue { place: self.clone(), column: column.to_owned(), value, problem: problem.into() }
    }

    pub(super) fn sum_too_large(&self) -> BillError {
        BillError::TooMuch { place: self.clone(), problem: "amounts add up to more than 10^20, which is no money any more".to_owned() }
    }

    pub(super) fn too_many_sums(&self) -> BillError {
        let problem = format!(
            "more than {MOST_SUMS} different names, days and currencies: give fewer files at once, or compare without --by service"
        );
        BillError::TooMuch { place: self.clone(), problem }
    }
}
