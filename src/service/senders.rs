//! What one instance sends for all: reports on a schedule, and incidents. The one that owns partition 0 of the partials topic does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use object_store::ObjectStore;
use runtime::DriverState;
use sinks::clickhouse::ClickHouse;
use sinks::kafka::{OutTopics, Producer};
use tokio::runtime::Handle;

use super::incident_sender::Incidents;
use super::once::Once;
use super::partitions::Partitions;
use super::report_sender::Reports;
use crate::config::Config;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a flag to stop may go unseen.
const NAP: Duration = Duration::from_millis(100);

/// What senders need of the service.
pub struct SenderParts {
    /// With the schedule.
    pub config: Config,
    /// Where figures are read.
    pub server: ClickHouse,
    /// Where events are kept.
    pub store: Arc<dyn ObjectStore>,
    /// Sends them.
    pub producer: Producer,
    /// Names of topics.
    pub topics: OutTopics,
    /// The partitions of the monitor: whoever has the first one sends.
    pub monitors: Partitions,
    /// For I/O.
    pub handle: Handle,
}

/// The thread that sends.
pub struct Senders {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Senders {
    /// Starts the thread; `None`: nothing is to be sent.
    ///
    /// # Errors
    /// CR-3003: what the schedule of reports rests on cannot be; or no thread can be started.
    pub fn start(parts: SenderParts) -> anyhow::Result<Option<Senders>> {
        let stop = Arc::new(AtomicBool::new(false));
        let once = || Once {
            store: Arc::clone(&parts.store),
            producer: parts.producer.clone(),
            topics: parts.topics.clone(),
            handle: parts.handle.clone(),
            stop: Arc::clone(&stop),
        };
        let config = &parts.config;
        let reports = (!config.report.schedule.is_empty()).then(|| Reports::new(config, parts.server.clone(), once())).transpose()?;
        let incidents = config.alerts.incidents.then(|| Incidents::new(parts.server.clone(), once(), &config.http.public_url));
        if reports.is_none() && incidents.is_none() {
            return Ok(None);
        }
        let sending = Sending { monitors: parts.monitors, stop: Arc::clone(&stop), reports, incidents };
        let thread =
            std::thread::Builder::new().name("senders".to_owned()).spawn(move || sending.run()).context("no thread for senders")?;
        Ok(Some(Senders { stop, thread }))
    }

    /// Tells the thread to end, and waits for it at most so long: what it was at is done by the next start.
    pub fn stop(self, limit: Duration) {
        self.stop.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        while !self.thread.is_finished() && begun.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

struct Sending {
    monitors: Partitions,
    stop: Arc<AtomicBool>,
    reports: Option<Reports>,
    incidents: Option<Incidents>,
}

impl Sending {
    fn run(mut self) {
        let mut looked: Option<Instant> = None;
        // Each trouble is told once.
        let (mut of_reports, mut of_incidents) = (String::new(), String::new());
        while !self.stop.load(Ordering::SeqCst) {
            std::thread::sleep(NAP);
            if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
                continue;
            }
            looked = Some(Instant::now());
            if !self.is_ours() {
                self.incidents.iter_mut().for_each(Incidents::forget);
                continue;
            }
            if let Some(reports) = &mut self.reports {
                tell(reports.look(), "CR-6006: a report is not sent yet", &mut of_reports);
            }
            if let Some(incidents) = &mut self.incidents {
                tell(incidents.look(), "CR-6007: incidents are not sent yet", &mut of_incidents);
            }
        }
    }

    /// Does this process own the first partition?
    fn is_ours(&self) -> bool {
        self.monitors.report().iter().any(|partition| {
            partition.name.partition == 0 && partition.status.as_ref().is_some_and(|status| !matches!(status.state, DriverState::Failed(_)))
        })
    }
}

fn tell(outcome: anyhow::Result<()>, what: &str, told: &mut String) {
    let text = outcome.err().map(|error| format!("{error:#}")).unwrap_or_default();
    if !text.is_empty() && text != *told {
        tracing::warn!("{what}: {text}; trying again");
    }
    *told = text;
}
