//! What became of every offset of a partition.

use crate::Outcome;

/// One row of `pipeline_accounts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The first offset that the topic still held.
    pub first_offset: i64,
    /// The offset after the last one.
    pub next_offset: i64,
    /// In the rollups.
    pub counted: i64,
    /// Repeats.
    pub duplicate: i64,
    /// Same identity, other meaning.
    pub conflict: i64,
    /// Behind the horizon.
    pub late: i64,
    /// Not acceptable.
    pub rejected: i64,
    /// Control records, aborted transactions, gaps.
    pub skipped: i64,
}

impl Account {
    pub(crate) fn starting_at(offset: i64) -> Self {
        Account { first_offset: offset, next_offset: offset, ..Account::default() }
    }

    /// Everything before `offset` that was not seen is skipped.
    pub(crate) fn skip_to(&mut self, offset: i64) {
        self.skipped += (offset - self.next_offset).max(0);
        self.next_offset = self.next_offset.max(offset);
    }

    pub(crate) fn record(&mut self, offset: i64, outcome: &Outcome) {
        self.skip_to(offset);
        self.next_offset = offset + 1;
        *match outcome {
            Outcome::Counted => &mut self.counted,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Conflict => &mut self.conflict,
            Outcome::Late => &mut self.late,
            Outcome::Rejected(_) => &mut self.rejected,
        } += 1;
    }

    /// The columns of the view with their values.
    pub(crate) fn columns(&self) -> [(&'static str, i64); 7] {
        [
            ("offsets_in", self.next_offset - self.first_offset),
            ("counted", self.counted),
            ("duplicate", self.duplicate),
            ("conflict", self.conflict),
            ("late", self.late),
            ("rejected", self.rejected),
            ("skipped", self.skipped),
        ]
    }
}
