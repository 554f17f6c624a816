//! A report as an event on the topic of alerts.

use schemas::cloud_event::CloudEvent;
use serde::{Deserialize, Serialize};

use super::{Period, PeriodKind, Report, change};
use crate::currency::windows;
use crate::event::{event_id, instant};
use crate::{ReadError, Reader, SetView};

/// The CloudEvents `type` of a report.
pub const REPORT_EVENT_TYPE: &str = "com.costrhythm.report.v1";
/// A record is never larger: the topic's own limit is 1 MiB, keys and headers included.
pub const MOST_EVENT_BYTES: usize = 1_000_000;

/// How the text of a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// There is none beside the JSON.
    #[default]
    Json,
    /// [`markdown`](super::markdown)
    Markdown,
    /// [`html`](super::html)
    Html,
}

impl TextFormat {
    /// Its name in configuration and events.
    pub const fn name(self) -> &'static str {
        match self {
            TextFormat::Json => "json",
            TextFormat::Markdown => "markdown",
            TextFormat::Html => "html",
        }
    }
}

/// What a report on a schedule is about: the same for every instance and after every restart.
#[derive(Clone, Copy, Debug)]
pub struct EventSubject<'a> {
    /// Which time.
    pub period: &'a Period,
    /// Of its amounts.
    pub currency: &'a str,
    /// Of its text.
    pub format: TextFormat,
}

impl EventSubject<'_> {
    /// The CloudEvent's id, 32 hex digits: the same for the same kind, first and last instant, currency and format.
    pub fn id(&self) -> String {
        let (period, kind, format) = (self.period, kind_name(self.period.kind), self.format.name());
        event_id(&format!("report\n{kind}\n{}\n{}\n{}\n{format}", period.start_s, period.end_s, self.currency))
    }

    /// Reports of one schedule are on one partition, in order.
    pub fn kafka_key(&self) -> String {
        format!("report|{}|{}", kind_name(self.period.kind), self.currency)
    }

    /// A structured CloudEvent 1.0 with the report; without its text, and then without the report, if it would be larger than [`MOST_EVENT_BYTES`].
    ///
    /// # Errors
    /// Only if a JSON writer to memory fails, which it does not.
    pub fn to_cloudevent(&self, report: &Report, windows_were_final: bool) -> Result<Vec<u8>, serde_json::Error> {
        let text = match self.format {
            TextFormat::Json => None,
            TextFormat::Markdown => Some(super::markdown(report)),
            TextFormat::Html => Some(super::html(report)),
        };
        let whole = self.envelope(report, windows_were_final, text.as_deref(), true)?;
        if whole.len() <= MOST_EVENT_BYTES {
            return Ok(whole);
        }
        let without_text = self.envelope(report, windows_were_final, None, true)?;
        if without_text.len() <= MOST_EVENT_BYTES { Ok(without_text) } else { self.envelope(report, windows_were_final, None, false) }
    }

    fn envelope(
        &self,
        report: &Report,
        windows_were_final: bool,
        text: Option<&str>,
        with_report: bool,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let period = self.period;
        let event = CloudEvent {
            historical: None,
            id: self.id(),
            kind: REPORT_EVENT_TYPE,
            subject: kind_name(period.kind),
            time: report.generated_at.clone(),
            data: Data {
                period: kind_name(period.kind),
                name: &period.name,
                period_start: instant(period.start_s),
                period_end: instant(period.end_s),
                time_zone: &period.time_zone,
                currency: self.currency,
                windows_were_final,
                summary: summary(report),
                format: self.format,
                text,
                report: with_report.then_some(report),
            },
        };
        event.to_bytes()
    }
}

/// Are all windows of the period closed? Not before one of its last day is: whether more events come is not known by a day without a row.
///
/// # Errors
/// [`ReadError`]: ClickHouse cannot be asked.
pub fn is_final(reader: &Reader<'_>, sets: &[SetView], period: &Period) -> Result<bool, ReadError> {
    let Some(total) = sets.iter().find(|set| set.key.is_empty()) else { return Err(ReadError::no_total()) };
    let days = windows(total, "day", schemas::Currency::USD);
    let sql = format!(
        "SELECT toUInt64(countIf(v.window_start >= toDateTime({}, 'UTC'))) AS last_days, toUInt64(countIf(NOT v.is_final)) AS open
        FROM {days} AS v WHERE v.window_start >= toDateTime({}, 'UTC') AND v.window_start < toDateTime({}, 'UTC')",
        period.last_day_start_s, period.start_s, period.end_s
    );
    let found: Closed = reader.row("closed days", &sql)?;
    Ok(found.last_days > 0 && found.open == 0)
}

#[derive(serde::Deserialize)]
struct Closed {
    last_days: u64,
    open: u64,
}

fn kind_name(kind: PeriodKind) -> &'static str {
    match kind {
        PeriodKind::Daily => "daily",
        PeriodKind::Weekly => "weekly",
        PeriodKind::Monthly => "monthly",
    }
}

/// A report in a sentence or two.
fn summary(report: &Report) -> String {
    let (total, currency) = (&report.total, &report.currency);
    let mut text = format!(
        "Spend {}: {} {currency} ({} against the period before), {} calls.",
        report.period.name,
        total.cost.short_in(currency),
        change(total),
        total.calls
    );
    if total.unpriced_events > 0 {
        text += &format!(" {} events have no known price.", total.unpriced_events);
    }
    if let Some(advice) = report.advice.first() {
        text += &format!(
            " {} recommendations; the first is about {}: {} {} {}.",
            report.advice.len(),
            advice.about,
            advice.saving.short_in(&advice.currency),
            advice.currency,
            advice.saving_is.words()
        );
    }
    text
}

/// What `docs/REPORTS.md` tells consumers.
#[derive(Serialize)]
struct Data<'a> {
    period: &'static str,
    name: &'a str,
    period_start: String,
    period_end: String,
    time_zone: &'a str,
    currency: &'a str,
    windows_were_final: bool,
    summary: String,
    format: TextFormat,
    text: Option<&'a str>,
    report: Option<&'a Report>,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::Line;
    use super::*;

    fn period() -> Period {
        Period::holding(PeriodKind::Daily, date(2026, 11, 26), "Asia/Seoul").unwrap()
    }

    fn report(notes: Vec<String>) -> Report {
        Report {
            format: "cost-rhythm-report/1",
            version: "0".to_owned(),
            generated_at: "2026-11-26T16:00:00Z".to_owned(),
            database: "d".to_owned(),
            currency: "KRW".to_owned(),
            period: period(),
            total: Line { name: "total".to_owned(), calls: 3, cost: crate::Amount("1234.5".parse().unwrap()), ..Line::default() },
            breakdowns: Vec::new(),
            days: Vec::new(),
            hours: Vec::new(),
            kpis: super::super::Kpis::default(),
            allocations: Vec::new(),
            advice: Vec::new(),
            notes,
        }
    }

    #[test]
    fn the_id_depends_on_what_the_report_is_about_alone() {
        let day = period();
        let base = EventSubject { period: &day, currency: "KRW", format: TextFormat::Json };
        assert_eq!(base.id(), "766ba41b9390a8e81014b5f87af45091", "a consumer keeps ids: they never change");
        let (other_day, week) = (
            Period::holding(PeriodKind::Daily, date(2026, 11, 27), "Asia/Seoul").unwrap(),
            Period::holding(PeriodKind::Weekly, date(2026, 11, 26), "Asia/Seoul").unwrap(),
        );
        for other in [
            EventSubject { period: &other_day, ..base },
            EventSubject { period: &week, ..base },
            EventSubject { currency: "USD", ..base },
            EventSubject { format: TextFormat::Html, ..base },
        ] {
            assert_ne!(other.id(), base.id(), "{other:?}");
        }
    }

    #[test]
    fn an_event_says_in_a_sentence_what_the_report_says() {
        let day = period();
        let subject = EventSubject { period: &day, currency: "KRW", format: TextFormat::Markdown };
        let event: serde_json::Value = serde_json::from_slice(&subject.to_cloudevent(&report(Vec::new()), true).unwrap()).unwrap();
        assert_eq!(
            (&event["type"], &event["subject"], &event["id"]),
            (&"com.costrhythm.report.v1".into(), &"daily".into(), &subject.id().into())
        );
        let data = &event["data"];
        assert_eq!(data["summary"], "Spend 2026-11-26: 1234 KRW (new against the period before), 3 calls.");
        assert_eq!((&data["period_start"], &data["period_end"]), (&"2026-11-25T15:00:00Z".into(), &"2026-11-26T15:00:00Z".into()));
        assert_eq!(data["report"]["total"]["cost"], "1234.5");
        assert!(data["text"].as_str().unwrap().starts_with("# Spend 2026-11-26"));
    }

    #[test]
    fn an_event_fits_the_topic_whatever_the_report_holds() {
        let day = period();
        let subject = EventSubject { period: &day, currency: "KRW", format: TextFormat::Markdown };
        let event = |size: usize| {
            let bytes = subject.to_cloudevent(&report(vec!["x".repeat(size)]), true).unwrap();
            assert!(bytes.len() <= MOST_EVENT_BYTES);
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
        };
        assert!(event(600_000)["data"]["text"].is_null() && event(600_000)["data"]["report"].is_object());
        assert!(event(1_000_001)["data"]["report"].is_null() && event(1_000_001)["data"]["summary"].is_string());
    }
}
