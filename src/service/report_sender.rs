//! Reports on a schedule, sent to the topic of alerts: one event for every period that is over.
//!
//! The instance that owns partition 0 of the partials topic sends them. Ownership may change hands at any moment and a process may die anywhere, so what is sent is decided
//! once, in the store of states:
//!
//! | step | object | after a crash behind it |
//! |---|---|---|
//! | make the report | | made again |
//! | keep the event | `reports/ID.json`, written only if it is not there | these bytes are sent, by whoever comes next |
//! | send it, wait for the acknowledgement | | sent again: the same bytes under the same id |
//! | note that it was sent | `reports/ID.sent` | nothing is left to do |
//!
//! So a period's record may stand twice on the topic, but never with other bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode};
use report::Reader;
use report::periodic::{EventSubject, Period, is_final, read};
use runtime::DriverState;
use runtime::io::Outbox;
use sinks::clickhouse::ClickHouse;
use sinks::kafka::{OutTopics, Producer};
use tokio::runtime::Handle;

use super::partitions::Partitions;
use super::report_question::{reader, report_question, set_views};
use crate::config::{Config, ReportSchedule, Rules};
use crate::stages::event_record;

/// Between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a flag to stop may go unseen.
const NAP: Duration = Duration::from_millis(100);
/// An event that is not acknowledged so long is sent again later.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
/// Periods that are made up for after the service was away; older ones are for `cost-rhythm report --date`.
const MOST_MISSED: usize = 7;

/// What the sender needs of the service.
pub struct SenderParts {
    /// With the schedule.
    pub config: Config,
    /// Where reports are read.
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

/// The thread that sends reports.
pub struct ReportSender {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl ReportSender {
    /// Starts the thread; `None`: nothing is on a schedule.
    ///
    /// # Errors
    /// CR-3003: what the schedule or a report rests on cannot be; or no thread can be started.
    pub fn start(parts: SenderParts) -> anyhow::Result<Option<ReportSender>> {
        let schedule = &parts.config.report.schedule;
        if schedule.is_empty() {
            return Ok(None);
        }
        let rules = Rules::read(&parts.config)?;
        for (index, wanted) in schedule.iter().enumerate() {
            let (period, currency) = (wanted.period, wanted.currency);
            if !rules.rates.knows(currency) {
                bail!("CR-3003: report.schedule: currency = {currency}: there is no rate for it: add one to a file of prices.rates");
            }
            if schedule[..index].iter().any(|other| ReportSchedule { after: wanted.after, ..*other } == *wanted) {
                bail!(
                    "CR-3003: report.schedule: period = {period:?}, currency = {currency} is there twice in the same format: keep one of them"
                );
            }
        }
        // What is wrong with report.shares is said at the start, not at night.
        report_question(&parts.config, rules, Slot::new(schedule[0]).last_over(&parts.config, Timestamp::now())?, schedule[0].currency)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, slots) = (Arc::clone(&stop), schedule.iter().copied().map(Slot::new).collect());
        let sending = Sending { parts, stop: stopped };
        let thread =
            std::thread::Builder::new().name("reports".to_owned()).spawn(move || sending.run(slots)).context("no thread for reports")?;
        Ok(Some(ReportSender { stop, thread }))
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

/// One schedule, and how far it is.
struct Slot {
    schedule: ReportSchedule,
    /// Start of the newest period that is known to be sent.
    sent_s: Option<i64>,
    /// The last trouble that was told, so that it is told once.
    told: String,
}

impl Slot {
    fn new(schedule: ReportSchedule) -> Self {
        Slot { schedule, sent_s: None, told: String::new() }
    }

    fn last_over(&self, config: &Config, now: Timestamp) -> anyhow::Result<Period> {
        let zone = &config.windows.time_zone;
        Period::before(self.schedule.period, now, zone).with_context(|| format!("CR-3003: windows.time_zone = {zone:?}"))
    }
}

/// Is it time, whatever the windows are?
fn is_overdue(period: &Period, after: Duration, now: Timestamp) -> bool {
    let after_s = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    now.as_second() >= period.end_s.saturating_add(after_s)
}

struct Sending {
    parts: SenderParts,
    stop: Arc<AtomicBool>,
}

impl Sending {
    fn run(&self, mut slots: Vec<Slot>) {
        let mut looked: Option<Instant> = None;
        while !self.stop.load(Ordering::SeqCst) {
            std::thread::sleep(NAP);
            if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) || !self.is_ours() {
                continue;
            }
            for slot in &mut slots {
                match self.look(slot) {
                    Ok(()) => slot.told.clear(),
                    Err(error) => {
                        let text = format!("{error:#}");
                        if slot.told != text {
                            tracing::warn!("CR-6006: the {:?} report is not sent yet: {text}; trying again", slot.schedule.period);
                            slot.told = text;
                        }
                    }
                }
            }
            looked = Some(Instant::now());
        }
    }

    /// Does this process own the first partition?
    fn is_ours(&self) -> bool {
        let partitions = self.parts.monitors.report();
        partitions.iter().any(|partition| {
            partition.name.partition == 0 && partition.status.as_ref().is_some_and(|status| !matches!(status.state, DriverState::Failed(_)))
        })
    }

    /// Sends what is due of one schedule, oldest first.
    fn look(&self, slot: &mut Slot) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let last = slot.last_over(&self.parts.config, now)?;
        if slot.sent_s == Some(last.start_s) {
            return Ok(());
        }
        for period in self.missing(slot, last)? {
            if !is_overdue(&period, slot.schedule.after, now) && !self.is_final(&period)? {
                return Ok(());
            }
            self.send(slot, &period)?;
            slot.sent_s = Some(period.start_s);
            if self.stop.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
        slot.sent_s = Some(slot.last_over(&self.parts.config, now)?.start_s);
        Ok(())
    }

    /// The periods after the newest one that was sent, oldest first; where none was ever sent, the last one alone.
    fn missing(&self, slot: &Slot, last: Period) -> anyhow::Result<Vec<Period>> {
        let mut periods = Vec::new();
        let mut period = last;
        while periods.len() < MOST_MISSED {
            if slot.sent_s == Some(period.start_s) || self.exists(&sent_mark(slot, &period))? {
                periods.reverse();
                return Ok(periods);
            }
            let before = period.previous()?;
            periods.push(period);
            period = before;
        }
        periods.truncate(1);
        Ok(periods)
    }

    fn reader(&self) -> Reader<'_> {
        reader(&self.parts.server, &self.parts.handle)
    }

    fn is_final(&self, period: &Period) -> anyhow::Result<bool> {
        Ok(is_final(&self.reader(), &set_views(&self.parts.config), period)?)
    }

    fn send(&self, slot: &Slot, period: &Period) -> anyhow::Result<()> {
        let subject = subject(slot, period);
        let kept = Path::from(format!("reports/{}.json", subject.id()));
        let bytes = match self.load(&kept)? {
            Some(bytes) => bytes,
            None => {
                let config = &self.parts.config;
                let question = report_question(config, Rules::read(config)?, period.clone(), slot.schedule.currency)?;
                let windows_were_final = self.is_final(period)?;
                let event = subject.to_cloudevent(&read(&self.reader(), &question)?, windows_were_final)?;
                self.keep(&kept, event)?
            }
        };
        self.produce(&subject, bytes)?;
        self.keep(&sent_mark(slot, period), Vec::new())?;
        tracing::info!(period = %period.name, id = %subject.id(), "report sent to the topic of alerts");
        Ok(())
    }

    fn produce(&self, subject: &EventSubject<'_>, payload: Vec<u8>) -> anyhow::Result<()> {
        // One outbox for each: after a failure an outbox sends nothing more.
        let mut outbox = self.parts.producer.outbox(self.parts.topics.clone());
        outbox.send(event_record(subject.kafka_key(), payload)).map_err(|_| anyhow!("the producer's queue is full"))?;
        let begun = Instant::now();
        while outbox.acknowledged()? == 0 {
            if begun.elapsed() > ACKNOWLEDGED_WITHIN || self.stop.load(Ordering::SeqCst) {
                bail!("no broker has acknowledged it");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// What stands there after that: these bytes, or those of whoever was first.
    fn keep(&self, path: &Path, bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let put = self.parts.store.put_opts(path, bytes.clone().into(), PutMode::Create.into());
        match self.parts.handle.block_on(put) {
            Ok(_) => Ok(bytes),
            Err(StoreError::AlreadyExists { .. }) => self.load(path)?.with_context(|| format!("{path} in state.url came and went")),
            Err(error) => Err(anyhow!("{path} cannot be written to state.url: {error}")),
        }
    }

    fn load(&self, path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
        let loaded = self.parts.handle.block_on(async { self.parts.store.get(path).await?.bytes().await });
        match loaded {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(anyhow!("{path} cannot be read from state.url: {error}")),
        }
    }

    fn exists(&self, path: &Path) -> anyhow::Result<bool> {
        match self.parts.handle.block_on(self.parts.store.head(path)) {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(anyhow!("{path} cannot be looked up in state.url: {error}")),
        }
    }
}

fn subject<'a>(slot: &'a Slot, period: &'a Period) -> EventSubject<'a> {
    EventSubject { period, currency: slot.schedule.currency.as_str(), format: slot.schedule.format }
}

fn sent_mark(slot: &Slot, period: &Period) -> Path {
    Path::from(format!("reports/{}.sent", subject(slot, period).id()))
}

#[cfg(test)]
mod tests {
    use report::periodic::PeriodKind;

    use super::*;

    #[test]
    fn a_report_is_overdue_from_the_configured_time_after_its_end_on() {
        let day = Period::holding(PeriodKind::Daily, jiff::civil::date(2026, 11, 26), "Asia/Seoul").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let two_hours = Duration::from_secs(7200);
        assert!(!is_overdue(&day, two_hours, at("2026-11-26T16:59:59Z")));
        assert!(is_overdue(&day, two_hours, at("2026-11-26T17:00:00Z")));
    }
}
