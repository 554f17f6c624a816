//! How many statements run and wait at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::exception::{Exception, code};
use crate::options::Limits;

/// Places for running statements, and for those that wait for one.
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    limits: Limits,
}

/// A place; dropped when the statement's thread is done with the engine.
pub(crate) type Place = OwnedSemaphorePermit;

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { places: Arc::new(Semaphore::new(limits.max_running)), waiting: AtomicUsize::new(0), limits: limits.clone() }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// Code 202 when too many wait already, or for too long, or the engine is shutting down.
    pub(crate) async fn place(&self) -> Result<Place, Exception> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(&self.waiting, self.limits.max_waiting)
            .ok_or_else(|| refused(format_args!("{} statements wait already, the limit", self.limits.max_waiting)))?;
        match timeout(self.limits.waiting_timeout, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_closed)) => Err(refused(format_args!("the engine is shutting down"))),
            Err(_elapsed) => Err(refused(format_args!("no place within {:?}", self.limits.waiting_timeout))),
        }
    }

    /// Refuses every statement from now on.
    pub(crate) fn close(&self) {
        self.places.close();
    }

    /// Statements that hold a place.
    pub(crate) fn running(&self) -> usize {
        self.limits.max_running.saturating_sub(self.places.available_permits())
    }
}

/// Counts one that waits, for as long as it does.
struct Waiting<'count>(&'count AtomicUsize);

impl<'count> Waiting<'count> {
    fn enter(count: &'count AtomicUsize, limit: usize) -> Option<Self> {
        let entered = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < limit).then_some(now + 1));
        entered.ok().map(|_| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn refused(reason: std::fmt::Arguments<'_>) -> Exception {
    Exception::new(
        code::TOO_MANY_SIMULTANEOUS_QUERIES,
        "TOO_MANY_SIMULTANEOUS_QUERIES",
        format_args!("No place for another statement: {reason}. Try again later"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn beyond_running_and_waiting_a_statement_is_refused() {
        let limits = Limits { max_running: 1, max_waiting: 1, waiting_timeout: Duration::from_secs(5), ..Limits::default() };
        let admission = Arc::new(Admission::new(&limits));
        let place = admission.place().await.unwrap();
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.place().await.map(|_| ()) }
        });
        tokio::task::yield_now().await;
        assert_eq!(admission.place().await.unwrap_err().code, code::TOO_MANY_SIMULTANEOUS_QUERIES);
        drop(place);
        waiting.await.unwrap().unwrap();
        assert_eq!(admission.running(), 0);
    }
}
