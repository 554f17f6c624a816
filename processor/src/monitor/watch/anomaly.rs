//! Closed hours of what is not as usual, with what they cost: from them the view `incidents` finds which scopes see one cause.

use schemas::Money;
use schemas::alert::Level;
use schemas::rollup::AnomalyRow;
use serde::{Deserialize, Serialize};

use super::watched::HourRule;
use crate::monitor::hour_start;

/// A row that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anomaly {
    pub(super) rule: HourRule,
    pub(super) scope: Box<str>,
    /// Hours since 1970, as is `hour`.
    pub(super) since: u32,
    pub(super) hour: u32,
    pub(super) level: Level,
    pub(super) actual: Money,
    pub(super) expected: Money,
    pub(super) is_over: bool,
    pub(super) revision: i64,
}

impl Anomaly {
    pub(super) fn row(&self) -> AnomalyRow<'_> {
        AnomalyRow {
            rule: self.rule.name(),
            scope: &self.scope,
            since: hour_start(self.since),
            hour: hour_start(self.hour),
            level: self.level.name(),
            actual: self.actual,
            expected: self.expected,
            is_over: self.is_over,
            revision: self.revision,
        }
    }

    /// All hours that it names.
    pub(super) fn hours(&self) -> [u32; 2] {
        [self.since, self.hour]
    }
}
