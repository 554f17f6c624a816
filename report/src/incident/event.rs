//! An incident as a CloudEvent.

use std::fmt::Write as _;

use schemas::alert::{AlertState, Level};
use schemas::cloud_event::CloudEvent;
use serde::{Deserialize, Serialize};

use super::{Contributor, Incident, IncidentKey};
use crate::Amount;
use crate::event::{event_id, instant};

/// The CloudEvents `type` of an incident.
pub const INCIDENT_EVENT_TYPE: &str = "com.costrhythm.incident.v1";

/// Contributors that are named in the sentence.
const NAMED: usize = 3;

/// An incident and what is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// As it was last seen.
    pub incident: Incident,
    /// Fired: it is there; escalated: a warning became critical; resolved: it is over, or a narrower scope explains it.
    pub state: AlertState,
    /// Resolved because this incident explains it.
    pub explained_by: Option<IncidentKey>,
}

impl Notice {
    /// The CloudEvent's id, 32 hex digits: the same for the same narrowest scope, first hour and state.
    pub fn id(&self) -> String {
        event_id(&format!("{}\n{}", named(&self.incident.key), self.state.name()))
    }

    /// All that is told of an incident is on one partition, in order.
    pub fn kafka_key(&self) -> String {
        format!("incident|{}|{}", self.incident.key.scope, instant(self.incident.key.since))
    }

    /// A structured CloudEvent 1.0.
    ///
    /// # Errors
    /// Only if a JSON writer to memory fails, which it does not.
    pub fn to_cloudevent(&self, public_url: &str) -> Result<Vec<u8>, serde_json::Error> {
        let Incident { key, started_at, ended_at, rules, actual, expected, excess, factor, contributors, .. } = &self.incident;
        let explained_by = self.explained_by.as_ref();
        let event = CloudEvent {
            historical: None,
            id: self.id(),
            kind: INCIDENT_EVENT_TYPE,
            subject: &key.scope,
            time: instant(*ended_at),
            data: Data {
                incident: event_id(&named(key)),
                state: self.state,
                level: if self.incident.is_critical { Level::Critical } else { Level::Warning },
                scope: &key.scope,
                since: instant(key.since),
                started_at: instant(*started_at),
                ended_at: instant(*ended_at),
                rules,
                actual,
                expected,
                excess,
                factor: *factor,
                currency: "USD",
                contributors,
                explained_by: explained_by.map(|by| ExplainedBy { scope: &by.scope, since: instant(by.since) }),
                explanation: self.explanation(),
                permalink: (!public_url.is_empty()).then(|| format!("{public_url}/")),
            },
        };
        event.to_bytes()
    }

    /// The notice that these bytes of [`Notice::to_cloudevent`] told, which another process may have made of this incident before it grew.
    #[must_use]
    pub fn as_told(mut self, event: &[u8]) -> Notice {
        let event: serde_json::Value = serde_json::from_slice(event).unwrap_or_default();
        self.incident.is_critical = event["data"]["level"] == Level::Critical.name();
        self
    }

    /// What happened, in sentences.
    pub fn explanation(&self) -> String {
        let Incident { key, started_at, ended_at, actual, expected, factor, contributors, .. } = &self.incident;
        let hours = (ended_at - started_at) / 3600;
        let mut text = format!(
            "{} has spent {} USD since {}, where {} were expected",
            key.scope,
            actual.short(),
            instant(key.since),
            expected.short()
        );
        if let Some(factor) = factor {
            let _ = write!(text, " ({factor:.1} times as much)");
        }
        let _ = write!(text, "; {hours} hours so far.");
        if !contributors.is_empty() {
            let named: Vec<&str> = contributors.iter().take(NAMED).map(|other| other.scope.as_str()).collect();
            let more = contributors.len() - named.len();
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = write!(text, " The same is seen in {}{rest}.", named.join("; "));
        }
        match (&self.explained_by, self.state) {
            (Some(by), _) => {
                let _ = write!(text, " {} explains it: go by that incident.", by.scope);
            }
            (None, AlertState::Resolved) => text += " It is over: all of these are as usual again.",
            (None, AlertState::Escalated) => text += " It is critical now.",
            (None, AlertState::Fired | AlertState::PeriodReset) => {}
        }
        text
    }
}

/// What makes an incident that one, as ids are made of it.
fn named(key: &IncidentKey) -> String {
    format!("incident\n{}\n{}", key.scope, key.since)
}

/// What `docs/OPERATIONS.md` tells consumers.
#[derive(Serialize)]
struct Data<'a> {
    incident: String,
    state: AlertState,
    level: Level,
    scope: &'a str,
    since: String,
    started_at: String,
    ended_at: String,
    rules: &'a [String],
    actual: &'a Amount,
    expected: &'a Amount,
    excess: &'a Amount,
    factor: Option<f64>,
    currency: &'static str,
    contributors: &'a [Contributor],
    explained_by: Option<ExplainedBy<'a>>,
    explanation: String,
    permalink: Option<String>,
}

#[derive(Serialize)]
struct ExplainedBy<'a> {
    scope: &'a str,
    since: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(state: AlertState) -> Notice {
        let amount = |text: &str| Amount(text.parse().unwrap());
        let other =
            |scope: &str| Contributor { scope: scope.to_owned(), actual: amount("15"), expected: amount("3"), excess: amount("12") };
        Notice {
            incident: Incident {
                key: IncidentKey { scope: "feature=code_review".to_owned(), since: 1_795_867_200 },
                started_at: 1_795_863_600,
                ended_at: 1_795_874_400,
                is_over: false,
                is_critical: true,
                rules: vec!["spike".to_owned()],
                actual: amount("12.3400000001"),
                expected: amount("0.5"),
                excess: amount("11.8400000001"),
                factor: Some(24.68),
                contributors: ["model=a", "provider=b", "team=c", "total"].map(other).into(),
            },
            state,
            explained_by: None,
        }
    }

    #[test]
    fn the_event_says_what_it_cost_who_saw_it_and_what_explains_it() {
        let event: serde_json::Value =
            serde_json::from_slice(&notice(AlertState::Fired).to_cloudevent("https://c.example").unwrap()).unwrap();
        assert_eq!(
            event["data"]["explanation"],
            "feature=code_review has spent 12.34 USD since 2026-11-28T12:00:00Z, where 0.5000 were expected (24.7 times as much); 3 hours so far. \
             The same is seen in model=a; provider=b; team=c and 1 more."
        );
        let (data, contributor) = (&event["data"], &event["data"]["contributors"][3]);
        assert_eq!((&event["type"], &event["subject"]), (&INCIDENT_EVENT_TYPE.into(), &"feature=code_review".into()));
        assert_eq!(
            (&data["actual"], &contributor["scope"], &contributor["excess"]),
            (&"12.3400000001".into(), &"total".into(), &"12".into())
        );
        assert_eq!(
            (&data["level"], &data["state"], &data["permalink"]),
            (&"critical".into(), &"fired".into(), &"https://c.example/".into())
        );
        let explained_by = Some(IncidentKey { scope: "user_id=u".to_owned(), since: 1_795_867_200 });
        let resolved = Notice { explained_by, ..notice(AlertState::Resolved) };
        assert!(resolved.explanation().ends_with(" user_id=u explains it: go by that incident."));
        let event: serde_json::Value = serde_json::from_slice(&resolved.to_cloudevent("").unwrap()).unwrap();
        assert_eq!((&event["data"]["explained_by"]["scope"], &event["data"]["permalink"]), (&"user_id=u".into(), &serde_json::Value::Null));
        assert!(notice(AlertState::Resolved).explanation().ends_with("as usual again."));
        let mut milder = notice(AlertState::Fired);
        milder.incident.is_critical = false;
        assert_eq!(notice(AlertState::Fired).as_told(&milder.to_cloudevent("").unwrap()), milder);
    }

    #[test]
    fn the_id_depends_on_scope_hour_and_state_alone() {
        let fired = notice(AlertState::Fired);
        let mut grown = fired.clone();
        (grown.incident.ended_at, grown.incident.is_critical) = (0, false);
        grown.incident.contributors.clear();
        assert_eq!(grown.id(), fired.id());
        let mut later = fired.clone();
        later.incident.key.since += 3600;
        assert!(later.id() != fired.id() && notice(AlertState::Resolved).id() != fired.id());
        assert_eq!(fired.kafka_key(), "incident|feature=code_review|2026-11-28T12:00:00Z");
    }
}
