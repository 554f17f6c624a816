//! Notices that the process's connections to Kafka are dead while the brokers answer others.
//!
//! A client that has lost all brokers (`ingest/src/kafka/reach.rs` says how) is given the bootstrap servers again. Whatever else it may be that leaves a stage without
//! partitions, or the producer without acknowledgements, for as long as a group takes twice: then the process ends, to be started again by its supervisor.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ingest::kafka::{Admin, Reach};
use rdkafka::ClientConfig;
use sinks::kafka::Producer;

use super::partitions::Partitions;
use super::ticking::Ticking;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A client of the process that is not answered within this time, while a new one is, has lost the brokers.
const DEAF_AFTER: Duration = Duration::from_secs(3);
/// What stands still for so long may be dead. Longer than a group takes to give partitions away and back.
const STILL_FOR: Duration = Duration::from_secs(90);
/// A new client is answered so often in a row meanwhile: the brokers are there.
const ANSWERS: u32 = 4;
/// How long that client waits for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Looks at stages and producer, on a thread of its own.
pub(super) struct Watchdog {
    found: Arc<Mutex<Option<String>>>,
    ticking: Ticking,
}

impl Watchdog {
    /// Starts looking.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn start(
        stages: Vec<Partitions>,
        clients: Vec<Arc<Reach>>,
        producer: Producer,
        client: ClientConfig,
    ) -> std::io::Result<Self> {
        let found: Arc<Mutex<Option<String>>> = Arc::default();
        let (reasons, mut watch) = (Arc::clone(&found), Watch::default());
        let answers = move || Admin::new(&client, ANSWERED_WITHIN).is_ok_and(|admin| admin.cluster_id().is_ok());
        let look = move || {
            let deaf: Vec<&Arc<Reach>> = clients.iter().filter(|client| !client.is_answered(DEAF_AFTER)).collect();
            if !deaf.is_empty() && answers() {
                for client in deaf {
                    tracing::warn!(
                        client = client.name,
                        "a kafka client is not answered any more, while a new one is: it gets the bootstrap servers again"
                    );
                    client.bootstrap_again();
                }
            }
            let owned = stages.iter().map(|stage| !stage.report().is_empty()).collect();
            let seen = Seen { owned, unacknowledged: producer.unacknowledged() };
            let Some(reason) = watch.look(seen, Instant::now(), &answers) else { return ControlFlow::Continue(()) };
            *reasons.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
            ControlFlow::Break(())
        };
        Ok(Watchdog { found, ticking: Ticking::start("watchdog", LOOK_EVERY, Arc::default(), look)? })
    }

    /// What is dead, if something is.
    pub(super) fn found(&self) -> Option<String> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks no more; a look that is under way is not waited for.
    pub(super) fn stop(self) {
        self.ticking.stop(Duration::ZERO);
    }
}

/// What a look finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Does the process own partitions of each stage?
    owned: Vec<bool>,
    /// Records that no broker has acknowledged.
    unacknowledged: u64,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Watch {
    last: Seen,
    /// Stages of which it has owned partitions.
    once_owned: Vec<bool>,
    /// Since when something stands still.
    still_since: Option<Instant>,
    answers: u32,
}

impl Watch {
    /// Why the connections are dead, if they are. `answers`: do the brokers answer a new client?
    fn look(&mut self, seen: Seen, now: Instant, answers: impl Fn() -> bool) -> Option<String> {
        self.once_owned.resize(seen.owned.len(), false);
        self.once_owned.iter_mut().zip(&seen.owned).for_each(|(once, owned)| *once |= owned);
        let has_lost = self.once_owned.iter().zip(&seen.owned).any(|(once, owned)| *once && !owned);
        let is_unheard = seen.unacknowledged > 0 && seen.unacknowledged == self.last.unacknowledged;
        self.last = seen;
        if !has_lost && !is_unheard {
            (self.still_since, self.answers) = (None, 0);
            return None;
        }
        let since = *self.still_since.get_or_insert(now);
        // Brokers that are away are waited for: time begins anew when they answer.
        if !answers() {
            (self.still_since, self.answers) = (None, 0);
            return None;
        }
        self.answers += 1;
        if self.answers < ANSWERS || now.duration_since(since) < STILL_FOR {
            return None;
        }
        let what = if has_lost { "no partition of a stage is assigned any more" } else { "no broker acknowledges what was sent" };
        Some(format!("for {} s {what}, while a new client is answered", now.duration_since(since).as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(owned: [bool; 2], unacknowledged: u64) -> Seen {
        Seen { owned: owned.to_vec(), unacknowledged }
    }

    /// Looks every ten seconds for so long; after how many seconds it is found to be dead.
    fn dead_after(
        watch: &mut Watch,
        begun: Instant,
        seconds: u64,
        seen: impl Fn(u64) -> Seen,
        answers: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        (0..seconds).step_by(10).find(|at| watch.look(seen(*at), begun + Duration::from_secs(*at), || answers(*at)).is_some())
    }

    #[test]
    fn a_stage_whose_partitions_are_lost_is_dead_when_brokers_answer_and_none_comes_back() {
        let begun = Instant::now();
        let lost = |at| seen([true, at < 30], 0);
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, lost, |_| true), Some(120));
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, lost, |_| false), None, "an outage is waited for");
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, lost, |at| at >= 200), Some(290), "and time begins at its end");
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, |at| seen([true, !(30..110).contains(&at)], 0), |_| true), None);
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, |_| seen([true, false], 0), |_| true), None, "it never had any");
    }

    #[test]
    fn a_producer_that_nobody_hears_is_dead_and_one_that_is_busy_is_not() {
        let begun = Instant::now();
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, |_| seen([true, true], 7), |_| true), Some(100));
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, |at| seen([true, true], 7 + at), |_| true), None);
        assert_eq!(dead_after(&mut Watch::default(), begun, 600, |_| seen([true, true], 0), |_| true), None);
    }
}
