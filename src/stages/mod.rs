//! The two stages as the runtime sees them: decoding in front of a pure fold, encoding behind it.

pub mod budget_figures;
mod dead_letter;
mod event_record;
mod meter;
mod monitor;
mod recovery;
pub mod spend_figures;

pub use dead_letter::dead_letter;
pub use event_record::event_record;
pub use meter::{MeterFactory, MeterStage};
pub use monitor::{MonitorFactory, MonitorStage};
pub use recovery::recover;

use runtime::store::Loaded;
use runtime::{Stage, StageError};

/// Where a stage runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePlace {
    /// The log's topic.
    pub topic: String,
    /// The log's partition.
    pub partition: i32,
    /// Partitions of the log's topic.
    pub partitions: i32,
}

/// Makes stages of one kind.
pub trait StageFactory: Send + Sync + 'static {
    /// `meter` or `monitor`.
    fn name(&self) -> &'static str;

    /// Hash of everything but the log that the stage's results depend on.
    fn rules(&self) -> String;

    /// A stage that has read nothing; the log begins at `offset`.
    ///
    /// # Errors
    /// [`StageError`]
    fn fresh(&self, place: &StagePlace, offset: i64) -> Result<Box<dyn Stage>, StageError>;

    /// A stage in the state of a snapshot.
    ///
    /// # Errors
    /// [`StageError`]
    fn restore(&self, place: &StagePlace, loaded: &Loaded) -> Result<Box<dyn Stage>, StageError>;
}
