//! Where to begin: rules as a pure function over what the store, the group and the log say.

use crate::snapshot::SnapshotHead;
use crate::stage::StageError;

/// What is known when a partition is assigned.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The newest valid snapshot.
    pub snapshot: Option<&'a SnapshotHead>,
    /// Snapshots that could not be read.
    pub broken: &'a [String],
    /// What this partition is.
    pub stage: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// Its number.
    pub partition: i32,
    /// The log's identity.
    pub log_id: &'a str,
    /// Hash of the rules in force.
    pub rules: &'a str,
    /// The group's committed offset.
    pub committed: Option<i64>,
    /// First offset in the log.
    pub log_start: i64,
    /// First offset not yet in the log.
    pub log_end: i64,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With nothing, at this offset.
    Fresh(i64),
    /// With the snapshot, at its offset.
    Resume(i64),
}

/// Decides.
///
/// | snapshot | committed | log | |
/// |---|---|---|---|
/// | none | none | any | fresh, at the log's first offset |
/// | none readable, some broken | any | any | refused CR-1002 |
/// | none | some | any | refused CR-1001 |
/// | of another cluster or partition | any | any | refused CR-1003 |
/// | by other rules, not final | any | any | refused CR-1004 |
/// | before the log's start | any | any | refused CR-1005 |
/// | beyond the log's end | any | any | refused CR-1006 |
/// | else | any | any | resumed; what the group committed is advisory |
///
/// # Errors
/// [`StageError`] with the codes above.
pub fn decide(s: &Situation<'_>) -> Result<Start, StageError> {
    let refuse = |code, text: String| Err(StageError { code, text: format!("{} {}/{}: {text}", s.stage, s.topic, s.partition) });
    let Some(head) = s.snapshot else {
        if let Some(broken) = s.broken.first() {
            return refuse(
                "CR-1002",
                format!(
                    "no snapshot can be read ({broken}): restore the state directory from a backup, or follow docs/OPERATIONS.md, 'lost state'"
                ),
            );
        }
        return match s.committed {
            None => Ok(Start::Fresh(s.log_start)),
            Some(offset) => refuse(
                "CR-1001",
                format!(
                    "the group has committed offset {offset}, but the state directory has no snapshot: point state.url at the right place, or follow docs/OPERATIONS.md, 'lost state'"
                ),
            ),
        };
    };
    let found = (head.stage.as_str(), head.topic.as_str(), head.partition, head.log_id.as_str());
    if found != (s.stage, s.topic, s.partition, s.log_id) {
        return refuse(
            "CR-1003",
            format!(
                "the snapshot is of {} {}/{} on cluster {:?}, this is cluster {:?}: point state.url at the state of this cluster, or follow docs/OPERATIONS.md, 'moving a cluster'",
                head.stage, head.topic, head.partition, head.log_id, s.log_id
            ),
        );
    }
    if head.rules != s.rules && !head.is_final {
        return refuse(
            "CR-1004",
            format!(
                "rules (prices, rates, grouping sets or limits) have changed since the snapshot at offset {}, and the last stop was a crash: start once with the former configuration and stop it in order (SIGTERM), then change it",
                head.offset
            ),
        );
    }
    if head.offset < s.log_start {
        return refuse(
            "CR-1005",
            format!(
                "the snapshot stands for offset {}, but the log now begins at {}: {} messages were deleted unread; lengthen the topic's retention and follow docs/OPERATIONS.md, 'lost state'",
                head.offset,
                s.log_start,
                s.log_start - head.offset
            ),
        );
    }
    if head.offset > s.log_end {
        return refuse(
            "CR-1006",
            format!(
                "the snapshot stands for offset {}, but the log ends at {}: the topic was recreated or lost data; follow docs/OPERATIONS.md, 'lost state'",
                head.offset, s.log_end
            ),
        );
    }
    Ok(Start::Resume(head.offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Timestamp;

    fn head() -> SnapshotHead {
        SnapshotHead {
            stage: "meter".into(),
            topic: "in".into(),
            partition: 1,
            log_id: "c".into(),
            offset: 50,
            rules: "r".into(),
            is_final: false,
            written_at: Timestamp::MIN,
            segments: Vec::new(),
            runs: Vec::new(),
        }
    }

    fn situation<'a>(snapshot: Option<&'a SnapshotHead>) -> Situation<'a> {
        Situation {
            snapshot,
            broken: &[],
            stage: "meter",
            topic: "in",
            partition: 1,
            log_id: "c",
            rules: "r",
            committed: None,
            log_start: 10,
            log_end: 100,
        }
    }

    fn code(result: Result<Start, StageError>) -> &'static str {
        result.map_or_else(|error| error.code, |_| "ok")
    }

    #[test]
    fn a_partition_never_read_begins_at_the_logs_start() {
        assert_eq!(decide(&situation(None)), Ok(Start::Fresh(10)));
    }

    #[test]
    fn a_snapshot_is_resumed_whatever_was_committed() {
        for committed in [None, Some(0), Some(50), Some(70)] {
            assert_eq!(decide(&Situation { committed, ..situation(Some(&head())) }), Ok(Start::Resume(50)));
        }
    }

    #[test]
    fn missing_or_broken_state_behind_a_commit_is_never_a_fresh_start() {
        assert_eq!(code(decide(&Situation { committed: Some(0), ..situation(None) })), "CR-1001");
        assert_eq!(code(decide(&Situation { broken: &["torn".to_owned()], ..situation(None) })), "CR-1002");
    }

    #[test]
    fn foreign_state_is_refused() {
        let h = head();
        let base = situation(Some(&h));
        for foreign in [
            Situation { log_id: "d", ..base.clone() },
            Situation { partition: 2, ..base.clone() },
            Situation { topic: "x", ..base.clone() },
            Situation { stage: "monitor", ..base.clone() },
        ] {
            assert_eq!(code(decide(&foreign)), "CR-1003");
        }
    }

    #[test]
    fn other_rules_need_an_orderly_stop() {
        assert_eq!(code(decide(&Situation { rules: "other", ..situation(Some(&head())) })), "CR-1004");
        let last = SnapshotHead { is_final: true, ..head() };
        assert_eq!(decide(&Situation { rules: "other", ..situation(Some(&last)) }), Ok(Start::Resume(50)));
    }

    #[test]
    fn a_log_that_no_longer_holds_the_offset_is_refused() {
        assert_eq!(code(decide(&Situation { log_start: 51, ..situation(Some(&head())) })), "CR-1005");
        assert_eq!(code(decide(&Situation { log_end: 49, ..situation(Some(&head())) })), "CR-1006");
        assert_eq!(code(decide(&Situation { log_start: 50, log_end: 50, ..situation(Some(&head())) })), "ok");
    }
}
