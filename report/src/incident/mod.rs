//! Incidents as events on the topic of alerts: one message for each cause, where alerts are one for each scope that saw it.
//!
//! An incident is a row of the view `incidents`: the narrowest scope that explains the others, from the hour in which it fired. [`Tracker`] decides what is
//! to be told of it, [`Notice`] is the event.

mod event;
mod tracker;

pub use event::{INCIDENT_EVENT_TYPE, Notice};
pub use tracker::Tracker;

use serde::{Deserialize, Serialize};

use crate::{Amount, ReadError, Reader};

/// Incidents that ended before are not told any more.
pub const LOOKED_BACK_DAYS: i64 = 8;
/// Alerts and hours before that are not looked at: an incident that is still open began later.
pub const BEGAN_WITHIN_DAYS: i64 = 60;
/// The rules whose alerts have incidents.
const RULES: &str = "'spike', 'hourly-mean', 'hour-above'";

/// The narrowest scope and the hour in which it fired, in seconds since 1970: what makes an incident that one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IncidentKey {
    /// Such as `feature=search`.
    pub scope: String,
    /// First instant of the hour.
    pub since: i64,
}

/// Another scope that saw the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contributor {
    /// Such as `total`.
    pub scope: String,
    /// Spent in the hours of its episode, in USD.
    pub actual: Amount,
    /// Usual in them.
    pub expected: Amount,
    /// Spent above what was expected.
    pub excess: Amount,
}

/// A row of the view `incidents`; times in seconds since 1970, amounts in USD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Which one.
    #[serde(flatten)]
    pub key: IncidentKey,
    /// First hour of any of its scopes.
    pub started_at: i64,
    /// End of the last hour of any of them.
    pub ended_at: i64,
    /// Have all of its scopes been as usual for three hours?
    pub is_over: bool,
    /// Is one of its alerts critical? Else they are warnings.
    pub is_critical: bool,
    /// Which rules saw it.
    pub rules: Vec<String>,
    /// Spent by the narrowest scope.
    pub actual: Amount,
    /// Usual for it.
    pub expected: Amount,
    /// Spent above that.
    pub excess: Amount,
    /// `actual / expected`; nothing where nothing was expected.
    pub factor: Option<f64>,
    /// The others, the largest excess first.
    pub contributors: Vec<Contributor>,
}

/// What incidents depend on, in a word that changes when they do: asked often, so that they are not.
///
/// # Errors
/// [`ReadError`]: ClickHouse cannot be asked.
pub fn mark(reader: &Reader<'_>) -> Result<String, ReadError> {
    #[derive(Deserialize)]
    struct Mark {
        mark: String,
    }
    let sql = format!(
        "SELECT concat(toString(count()), ' ', toString(sum(revision)), ' ', toString(max(hour)), ' ', toString((
            SELECT count() FROM alert_rows WHERE rule IN ({RULES}) AND occurred_at >= now() - INTERVAL {LOOKED_BACK_DAYS} DAY))) AS mark
        FROM anomaly_rows WHERE hour >= now() - INTERVAL {LOOKED_BACK_DAYS} DAY"
    );
    reader.row::<Mark>("incidents", &sql).map(|found| found.mark)
}

/// The incidents of the last days of which the narrowest scope's own alert was sent: what is silenced is silent here too.
///
/// # Errors
/// [`ReadError`]: ClickHouse cannot be asked.
pub fn read(reader: &Reader<'_>, now_s: i64) -> Result<Vec<Incident>, ReadError> {
    let since = jiff::Timestamp::from_second(now_s - BEGAN_WITHIN_DAYS * 86_400).unwrap_or_default().strftime("%F %T");
    let sql = format!(
        "SELECT i.scope AS scope, toInt64(toUnixTimestamp(i.since)) AS since, toInt64(toUnixTimestamp(i.started_at)) AS started_at,
            toInt64(toUnixTimestamp(i.ended_at)) AS ended_at, toBool(i.state = 'resolved') AS is_over, toBool(i.level = 'critical') AS is_critical,
            i.rules AS rules, toString(i.actual) AS actual, toString(i.expected) AS expected, toString(i.excess) AS excess, i.factor AS factor,
            arrayMap(c -> CAST((c.1, toString(c.2), toString(c.3), toString(c.4)),
                'Tuple(scope String, actual String, expected String, excess String)'), i.contributors) AS contributors
        FROM incidents_since(since = '{since}') AS i
        WHERE i.ended_at >= now() - INTERVAL {LOOKED_BACK_DAYS} DAY AND (i.scope, i.since) IN (
            SELECT scope, toDateTime(parseDateTimeBestEffort(JSONExtractString(data, 'period_start'), 'UTC'), 'UTC') FROM alerts
            WHERE silenced = '' AND rule IN ({RULES}) AND occurred_at >= now() - INTERVAL {BEGAN_WITHIN_DAYS} DAY)
        ORDER BY started_at, scope"
    );
    reader.rows("incidents", &sql)
}
