//! What one instance sends for all: reports on a schedule, and incidents. The one that owns partition 0 of the partials topic does.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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
use super::ticking::Ticking;
use crate::config::Config;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);

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

/// What sends.
pub struct Senders(Ticking);

impl Senders {
    /// Starts sending; `None`: nothing is to be sent.
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
        let mut sending = Sending { monitors: parts.monitors, reports, incidents, of_reports: String::new(), of_incidents: String::new() };
        let ticking = Ticking::start("senders", LOOK_EVERY, stop, move || {
            sending.look();
            ControlFlow::Continue(())
        });
        Ok(Some(Senders(ticking.context("no thread for senders")?)))
    }

    /// Ends, and waits for that at most so long: what it was at is done by the next start.
    pub fn stop(self, limit: Duration) {
        self.0.stop(limit);
    }
}

struct Sending {
    monitors: Partitions,
    reports: Option<Reports>,
    incidents: Option<Incidents>,
    /// Trouble that was told, each once.
    of_reports: String,
    of_incidents: String,
}

impl Sending {
    fn look(&mut self) {
        if !self.is_ours() {
            self.incidents.iter_mut().for_each(Incidents::forget);
            return;
        }
        if let Some(reports) = &mut self.reports {
            tell(reports.look(), "CR-6006: a report is not sent yet", &mut self.of_reports);
        }
        if let Some(incidents) = &mut self.incidents {
            tell(incidents.look(), "CR-6007: incidents are not sent yet", &mut self.of_incidents);
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
