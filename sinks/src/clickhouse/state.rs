//! Is the server taking rows? For health and readiness.

use std::sync::Mutex;
use std::time::Instant;

use super::error::ClickHouseError;
use super::queue::lock;

/// How it stands with the server, as of the last insert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SinkState {
    /// It takes rows, or nothing was written yet.
    #[default]
    Up,
    /// It does not.
    Down {
        /// Since when.
        since: Instant,
        /// The latest reason.
        error: String,
    },
}

#[derive(Debug, Default)]
pub(crate) struct StateCell(Mutex<SinkState>);

impl StateCell {
    pub(crate) fn get(&self) -> SinkState {
        lock(&self.0).clone()
    }

    pub(crate) fn succeeded(&self) {
        let mut state = lock(&self.0);
        if let SinkState::Down { since, .. } = &*state {
            tracing::info!(down_s = since.elapsed().as_secs(), "ClickHouse takes rows again");
        }
        *state = SinkState::Up;
    }

    /// Is it news?
    pub(crate) fn failed(&self, error: &ClickHouseError) -> bool {
        let mut state = lock(&self.0);
        let (since, news) = match &*state {
            SinkState::Up => (Instant::now(), true),
            SinkState::Down { since, error: last } => (*since, *last != error.to_string()),
        };
        *state = SinkState::Down { since, error: error.to_string() };
        news
    }
}
