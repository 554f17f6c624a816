//! The views that readers of rollups use: one per granularity and grouping set, made from the configured sets.
//!
//! A view hides revisions (`FINAL`) and sums generations, so that a plain `SELECT sum(cost)` is right. Its grouping columns
//! are expressions of the primary key, so a reader's filter on `window_start` and on the dimensions reaches the index.

use schemas::GroupingSet;
use schemas::rollup::Granularity;

use super::migrations::fnv;

/// A view and how it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name in the database.
    pub name: String,
    /// The query behind it.
    pub select: String,
}

/// Why no view can be made of a grouping set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// It would be part of a view's name.
    #[error("grouping set {0:?}: a name is 1 to 64 of a-z, 0-9 and _, and begins with a letter")]
    Name(String),
    /// Two sets of one name would share a view.
    #[error("grouping set {0:?} is there twice: give one of them another name")]
    Twice(String),
}

/// What follows the dimension columns, in the order of the contract.
const MEASURES: &str = "\
    sum(r.events) AS events,
    sum(r.calls) AS calls,
    sum(r.errors) AS errors,
    sum(r.unpriced_events) AS unpriced_events,
    sum(r.uncached_input_tokens) AS uncached_input_tokens,
    sum(r.cache_read_tokens) AS cache_read_tokens,
    sum(r.cache_write_tokens) AS cache_write_tokens,
    sum(r.output_tokens) AS output_tokens,
    sum(r.reasoning_tokens) AS reasoning_tokens,
    sum(r.cost) AS cost,
    sum(r.revenue) AS revenue,
    sum(r.latency_count) AS latency_count,
    sum(r.latency_ms_sum) AS latency_ms_sum,
    max(r.latency_ms_max) AS latency_ms_max,
    min(r.first_event_at) AS first_event_at,
    max(r.last_event_at) AS last_event_at,
    min(r.is_final) AS is_final,
    max(r.revision) AS revision";

/// The name of the view of a set: `hourly_total`, `daily_by_model`.
pub fn view_name(granularity: Granularity, set: &str) -> String {
    if set == "total" { format!("{}_total", granularity.adverb()) } else { format!("{}_by_{set}", granularity.adverb()) }
}

/// The views of the sets that analysts see, in every granularity.
///
/// # Errors
/// [`ViewError`] names the set.
pub fn rollup_views(sets: &[GroupingSet]) -> Result<Vec<View>, ViewError> {
    let published: Vec<&GroupingSet> = sets.iter().filter(|set| set.is_published()).collect();
    for (index, set) in published.iter().enumerate() {
        if !is_plain_name(&set.name) {
            return Err(ViewError::Name(set.name.clone()));
        }
        if published[..index].iter().any(|other| other.name == set.name) {
            return Err(ViewError::Twice(set.name.clone()));
        }
    }
    let views = published.iter().flat_map(|set| Granularity::ALL.map(|granularity| rollup_view(granularity, set)));
    Ok(views.collect())
}

fn is_plain_name(name: &str) -> bool {
    let characters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    characters && name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn rollup_view(granularity: Granularity, set: &GroupingSet) -> View {
    let mut dimensions = String::new();
    let mut keys = String::from("window_start");
    for (index, dimension) in set.key.iter().enumerate() {
        let name = dimension.name();
        dimensions += &format!("    r.`values`[{}] AS {name},\n", index + 1);
        keys += &format!(", {name}");
    }
    // A key lies in one partition for ever (the window's month is part of both), so partitions need not be merged.
    let select = format!(
        "SELECT\n    r.window_start AS window_start,\n{dimensions}{MEASURES}\nFROM rollups AS r FINAL\n\
         WHERE r.granularity = '{}' AND r.`set` = '{}'\nGROUP BY {keys}\n\
         SETTINGS do_not_merge_across_partitions_select_final = 1",
        granularity.name(),
        set.name,
    );
    View { name: view_name(granularity, &set.name), select }
}

impl View {
    /// What is kept in the view's comment, so that an unchanged view is left alone at the next start.
    pub(crate) fn mark(&self) -> String {
        format!("made by cost-rhythm from its configuration, {:016x}", fnv(self.select.as_bytes()))
    }

    /// The statement that makes it or changes it in one step.
    pub(crate) fn statement(&self) -> String {
        format!("CREATE OR REPLACE VIEW {} AS\n{}\nCOMMENT '{}'", self.name, self.select, self.mark())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_sets_have_the_names_of_the_contract() {
        let views = rollup_views(&GroupingSet::defaults()).unwrap();
        assert_eq!(views.len(), 48);
        for name in ["hourly_total", "hourly_by_provider", "daily_by_model", "monthly_by_user", "quarter_hour_by_feature"] {
            assert!(views.iter().any(|view| view.name == name), "{name}");
        }
    }

    #[test]
    fn names_that_would_not_be_names_are_refused() {
        for name in ["", "a b", "x;DROP TABLE rollups", "Ä", "_x", "9x", "A"] {
            assert!(matches!(rollup_views(&[GroupingSet::new(name, &[])]), Err(ViewError::Name(_))), "{name:?}");
        }
        let twice = [GroupingSet::new("team", &[]), GroupingSet::new("team", &[])];
        assert_eq!(rollup_views(&twice), Err(ViewError::Twice("team".to_owned())));
    }

    #[test]
    fn sets_that_only_budgets_need_have_no_views() {
        assert_eq!(rollup_views(&[GroupingSet::new("budget:llm", &[])]), Ok(Vec::new()));
    }
}
