//! Grouping sets: by which dimensions cells are kept.

use serde::{Deserialize, Serialize};

use crate::Dimension;

/// Most dimensions in one set's key.
pub const MAX_KEY: usize = 8;

/// One way of grouping spend. Every counted event that passes the filter falls into exactly one cell of the set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupingSet {
    /// Stable name: `total`, `model`, ..., or `budget:NAME` for a set that only a budget needs.
    pub name: String,
    /// The dimensions whose values make a series, in order. Empty for `total`.
    pub key: Vec<Dimension>,
    /// Every one of these dimensions must have one of these values. Empty: all events.
    #[serde(default)]
    pub filter: Vec<(Dimension, Vec<String>)>,
    /// Most series per bucket and input partition; values beyond are counted under [`OTHER`].
    pub max_series: u32,
}

/// Stands for every value over the set's limit.
pub const OTHER: &str = "__other__";

/// Most series per bucket and input partition of a set, unless configured.
pub const DEFAULT_MAX_SERIES: u32 = 200_000;

impl GroupingSet {
    /// Do both count the same under the same name? The limit may differ.
    pub fn is_same(&self, other: &GroupingSet) -> bool {
        (&self.name, &self.key, &self.filter) == (&other.name, &other.key, &other.filter)
    }

    /// A set over all events.
    pub fn new(name: &str, key: &[Dimension]) -> Self {
        GroupingSet { name: name.to_owned(), key: key.to_vec(), filter: Vec::new(), max_series: DEFAULT_MAX_SERIES }
    }

    /// The twelve sets of the contract.
    pub fn defaults() -> Vec<Self> {
        use Dimension::*;
        vec![
            Self::new("total", &[]),
            Self::new("provider", &[Provider]),
            Self::new("model", &[Provider, Model]),
            Self::new("service", &[Service]),
            Self::new("feature", &[Feature]),
            Self::new("route", &[Route]),
            Self::new("task_type", &[TaskType]),
            Self::new("team", &[Team]),
            Self::new("project", &[Project]),
            Self::new("environment", &[Environment]),
            Self::new("cost_center", &[CostCenter]),
            Self::new("user", &[UserId]),
        ]
    }

    /// Is it one that analysts see (and not a budget's own)?
    pub fn is_published(&self) -> bool {
        !self.name.starts_with("budget:")
    }
}
