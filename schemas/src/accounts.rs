//! What became of every offset of an input partition (guarantee G1).

use serde::{Deserialize, Serialize};

/// The fate of one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// In the rollups.
    Counted,
    /// Same identity and meaning as an event counted before.
    Duplicate,
    /// Same identity, other meaning: a dead letter.
    Conflict,
    /// Older than the horizon: a dead letter.
    Late,
    /// Not acceptable, or from the future: a dead letter.
    Rejected,
    /// No message of a producer: control records, aborted transactions, gaps.
    Skipped,
}

/// How many offsets of a partition ended how, up to `next_offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// The first offset ever read.
    pub first_offset: i64,
    /// The first offset not yet accounted for.
    pub next_offset: i64,
    /// See [`Outcome::Counted`].
    pub counted: u64,
    /// See [`Outcome::Duplicate`].
    pub duplicate: u64,
    /// See [`Outcome::Conflict`].
    pub conflict: u64,
    /// See [`Outcome::Late`].
    pub late: u64,
    /// See [`Outcome::Rejected`].
    pub rejected: u64,
    /// See [`Outcome::Skipped`].
    pub skipped: u64,
}

impl Accounts {
    /// Of a partition of which nothing was read yet.
    pub fn starting_at(offset: i64) -> Self {
        Accounts { first_offset: offset, next_offset: offset, ..Accounts::default() }
    }

    /// Accounts for the message at `offset`; offsets jumped over are skipped ones.
    pub fn record(&mut self, offset: i64, outcome: Outcome) {
        self.skip_to(offset);
        self.next_offset = offset + 1;
        match outcome {
            Outcome::Counted => self.counted += 1,
            Outcome::Duplicate => self.duplicate += 1,
            Outcome::Conflict => self.conflict += 1,
            Outcome::Late => self.late += 1,
            Outcome::Rejected => self.rejected += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }

    /// Accounts for a gap: everything before `offset` that was not seen.
    pub fn skip_to(&mut self, offset: i64) {
        let gap = u64::try_from(offset - self.next_offset).unwrap_or(0);
        self.skipped += gap;
        self.next_offset = self.next_offset.max(offset);
    }

    /// Offsets read.
    pub fn offsets_in(&self) -> u64 {
        u64::try_from(self.next_offset - self.first_offset).unwrap_or(0)
    }

    /// G1: offsets in = sum of outcomes.
    pub fn is_conserved(&self) -> bool {
        self.counted + self.duplicate + self.conflict + self.late + self.rejected + self.skipped == self.offsets_in()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_skipped_offsets_and_the_sum_holds() {
        let mut accounts = Accounts::starting_at(10);
        accounts.record(10, Outcome::Counted);
        accounts.record(14, Outcome::Duplicate);
        accounts.skip_to(20);
        assert_eq!((accounts.skipped, accounts.offsets_in(), accounts.is_conserved()), (8, 10, true));
    }
}
