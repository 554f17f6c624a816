//! Reports on a schedule, sent to the topic of alerts: one event for every period that is over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use report::Reader;
use report::periodic::{EventSubject, Period, is_final, read};
use sinks::clickhouse::ClickHouse;

use super::once::{Name, Once};
use super::report_question::{reader, report_question, set_views};
use crate::config::{Config, ReportSchedule, Rules};

/// Periods that are made up for after the service was away; older ones are for `cost-rhythm report --date`.
const MOST_MISSED: usize = 7;

/// All schedules.
pub(super) struct Reports {
    config: Config,
    server: ClickHouse,
    once: Once,
    slots: Vec<Slot>,
}

impl Reports {
    /// # Errors
    /// CR-3003: what the schedule or a report rests on cannot be.
    pub(super) fn new(config: &Config, server: ClickHouse, once: Once) -> anyhow::Result<Self> {
        let schedule = &config.report.schedule;
        let rules = Rules::read(config)?;
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
        let slots: Vec<Slot> = schedule.iter().copied().map(Slot::new).collect();
        if let Some(first) = slots.first() {
            // What is wrong with report.shares is said at the start, not at night.
            report_question(config, rules, first.last_over(config, Timestamp::now())?, first.schedule.currency)?;
        }
        Ok(Reports { config: config.clone(), server, once, slots })
    }

    /// Sends what is due.
    pub(super) fn look(&mut self) -> anyhow::Result<()> {
        let mut slots = std::mem::take(&mut self.slots);
        let outcomes: Vec<anyhow::Result<()>> = slots.iter_mut().map(|slot| self.look_at(slot)).collect();
        self.slots = slots;
        outcomes.into_iter().collect()
    }

    /// Sends what is due of one schedule, oldest first.
    fn look_at(&self, slot: &mut Slot) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let last = slot.last_over(&self.config, now)?;
        if slot.sent_s == Some(last.start_s) {
            return Ok(());
        }
        for period in self.missing(slot, last)? {
            if !is_overdue(&period, slot.schedule.after, now) && !self.is_final(&period)? {
                return Ok(());
            }
            self.send(slot, &period).with_context(|| format!("the report of {}", period.name))?;
            slot.sent_s = Some(period.start_s);
            if self.once.stop.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
        slot.sent_s = Some(slot.last_over(&self.config, now)?.start_s);
        Ok(())
    }

    /// The periods after the newest one that was sent, oldest first; where none was ever sent, the last one alone.
    fn missing(&self, slot: &Slot, last: Period) -> anyhow::Result<Vec<Period>> {
        let mut periods = Vec::new();
        let mut period = last;
        while periods.len() < MOST_MISSED {
            if slot.sent_s == Some(period.start_s) || self.once.is_sent(&name(&subject(slot, &period)))? {
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
        reader(&self.server, &self.once.handle)
    }

    fn is_final(&self, period: &Period) -> anyhow::Result<bool> {
        Ok(is_final(&self.reader(), &set_views(&self.config), period)?)
    }

    fn send(&self, slot: &Slot, period: &Period) -> anyhow::Result<()> {
        let subject = subject(slot, period);
        self.once.send(
            &name(&subject),
            subject.kafka_key(),
            |_| Ok(Vec::new()),
            || {
                let config = &self.config;
                let question = report_question(config, Rules::read(config)?, period.clone(), slot.schedule.currency)?;
                let windows_were_final = self.is_final(period)?;
                Ok(subject.to_cloudevent(&read(&self.reader(), &question)?, windows_were_final)?)
            },
        )?;
        tracing::info!(period = %period.name, id = %subject.id(), "report sent to the topic of alerts");
        Ok(())
    }
}

/// One schedule, and how far it is.
struct Slot {
    schedule: ReportSchedule,
    /// Start of the newest period that is known to be sent.
    sent_s: Option<i64>,
}

impl Slot {
    fn new(schedule: ReportSchedule) -> Self {
        Slot { schedule, sent_s: None }
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

fn subject<'a>(slot: &'a Slot, period: &'a Period) -> EventSubject<'a> {
    EventSubject { period, currency: slot.schedule.currency.as_str(), format: slot.schedule.format }
}

fn name(subject: &EventSubject<'_>) -> Name {
    Name(format!("reports/{}", subject.id()))
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
