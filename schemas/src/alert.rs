//! Alerts as they go to the topic `cost-alerts`: CloudEvents whose id and bytes depend on nothing but the alert, so that a
//! repeat after a crash is the same record.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::calendar::Window;
use crate::cloud_event::CloudEvent;
use crate::{Currency, Money, Timestamp};

/// The CloudEvents `type` of an alert.
pub const EVENT_TYPE: &str = "com.costrhythm.alert.v1";

/// How grave an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Somebody should act.
    Critical,
    /// Somebody must act now.
    Emergency,
}

impl Level {
    /// Its name in files and alerts.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Critical => "critical",
            Level::Emergency => "emergency",
        }
    }
}

/// What happened to the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// A first threshold was reached.
    Fired,
    /// A higher threshold was reached.
    Escalated,
    /// A threshold that was reached is not reached any more: spend was corrected.
    Resolved,
    /// A new period began after one with an alert.
    PeriodReset,
}

impl AlertState {
    /// Its name in alerts.
    pub const fn name(self) -> &'static str {
        match self {
            AlertState::Fired => "fired",
            AlertState::Escalated => "escalated",
            AlertState::Resolved => "resolved",
            AlertState::PeriodReset => "period_reset",
        }
    }
}

/// One change of state of one rule for one scope and period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The rule's name: a budget's, for example.
    pub rule: String,
    /// What it is about: see [`scope_text`].
    pub scope: String,
    /// The period that is judged, for people: see [`crate::budget::BudgetWindow::label`].
    pub period: String,
    /// Its first instant.
    pub period_start: Timestamp,
    /// Its first instant no longer in it.
    pub period_end: Timestamp,
    /// How grave.
    pub level: Level,
    /// What happened.
    pub state: AlertState,
    /// The amount that was reached or left.
    pub threshold: Money,
    /// Spend now.
    pub current: Money,
    /// Spend before this change, or of the period before.
    pub previous: Money,
    /// Of every amount in here.
    pub currency: Currency,
    /// Event time of the change.
    pub occurred_at: Timestamp,
    /// Spend expected at the end of the period.
    pub projection: Option<Money>,
    /// What happened, in sentences.
    pub explanation: String,
    /// What to do about it.
    pub recommendation: String,
    /// Where to see it.
    pub permalink: Option<String>,
    /// How often the same happened before: a threshold can be left and reached again. Only in the id.
    pub repeat: u32,
}

impl Alert {
    /// One in which only what it is about is said: an info that fires at the beginning of the period.
    pub fn about(rule: &str, scope: &str, period: &str, window: Window, currency: Currency) -> Self {
        Alert {
            rule: rule.to_owned(),
            scope: scope.to_owned(),
            period: period.to_owned(),
            period_start: window.start,
            period_end: window.end,
            level: Level::Info,
            state: AlertState::Fired,
            threshold: Money::ZERO,
            current: Money::ZERO,
            previous: Money::ZERO,
            currency,
            occurred_at: window.start,
            projection: None,
            explanation: String::new(),
            recommendation: String::new(),
            permalink: None,
            repeat: 0,
        }
    }

    /// 32 hex digits, the same for the same rule, scope, period, threshold, state and repeat.
    pub fn id(&self) -> String {
        let mut bytes = Vec::with_capacity(128);
        put(&mut bytes, self.rule.as_bytes());
        put(&mut bytes, self.scope.as_bytes());
        put(&mut bytes, &self.period_start.micros().to_le_bytes());
        put(&mut bytes, &self.period_end.micros().to_le_bytes());
        put(&mut bytes, &self.threshold.units().to_le_bytes());
        put(&mut bytes, self.state.name().as_bytes());
        if self.repeat > 0 {
            put(&mut bytes, &self.repeat.to_le_bytes());
        }
        format!("{:032x}", xxh3_128(&bytes))
    }

    /// Rule, scope and start of the period: one alert's life is on one partition, in order.
    pub fn kafka_key(&self) -> String {
        format!("{}|{}|{}", self.rule, self.scope, self.period_start)
    }

    /// The data of the CloudEvent, as JSON text with the fields in a fixed order.
    ///
    /// # Errors
    /// Only if a JSON writer to memory fails, which it does not.
    pub fn data_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Data::of(self))
    }

    /// A structured CloudEvent 1.0 ([`crate::cloud_event`]); its layout is `golden/alert_v1.json`.
    ///
    /// # Errors
    /// Only if a JSON writer to memory fails, which it does not.
    pub fn to_cloudevent(&self) -> Result<Vec<u8>, serde_json::Error> {
        self.cloudevent(None)
    }

    /// The same with the extension attribute `historical`: what it is about was over long before it was read.
    ///
    /// # Errors
    /// As [`Alert::to_cloudevent`].
    pub fn to_historical_cloudevent(&self) -> Result<Vec<u8>, serde_json::Error> {
        self.cloudevent(Some(true))
    }

    fn cloudevent(&self, historical: Option<bool>) -> Result<Vec<u8>, serde_json::Error> {
        let event = CloudEvent {
            historical,
            id: self.id(),
            kind: EVENT_TYPE,
            subject: if self.scope.is_empty() { &self.rule } else { &self.scope },
            time: self.occurred_at.to_string(),
            data: Data::of(self),
        };
        event.to_bytes()
    }
}

/// `user_id=u-1`, `provider=openai,model=gpt-4`, or `total` without dimensions. Commas, backslashes and equals signs in
/// values stand behind a backslash, so that two scopes never read the same.
pub fn scope_text<'a>(dimensions: impl IntoIterator<Item = (crate::Dimension, &'a str)>) -> String {
    let mut text = String::new();
    for (dimension, value) in dimensions {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(dimension.name());
        text.push('=');
        for character in value.chars() {
            if matches!(character, ',' | '=' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
    }
    if text.is_empty() { "total".to_owned() } else { text }
}

/// Length first, so that neighbours do not run together.
fn put(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u64).to_le_bytes());
    out.extend_from_slice(field);
}

/// The fields of `avro/alert_v1.avsc`, in its order.
#[derive(Serialize)]
struct Data<'a> {
    rule: &'a str,
    scope: &'a str,
    period: &'a str,
    period_start: String,
    period_end: String,
    level: Level,
    state: AlertState,
    threshold: String,
    current: String,
    previous: String,
    currency: Currency,
    occurred_at: String,
    projection: Option<String>,
    explanation: &'a str,
    recommendation: &'a str,
    permalink: Option<&'a str>,
}

impl<'a> Data<'a> {
    fn of(alert: &'a Alert) -> Self {
        Data {
            rule: &alert.rule,
            scope: &alert.scope,
            period: &alert.period,
            period_start: alert.period_start.to_string(),
            period_end: alert.period_end.to_string(),
            level: alert.level,
            state: alert.state,
            threshold: alert.threshold.to_string(),
            current: alert.current.to_string(),
            previous: alert.previous.to_string(),
            currency: alert.currency,
            occurred_at: alert.occurred_at.to_string(),
            projection: alert.projection.map(|money| money.to_string()),
            explanation: &alert.explanation,
            recommendation: &alert.recommendation,
            permalink: alert.permalink.as_deref(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dimension;

    fn alert() -> Alert {
        let at = |text| Timestamp::parse(text).unwrap();
        Alert {
            rule: "llm-user-daily".to_owned(),
            scope: scope_text([(Dimension::UserId, "u-1")]),
            period: "2026-11-22".to_owned(),
            period_start: at("2026-11-22T00:00:00Z"),
            period_end: at("2026-11-23T00:00:00Z"),
            level: Level::Critical,
            state: AlertState::Escalated,
            threshold: "9.8".parse().unwrap(),
            current: "9.800000000000000001".parse().unwrap(),
            previous: "9.1".parse().unwrap(),
            currency: Currency::USD,
            occurred_at: at("2026-11-22T10:15:03.123456Z"),
            projection: Some("21.5".parse().unwrap()),
            explanation: "user_id=u-1 has spent 98 % of its \"day\"".to_owned(),
            recommendation: "look at the user's calls".to_owned(),
            permalink: None,
            repeat: 0,
        }
    }

    #[test]
    fn the_bytes_are_the_golden_ones() {
        let bytes = String::from_utf8(alert().to_cloudevent().unwrap()).unwrap();
        assert_eq!(bytes, include_str!("../golden/alert_v1.json").trim());
    }

    #[test]
    fn one_about_the_past_has_one_attribute_more() {
        let mut event: serde_json::Value = serde_json::from_slice(&alert().to_historical_cloudevent().unwrap()).unwrap();
        assert_eq!(event.as_object_mut().unwrap().remove("historical"), Some(true.into()));
        assert_eq!(event, serde_json::from_slice::<serde_json::Value>(&alert().to_cloudevent().unwrap()).unwrap());
    }

    #[test]
    fn the_data_has_the_fields_of_the_avro_schema_in_its_order() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("../avro/alert_v1.avsc")).unwrap();
        let names: Vec<&str> = schema["fields"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
        let data = alert().data_json().unwrap();
        let positions: Vec<usize> = names.iter().map(|name| data.find(&format!("\"{name}\":")).unwrap()).collect();
        assert!(positions.is_sorted());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&data).unwrap().as_object().unwrap().len(), names.len());
        assert!(apache_avro::Schema::parse_str(include_str!("../avro/alert_v1.avsc")).is_ok());
    }

    #[test]
    fn the_id_depends_on_rule_scope_period_threshold_state_and_repeat_alone() {
        let base = alert();
        for other in [
            Alert { rule: "x".to_owned(), ..base.clone() },
            Alert { scope: "total".to_owned(), ..base.clone() },
            Alert { rule: "llm-user-dailyu".to_owned(), scope: "ser_id=u-1".to_owned(), ..base.clone() },
            Alert { period_end: base.period_end.plus(1), ..base.clone() },
            Alert { threshold: Money::from_units(1), ..base.clone() },
            Alert { state: AlertState::Fired, ..base.clone() },
            Alert { repeat: 1, ..base.clone() },
        ] {
            assert_ne!(other.id(), base.id(), "{other:?}");
        }
        let same = Alert { level: Level::Info, current: Money::ZERO, explanation: String::new(), ..base.clone() };
        assert_eq!(same.id(), base.id());
        assert_eq!(base.kafka_key(), "llm-user-daily|user_id=u-1|2026-11-22T00:00:00.000000Z");
    }

    #[test]
    fn two_scopes_never_read_the_same() {
        assert_eq!(scope_text([]), "total");
        let joined = scope_text([(Dimension::Provider, "a,model=b")]);
        assert_ne!(joined, scope_text([(Dimension::Provider, "a"), (Dimension::Model, "b")]));
        assert_eq!(joined, "provider=a\\,model\\=b");
    }
}
