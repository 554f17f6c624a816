//! What must always hold, by one list for everybody: the simulator looks at all of them, debug builds stop at a broken one, and a
//! running service counts it in a metric.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something that is a bug when it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// G1: the offsets read of an input partition equal the sum of their outcomes.
    OffsetsAreConserved,
    /// G3: accounts are never ahead of what the rollups show.
    AccountsFollowRows,
    /// G3: two rows of one key and revision are equal.
    RevisionNamesOneValue,
    /// G4: two cells of one series, bucket, input, generation and version are equal.
    VersionNamesOneCell,
    /// G3: two alerts of one id are equal.
    AlertIdNamesOneAlert,
    /// G3: two dead letters of one topic, partition and offset are equal.
    PlaceNamesOneDeadLetter,
    /// What is written to a table can be read back, to the last byte.
    RowsAreWhole,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Invariant; 7] = [
        Invariant::OffsetsAreConserved,
        Invariant::AccountsFollowRows,
        Invariant::RevisionNamesOneValue,
        Invariant::VersionNamesOneCell,
        Invariant::AlertIdNamesOneAlert,
        Invariant::PlaceNamesOneDeadLetter,
        Invariant::RowsAreWhole,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Invariant::OffsetsAreConserved => "offsets_are_conserved",
            Invariant::AccountsFollowRows => "accounts_follow_rows",
            Invariant::RevisionNamesOneValue => "revision_names_one_value",
            Invariant::VersionNamesOneCell => "version_names_one_cell",
            Invariant::AlertIdNamesOneAlert => "alert_id_names_one_alert",
            Invariant::PlaceNamesOneDeadLetter => "place_names_one_dead_letter",
            Invariant::RowsAreWhole => "rows_are_whole",
        }
    }

    /// How often this process has seen it broken.
    pub fn broken(self) -> u64 {
        BROKEN[self as usize].load(Ordering::Relaxed)
    }

    /// Stops a debug build when `holds` is false; any other counts it, says so in the log, and goes on.
    pub fn require(self, holds: bool, found: impl FnOnce() -> String) {
        if !holds {
            BROKEN[self as usize].fetch_add(1, Ordering::Relaxed);
            let found = found();
            tracing::error!(invariant = self.name(), found, "an invariant is broken: this is a bug of cost-rhythm, please report it");
            debug_assert!(holds, "{}: {found}", self.name());
        }
    }
}

static BROKEN: [AtomicU64; Invariant::ALL.len()] = [const { AtomicU64::new(0) }; Invariant::ALL.len()];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_one_is_counted_under_its_own_name() {
        let before = Invariant::ALL.map(Invariant::broken);
        let stopped = std::panic::catch_unwind(|| Invariant::RowsAreWhole.require(false, || "three bytes too many".to_owned()));
        assert_eq!(stopped.is_err(), cfg!(debug_assertions));
        Invariant::RowsAreWhole.require(true, || unreachable!("nothing is found where it holds"));
        for (invariant, before) in Invariant::ALL.into_iter().zip(before) {
            assert_eq!(invariant.broken() - before, u64::from(invariant == Invariant::RowsAreWhole), "{}", invariant.name());
        }
    }
}
