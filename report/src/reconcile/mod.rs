//! Bills of providers against what was counted, by provider (service) and UTC day: `cost-rhythm reconcile`.
//!
//! | file | what |
//! |---|---|
//! | `source` | a file's bytes: gzip, byte order mark, one record at a time |
//! | `form` | the columns of FOCUS, AWS and Google Cloud, and which charges are no usage |
//! | `table`, `google` | CSV; JSON lines |
//! | `charge`, `exact` | a charge from text: days, currencies, amounts to the last digit |
//! | `names` | what the bill and the events call the same provider |
//! | `ledger` | sums by name, day and currency: memory does not grow with the file |
//! | `compare` | difference, drift, coverage, tolerance |
//! | `read` | what was counted, from ClickHouse, and the verdict |
//! | `text` | for a terminal; JSON is the reconciliation itself |
//!
//! Amounts are summed exactly with 36 decimals and rounded once to 18, half to even, by day and currency; once more when they are converted.

mod charge;
mod compare;
mod error;
mod exact;
mod form;
mod google;
mod ledger;
mod names;
mod read;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use compare::{Line, Tolerance};
pub use error::{BillError, Place};
pub use form::{Apart, BillForm, CostColumn};
pub use ledger::{BillFile, BillOptions, By, Ledger};
pub use names::Names;
pub use read::{ReconciliationQuestion, read};
pub use text::terminal;

use jiff::civil::Date;
use serde::Serialize;

use crate::Amount;

/// Bills and what was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reconciliation {
    /// Format of this document.
    pub format: &'static str,
    /// Version of the program.
    pub version: String,
    /// When, by ClickHouse's clock; RFC 3339.
    pub generated_at: String,
    /// Database that was asked.
    pub database: String,
    /// By what is compared.
    pub by: By,
    /// Of the days.
    pub time_zone: &'static str,
    /// Of all amounts.
    pub currency: String,
    /// How far both sides may be apart.
    pub tolerance_percent: Amount,
    /// Of the charges that are compared.
    pub first_day: Option<Date>,
    /// Of the charges that are compared; it is compared too.
    pub last_day: Option<Date>,
    /// What was read.
    pub files: Vec<BillFile>,
    /// By name and day.
    pub lines: Vec<Line>,
    /// By name, over all days.
    pub totals: Vec<Line>,
    /// Names that are billed and not counted on any of the days.
    pub only_billed: Vec<String>,
    /// Counted on these days, and the bill does not have the name: not judged.
    pub only_counted: Vec<UnbilledLine>,
    /// Charges that are no usage: not compared.
    pub apart: Vec<ApartLine>,
    /// What must be known beside it, in words.
    pub notes: Vec<String>,
    /// Are both sides the same?
    pub verdict: Verdict,
}

/// What was counted of a name that no bill has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnbilledLine {
    /// Of the provider (service).
    pub name: String,
    /// By us.
    pub counted: Amount,
    /// Counted events whose cost is not known.
    pub unpriced_events: u64,
}

/// Charges of a kind that is not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApartLine {
    /// Of the provider (service).
    pub name: String,
    /// What they are.
    pub kind: Apart,
    /// How many.
    pub charges: u64,
    /// Their sum.
    pub amount: Amount,
}

/// Are both sides the same?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every day and total is within the tolerance.
    Within,
    /// One is not.
    Differs,
    /// No name is on both sides.
    NothingOverlaps,
}

impl Verdict {
    /// Of the command.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Within => 0,
            Verdict::Differs => 1,
            Verdict::NothingOverlaps => 3,
        }
    }
}
