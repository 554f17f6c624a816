//! The monitor as a stage: merge, rows, alerts.

use std::sync::Arc;

use processor::monitor::{Monitor, MonitorEffects, MonitorLimits, MonitorRules};
use runtime::io::{Message, OutRecord, RowBatch, Table};
use runtime::stage::StageState;
use runtime::store::Loaded;
use runtime::{Effects, Stage, StageError, Taken};
use schemas::Timestamp;
use schemas::alert::Alert;
use schemas::notes::Silence;
use schemas::rollup::{AccountsRow, AlertRow, AnomalyRow, BudgetRow, PaceRow, RhythmRow, RollupRow};
use sinks::clickhouse::rows::{self, Block};

use super::budget_figures::{BudgetFigures, BudgetNotes};
use super::{StageFactory, StagePlace, event_record};
use crate::config::{AlertsConfig, Config, Historical, Rules, micros};

/// Rows are handed on in pieces of this size.
const ROWS: u32 = 16_384;

/// Makes monitors.
pub struct MonitorFactory {
    rules: MonitorRules,
    rules_hash: String,
    figures: Option<BudgetFigures>,
    outward: Arc<Outward>,
}

/// What an alert is told with, and which are not told.
struct Outward {
    silences: Vec<Silence>,
    /// Where people find an alert by its id; empty: nowhere.
    public_url: String,
    /// What becomes of alerts about the past.
    past: AlertsConfig,
}

impl Outward {
    /// Was what the alert is about long over when the record was written that brought it forth?
    fn is_historical(&self, alert: &Alert, log_time: Timestamp) -> bool {
        let age_us = log_time.micros().saturating_sub(alert.occurred_at.max(alert.period_end).micros());
        u128::try_from(age_us).is_ok_and(|age| age > self.past.historical_after.as_micros())
    }
}

impl MonitorFactory {
    /// By the configuration.
    pub fn new(config: &Config, rules: &Rules) -> Self {
        let retain_us = micros(config.windows.retain);
        let monitor = MonitorRules {
            sets: rules.sets.clone(),
            budgets: rules.budgets.clone(),
            rates: rules.rates.clone(),
            calendar: rules.calendar.clone(),
            retain_us,
            watch: config.watch.rules(&rules.notes.feedback),
            limits: MonitorLimits {
                max_cells: config.limits.monitor_max_cells,
                max_rows: config.limits.monitor_max_rows,
                max_budget_states: config.limits.monitor_max_budget_states,
            },
        };
        let outward = Outward {
            silences: rules.notes.silences.clone(),
            public_url: config.http.public_url.trim_end_matches('/').to_owned(),
            past: config.alerts.clone(),
        };
        MonitorFactory { rules_hash: rules.monitor_hash(retain_us), rules: monitor, figures: None, outward: Arc::new(outward) }
    }

    /// Notes for `/metrics` how far budgets are used.
    #[must_use]
    pub fn noting(mut self, figures: BudgetFigures) -> Self {
        self.figures = Some(figures);
        self
    }

    fn stage(&self, monitor: Monitor, next: i64) -> Box<dyn Stage> {
        let notes = self.figures.as_ref().map(BudgetFigures::notes);
        Box::new(MonitorStage { monitor, next, out: Rows { notes, ..Rows::new(self.outward.clone()) } })
    }
}

impl StageFactory for MonitorFactory {
    fn name(&self) -> &'static str {
        "monitor"
    }

    fn rules(&self) -> String {
        self.rules_hash.clone()
    }

    fn fresh(&self, place: &StagePlace, offset: i64) -> Result<Box<dyn Stage>, StageError> {
        Ok(self.stage(Monitor::new(self.rules.clone(), place.partition), offset))
    }

    fn restore(&self, _place: &StagePlace, loaded: &Loaded) -> Result<Box<dyn Stage>, StageError> {
        let restored = Monitor::restore(&loaded.body, self.rules.clone());
        let monitor = restored.map_err(|error| StageError { code: "CR-1007", text: error.to_string() })?;
        Ok(self.stage(monitor, loaded.head.offset))
    }
}

/// See the module's documentation.
pub struct MonitorStage {
    monitor: Monitor,
    next: i64,
    out: Rows,
}

impl Stage for MonitorStage {
    fn apply(&mut self, messages: &[Message<'_>], _effects: &mut Effects) -> Result<Taken, StageError> {
        for message in messages {
            let applied = self.monitor.apply(message.offset, message.payload.unwrap_or_default());
            applied.map_err(|error| StageError { code: "CR-1201", text: error.to_string() })?;
            self.next = message.offset + 1;
            self.out.log_time = self.out.log_time.max(message.timestamp);
        }
        Ok(Taken { messages: messages.len(), waits_for: None })
    }

    fn skip_to(&mut self, offset: i64) {
        self.next = self.next.max(offset);
        self.monitor.skip_to(offset);
    }

    fn flush(&mut self, effects: &mut Effects) -> Result<(), StageError> {
        self.monitor.flush(&mut self.out);
        self.out.hand_on(effects)
    }

    // What the monitor knows of time is in the log.
    fn idle(&mut self, _now: Timestamp) {}

    fn position(&self) -> i64 {
        self.next
    }

    fn state(&mut self) -> Result<StageState, StageError> {
        let body = self.monitor.snapshot().map_err(|error| StageError { code: "CR-1007", text: error.to_string() })?;
        Ok(StageState { body, segment: None, today: 0, horizon_days: 0 })
    }

    fn gauges(&self) -> Vec<(&'static str, f64)> {
        let gauges = self.monitor.gauges();
        vec![
            ("cells", gauges.cells as f64),
            ("rows", gauges.rows as f64),
            ("series", gauges.series as f64),
            ("inputs", gauges.inputs as f64),
            ("budget_states", gauges.budget_states as f64),
            ("watched_series", gauges.watched_series as f64),
            ("unwatched_series", gauges.unwatched_series as f64),
            ("memory_bytes", gauges.bytes as f64),
            ("repeated_cells", gauges.repeated_cells as f64),
            ("unknown_set_cells", gauges.unknown_set_cells as f64),
            ("late_budget_changes", gauges.late_budget_changes as f64),
            ("unrated_budget_changes", gauges.unrated_budget_changes as f64),
        ]
    }
}

/// Rows of one flush, encoded.
struct Rows {
    rollups: Block,
    budgets: Block,
    rhythm: Block,
    pace: Block,
    anomalies: Block,
    accounts: Block,
    alerts: Block,
    finished: Vec<RowBatch>,
    records: Vec<OutRecord>,
    failed: Option<String>,
    notes: Option<BudgetNotes>,
    outward: Arc<Outward>,
    /// Of the newest record.
    log_time: Timestamp,
}

impl Rows {
    fn new(outward: Arc<Outward>) -> Self {
        Rows {
            outward,
            log_time: Timestamp::from_micros(i64::MIN),
            rollups: Block::new(Table::Rollups),
            budgets: Block::new(Table::Budgets),
            rhythm: Block::new(Table::Rhythm),
            pace: Block::new(Table::Pace),
            anomalies: Block::new(Table::Anomalies),
            accounts: Block::new(Table::Accounts),
            alerts: Block::new(Table::Alerts),
            finished: Vec::new(),
            records: Vec::new(),
            failed: None,
            notes: None,
        }
    }

    fn note(&mut self, outcome: Result<(), impl std::fmt::Display>) {
        if let Err(error) = outcome {
            self.failed = Some(error.to_string());
        }
    }

    /// A row for every alert, a record for those that are not silenced.
    fn alert_record(&mut self, alert: &Alert) -> Result<(), serde_json::Error> {
        let outward = self.outward.clone();
        let id = alert.id();
        let permalink = (!outward.public_url.is_empty()).then(|| format!("{}/alerts/{id}", outward.public_url));
        let alert = &Alert { permalink, ..alert.clone() };
        let policy = outward.past.historical;
        let is_historical = policy != Historical::Tell && outward.is_historical(alert, self.log_time);
        let silence = outward.silences.iter().find(|silence| silence.covers(alert)).map(|silence| silence.reason.as_str());
        let silence = silence.or((is_historical && policy == Historical::Silence).then_some("historical"));
        let data = alert.data_json()?;
        let row = AlertRow {
            id: &id,
            rule: &alert.rule,
            scope: &alert.scope,
            period: &alert.period,
            level: alert.level.name(),
            state: alert.state.name(),
            threshold: Some(alert.threshold),
            current: Some(alert.current),
            previous: Some(alert.previous),
            currency: Some(alert.currency),
            occurred_at: alert.occurred_at,
            data: &data,
            silenced: silence.unwrap_or_default(),
        };
        let outcome = rows::put_alert(&mut self.alerts, &row);
        self.note(outcome);
        if silence.is_some() {
            return Ok(());
        }
        let event = if is_historical { alert.to_historical_cloudevent()? } else { alert.to_cloudevent()? };
        self.records.push(event_record(alert.kafka_key(), event));
        Ok(())
    }

    /// Accounts last: they must not be seen before the rows.
    fn hand_on(&mut self, effects: &mut Effects) -> Result<(), StageError> {
        if let Some(text) = self.failed.take() {
            return Err(StageError { code: "CR-1202", text: format!("a row cannot be written: {text}") });
        }
        effects.batches.append(&mut self.finished);
        effects.batches.extend(self.rollups.take());
        effects.batches.extend(self.budgets.take());
        effects.batches.extend(self.rhythm.take());
        effects.batches.extend(self.pace.take());
        effects.batches.extend(self.anomalies.take());
        effects.batches.extend(self.alerts.take());
        effects.batches.extend(self.accounts.take());
        effects.records.append(&mut self.records);
        if let Some(notes) = &mut self.notes {
            notes.show();
        }
        Ok(())
    }
}

impl MonitorEffects for Rows {
    fn rollup(&mut self, row: &RollupRow<'_, Box<str>>) {
        let outcome = rows::put_rollup(&mut self.rollups, row);
        self.note(outcome);
        if self.rollups.rows() >= ROWS {
            self.finished.extend(self.rollups.take());
        }
    }

    fn budget(&mut self, row: &BudgetRow<'_>) {
        if let Some(notes) = &mut self.notes {
            notes.note(row);
        }
        let outcome = rows::put_budget(&mut self.budgets, row);
        self.note(outcome);
    }

    fn rhythm(&mut self, row: &RhythmRow<'_>) {
        let outcome = rows::put_rhythm(&mut self.rhythm, row);
        self.note(outcome);
        if self.rhythm.rows() >= ROWS {
            self.finished.extend(self.rhythm.take());
        }
    }

    fn pace(&mut self, row: &PaceRow<'_>) {
        let outcome = rows::put_pace(&mut self.pace, row);
        self.note(outcome);
        if self.pace.rows() >= ROWS {
            self.finished.extend(self.pace.take());
        }
    }

    fn anomaly(&mut self, row: &AnomalyRow<'_>) {
        let outcome = rows::put_anomaly(&mut self.anomalies, row);
        self.note(outcome);
        if self.anomalies.rows() >= ROWS {
            self.finished.extend(self.anomalies.take());
        }
    }

    fn accounts(&mut self, row: &AccountsRow<'_>) {
        rows::put_accounts(&mut self.accounts, row);
    }

    fn alert(&mut self, alert: &Alert) {
        let outcome = self.alert_record(alert);
        self.note(outcome);
    }
}

#[cfg(test)]
mod tests {
    use schemas::timestamp::HOUR_US;

    use super::*;

    /// What is sent and whether a row says why not, of an alert about an hour that was over for `hours` when it was read.
    fn told(historical: Historical, hours: i64) -> (Vec<serde_json::Value>, bool) {
        let past = AlertsConfig { historical, historical_after: std::time::Duration::from_secs(24 * 3600), incidents: true };
        let mut rows = Rows::new(Arc::new(Outward { silences: Vec::new(), public_url: String::new(), past }));
        let start = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        let window = schemas::calendar::Window { start, end: start.plus(HOUR_US) };
        rows.log_time = window.end.plus(hours * HOUR_US);
        let alert = Alert::about("spike", "total", "2026-11-22T10:00Z", window, schemas::Currency::USD);
        rows.alert_record(&alert).unwrap();
        let row = rows.alerts.take().unwrap();
        let says_why = row.bytes.windows(10).any(|part| part == b"historical");
        let sent = rows.records.iter().map(|record| serde_json::from_slice(record.payload.as_deref().unwrap()).unwrap()).collect();
        (sent, says_why)
    }

    #[test]
    fn an_alert_about_the_past_is_silenced_marked_or_told_by_configuration() {
        for historical in [Historical::Silence, Historical::Mark, Historical::Tell] {
            for hours in [-1, 0, 24] {
                let (sent, says_why) = told(historical, hours);
                assert!(sent.len() == 1 && sent[0].get("historical").is_none() && !says_why, "{historical:?} after {hours} h");
            }
        }
        assert!(matches!(told(Historical::Silence, 25), (sent, true) if sent.is_empty()));
        assert!(matches!(told(Historical::Mark, 25), (sent, false) if sent[0]["historical"] == true));
        assert!(matches!(told(Historical::Tell, 25), (sent, false) if sent[0].get("historical").is_none()));
    }
}
