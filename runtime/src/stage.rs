//! What a stage is: a deterministic fold over one log partition.

use schemas::Timestamp;
use schemas::identity_run::{IdentityRun, Segment};

use crate::io::{Message, OutRecord, RowBatch};

/// What a stage wants done outside, in order.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be produced.
    pub records: Vec<OutRecord>,
    /// To be written to tables.
    pub batches: Vec<RowBatch>,
}

/// Which messages a stage has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many, from the first on.
    pub messages: usize,
    /// Why it does not take the next one yet (the schema registry is silent): offer it again later. `None`: all were taken.
    pub waits_for: Option<String>,
}

/// The stage cannot go on with this partition; a person must act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct StageError {
    /// Stable code, documented in `docs/ERRORS.md`.
    pub code: &'static str,
    /// What was found, where, and the remedy.
    pub text: String,
}

/// A stage's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageState {
    /// Everything but the identities.
    pub body: Vec<u8>,
    /// Identities.
    pub segment: Option<Segment>,
    /// Day number of event time, for dropping segments and runs.
    pub today: i64,
    /// Days after which an identity no longer counts.
    pub horizon_days: i64,
}

/// A deterministic fold. Its state and effects are a function of the log and its rules.
pub trait Stage: Send {
    /// Folds messages, in order. How they are divided among calls changes nothing.
    ///
    /// # Errors
    /// [`StageError`] stops the partition: state and effects are not to be used any more.
    fn apply(&mut self, messages: &[Message<'_>], effects: &mut Effects) -> Result<Taken, StageError>;

    /// No message below this offset will come any more.
    fn skip_to(&mut self, offset: i64);

    /// Sends what changed since the last flush.
    ///
    /// # Errors
    /// [`StageError`]
    fn flush(&mut self, effects: &mut Effects) -> Result<(), StageError>;

    /// The partition has been silent at its end; `now` is wall-clock time. Decisions taken from it must go out with the effects.
    fn idle(&mut self, now: Timestamp);

    /// The first offset not yet folded.
    fn position(&self) -> i64;

    /// The state at [`Stage::position`]; called right after a flush.
    ///
    /// # Errors
    /// [`StageError`]
    fn state(&mut self) -> Result<StageState, StageError>;

    /// Should a snapshot be taken soon, because memory fills with what it would take away?
    fn wants_snapshot(&self) -> bool {
        false
    }

    /// The last state is stored, a sealed segment of it among these runs, oldest first.
    fn stored(&mut self, _runs: Vec<IdentityRun>) {}

    /// Named figures for metrics (memory in bytes, cells, ...).
    fn gauges(&self) -> Vec<(&'static str, f64)>;
}
