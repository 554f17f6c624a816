//! Where snapshots are kept.

use schemas::identity_run::IdentityRun;

use crate::io::IoError;
use crate::snapshot::SnapshotHead;
use crate::stage::StageState;

/// A snapshot as it comes back.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it is of.
    pub head: SnapshotHead,
    /// The state.
    pub body: Vec<u8>,
    /// The contents of its segments, in order.
    pub segments: Vec<Vec<u8>>,
    /// Its runs of identities, the oldest first, of which only the directories were read.
    pub runs: Vec<IdentityRun>,
}

/// What the store holds for a partition.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// The newest snapshot that is whole.
    pub newest: Option<Loaded>,
    /// Newer ones that are not, with the reason.
    pub broken: Vec<String>,
}

/// A snapshot to be saved.
#[derive(Clone, Debug)]
pub struct ToSave {
    /// The offset it stands for.
    pub offset: i64,
    /// Was nothing published beyond it?
    pub is_final: bool,
    /// The state.
    pub state: StageState,
}

/// A snapshot that lasts.
#[derive(Clone, Debug)]
pub struct Saved {
    /// The offset it stands for.
    pub offset: i64,
    /// Its runs of identities, the oldest first.
    pub runs: Vec<IdentityRun>,
}

/// The snapshots of one stage and partition.
pub trait SnapshotStore: Send {
    /// The newest valid snapshot.
    ///
    /// # Errors
    /// [`IoError`] when the store cannot be asked.
    fn load(&mut self) -> Result<Holdings, IoError>;

    /// Begins saving; one at a time.
    fn save(&mut self, snapshot: ToSave);

    /// The outcome of the save under way, once.
    fn saved(&mut self) -> Option<Result<Saved, IoError>>;
}
