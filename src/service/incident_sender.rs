//! Incidents to the topic of alerts: one event for each cause, when it has settled, when it is worse, and when it is over.

use jiff::Timestamp;
use report::incident::{BEGAN_WITHIN_DAYS, Incident, LOOKED_BACK_DAYS, Notice, Tracker, mark, read};
use sinks::clickhouse::ClickHouse;

use super::once::{Name, Once};
use super::report_question::reader;

/// Where what was told stands in the store.
const FOLDER: &str = "incidents";
/// What was told is remembered for longer than an incident is looked at.
const REMEMBERED_DAYS: i64 = BEGAN_WITHIN_DAYS + 2 * LOOKED_BACK_DAYS;

/// Asks ClickHouse what has changed.
pub(super) struct Incidents {
    server: ClickHouse,
    once: Once,
    public_url: String,
    /// `None`: what was told has to be looked up first.
    tracker: Option<Tracker>,
    /// As they were last read, and the mark of that; empty: they have to be read.
    incidents: Vec<Incident>,
    mark: String,
}

impl Incidents {
    pub(super) fn new(server: ClickHouse, once: Once, public_url: &str) -> Self {
        Incidents {
            server,
            once,
            public_url: public_url.trim_end_matches('/').to_owned(),
            tracker: None,
            incidents: Vec::new(),
            mark: String::new(),
        }
    }

    /// Another process tells from now on.
    pub(super) fn forget(&mut self) {
        (self.tracker, self.mark) = (None, String::new());
    }

    pub(super) fn look(&mut self) -> anyhow::Result<()> {
        let now_s = Timestamp::now().as_second();
        let tracker = match &mut self.tracker {
            Some(tracker) => tracker,
            None => self.tracker.insert(remembered(&self.once, now_s)?),
        };
        let reader = reader(&self.server, &self.once.handle);
        let mark = mark(&reader)?;
        if mark != self.mark {
            self.incidents = read(&reader, now_s)?;
            self.mark = mark;
        }
        for notice in tracker.look(&self.incidents, now_s) {
            let name = name(&notice);
            if self.once.is_sent(&name)? {
                tracker.note(&notice);
                continue;
            }
            let mark = |event: &[u8]| Ok(serde_json::to_vec(&notice.clone().as_told(event))?);
            let event = self.once.send(&name, notice.kafka_key(), mark, || Ok(notice.to_cloudevent(&self.public_url)?))?;
            tracing::info!(scope = %notice.incident.key.scope, state = notice.state.name(), id = %notice.id(), "incident sent to the topic of alerts");
            tracker.note(&notice.as_told(&event));
        }
        Ok(())
    }
}

/// In the order of time, so that old ones can be told by their names.
fn name(notice: &Notice) -> Name {
    Name(format!("{FOLDER}/{}-{}", order(notice.incident.key.since), notice.id()))
}

fn order(since_s: i64) -> String {
    format!("{since_s:012}")
}

fn remembered(once: &Once, now_s: i64) -> anyhow::Result<Tracker> {
    let mut notices = Vec::new();
    for (path, mark) in once.marks(FOLDER, &order(now_s - REMEMBERED_DAYS * 86_400))? {
        match serde_json::from_slice::<Notice>(&mark) {
            Ok(notice) => notices.push(notice),
            // It is sent no second time, but what becomes of it may not be told.
            Err(error) => tracing::warn!(%path, %error, "what was told of an incident cannot be read"),
        }
    }
    Ok(Tracker::new(notices))
}
