//! Grouping sets: by which dimensions the views group.

/// Names of the dimensions, which are event fields and columns at once.
pub(crate) const DIMENSIONS: [&str; 14] = [
    "provider",
    "model",
    "service",
    "feature",
    "route",
    "task_type",
    "team",
    "project",
    "environment",
    "cost_center",
    "user_id",
    "operation",
    "owner",
    "tier",
];

/// Stands for every value over a set's limit.
pub(crate) const OTHER: &str = "__other__";

/// One way of grouping, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupingSet {
    /// `total`, `model`, ...
    pub name: String,
    /// Dimensions by their column names, in order.
    pub key: Vec<String>,
    /// Each of these dimensions must have one of these values.
    pub filter: Vec<(String, Vec<String>)>,
    /// Most different keys per quarter hour and input partition.
    pub max_series: usize,
}

impl GroupingSet {
    /// A set over all events with the default limit.
    pub fn new(name: &str, key: &[&str]) -> Self {
        GroupingSet { name: name.to_owned(), key: key.iter().map(|k| (*k).to_owned()).collect(), filter: Vec::new(), max_series: 200_000 }
    }

    /// The contract's twelve.
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::new("total", &[]),
            Self::new("provider", &["provider"]),
            Self::new("model", &["provider", "model"]),
            Self::new("service", &["service"]),
            Self::new("feature", &["feature"]),
            Self::new("route", &["route"]),
            Self::new("task_type", &["task_type"]),
            Self::new("team", &["team"]),
            Self::new("project", &["project"]),
            Self::new("environment", &["environment"]),
            Self::new("cost_center", &["cost_center"]),
            Self::new("user", &["user_id"]),
        ]
    }
}
