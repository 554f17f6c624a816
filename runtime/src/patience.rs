//! Requests to a store that fail, and how long they are repeated.

use std::time::Duration;

use object_store::path::Path;
use tokio::sync::oneshot::Sender;

use crate::snapshot_watch::SnapshotWatch;

/// Between two attempts to save while the store is away. Its client has tried for minutes by itself before each.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// How long a save bears with a store that is away: until nobody asks for its outcome any more.
pub(crate) struct Patience<T> {
    asker: Sender<Result<T, String>>,
    watch: SnapshotWatch,
}

impl<T> Patience<T> {
    pub(crate) fn new(asker: Sender<Result<T, String>>, watch: SnapshotWatch) -> Self {
        Patience { asker, watch }
    }

    /// Repeats an attempt until it succeeds.
    ///
    /// # Errors
    /// The text of the last failure, when repeating it is no use or nobody waits for it.
    pub(crate) async fn repeat<D, F: Future<Output = Result<D, Failure>>>(&self, attempt: impl Fn() -> F) -> Result<D, String> {
        loop {
            let failure = match attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            if failure.is_lasting || self.asker.is_closed() {
                return Err(failure.text);
            }
            tracing::warn!(reason = failure.text, "a snapshot cannot be written yet, it is tried again");
            self.watch.update(|figures| figures.trouble = Some(failure.text));
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) fn answer(self, outcome: Result<T, String>) {
        // The driver may have ended meanwhile; then nobody asks any more.
        drop(self.asker.send(outcome));
    }
}

/// A request to the store that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) text: String,
    /// It fails again if it is repeated as it is.
    pub(crate) is_lasting: bool,
    /// There is no such object, or not the one that was written.
    pub(crate) is_broken: bool,
}

impl Failure {
    /// The object is not the one that was written.
    pub(crate) fn damaged(path: &Path) -> Self {
        Failure { text: format!("{path} is damaged"), is_lasting: true, is_broken: true }
    }

    pub(crate) fn new(attempt: &str, path: &Path, error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let is_missing = matches!(error, E::NotFound { .. });
        // Everything but these is what the network, a full disk or an overloaded server looks like.
        let is_lasting = is_missing
            || matches!(
                error,
                E::PermissionDenied { .. }
                    | E::Unauthenticated { .. }
                    | E::InvalidPath { .. }
                    | E::NotSupported { .. }
                    | E::NotImplemented { .. }
            );
        Failure { text: format!("cannot {attempt} {path}: {error}"), is_lasting, is_broken: is_missing }
    }
}
