//! `/api/v1/budgets`, `/api/v1/rhythm`, `/api/v1/incidents`, `/api/v1/alerts`: small tables, filtered and paged.

use serde_json::{Value, json};

use crate::Console;
use crate::parameters::Parameters;
use crate::problem::{NOT_FOUND, Problem};
use crate::reader::{Question, Row};
use crate::spend::text;
use crate::time;

pub(crate) const BUDGETS: &[&str] = &["budget", "scope", "running", "limit", "cursor"];
pub(crate) const RHYTHM: &[&str] = &["scope", "state", "from", "to", "limit", "cursor"];
pub(crate) const INCIDENTS: &[&str] = &["state", "scope", "from", "to", "limit", "cursor"];
pub(crate) const ALERTS: &[&str] = &["level", "rule", "state", "scope", "from", "to", "latest", "open", "limit", "cursor"];

const LEVELS: [&str; 4] = ["info", "warning", "critical", "emergency"];
const INCIDENT_STATES: [&str; 2] = ["open", "resolved"];
const ALERT_STATES: [&str; 4] = ["fired", "escalated", "resolved", "period_reset"];
const RHYTHM_STATES: [&str; 5] = ["RESONANT", "DISSONANT", "CHAOTIC", "LEARNING", "IDLE"];

/// Good from, good from, good up to: product limits, shown beside the figures.
fn rhythm_limits() -> Value {
    json!({ "coherence_from": 0.7, "phase_from": 0.8, "entropy_to": 0.5 })
}

/// A page's end: the row beyond it is cut.
fn cut(parameters: &Parameters, rows: &mut Vec<Row>, limit: u32, keys: &[&str]) -> Option<String> {
    if rows.len() <= limit as usize {
        return None;
    }
    rows.truncate(limit as usize);
    let last = rows.last()?;
    Some(parameters.cursor_text(&keys.iter().map(|key| text(last, key)).collect::<Vec<_>>()))
}

/// Removes what only cursors need.
fn without(rows: Vec<Row>, hidden: &[&str]) -> Vec<Value> {
    let strip = |mut row: Row| {
        hidden.iter().for_each(|key| drop(row.remove(*key)));
        Value::Object(row)
    };
    rows.into_iter().map(strip).collect()
}

/// Adds ` AND column = {name:String}` for a parameter that is given.
fn equal(parameters: &Parameters, name: &str, column: &str, question: &mut Question) -> String {
    let Some(value) = parameters.text(name) else { return String::new() };
    question.set(name, value);
    format!(" AND {column} = {{{name}:String}}")
}

/// The same for one of these words.
fn word(parameters: &Parameters, name: &str, words: &[&'static str], column: &str, question: &mut Question) -> Result<String, Problem> {
    let pairs: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
    parameters.choice(name, &pairs, "")?;
    Ok(equal(parameters, name, column, question))
}

/// What comes after a cursor's place, newest first: its time (a column and its type), and among equal ones the column that tells them apart.
fn older(place: Option<&[String]>, (time, kind): (&str, &str), key: &str, question: &mut Question) -> String {
    let Some([at, last]) = place else { return String::new() };
    question.set("after_at", at.replace('T', " ").replace('Z', ""));
    question.set("after_key", last);
    format!(" AND ({time} < {{after_at:{kind}}} OR ({time} = {{after_at:{kind}}} AND {key} > {{after_key:String}}))")
}

impl Console {
    /// Adds what `from` and `to` ask of a column.
    fn within(&self, parameters: &Parameters, column: &str, question: &mut Question) -> Result<String, Problem> {
        let mut conditions = String::new();
        for (name, operator) in [("from", ">="), ("to", "<")] {
            if let Some(instant) = parameters.text(name) {
                question.set(name, time::parameter(self.business_zone.parse(name, instant)?));
                conditions += &format!(" AND {column} {operator} {{{name}:DateTime('UTC')}}");
            }
        }
        Ok(conditions)
    }

    pub(crate) async fn budgets(&self, query: Option<&str>) -> Result<Value, Problem> {
        let parameters = Parameters::read("/api/v1/budgets", query, BUDGETS.iter().copied())?;
        let limit = parameters.number("limit", 100, 1..=1000)?;
        let is_running = parameters.choice("running", &[("true", true), ("false", false)], true)?;
        let place = parameters.cursor(3)?;
        let mut question = Question::default();
        let mut conditions =
            equal(&parameters, "budget", "f.budget", &mut question) + &equal(&parameters, "scope", "f.scope", &mut question);
        if is_running {
            conditions += " AND f.is_running";
        }
        let rank = "toString(toDecimal128(round(ifNull(f.ratio, -1), 9), 9))";
        if let Some([ratio, budget, scope]) = place.as_deref() {
            question.set("after_ratio", ratio);
            question.set("after_budget", budget);
            question.set("after_scope", scope);
            let place = "({after_ratio:Decimal(38, 9)}, {after_budget:String}, {after_scope:String})";
            conditions += &format!(" AND (-toDecimal128({rank}, 9), f.budget, f.scope) > (-{place}.1, {place}.2, {place}.3)");
        }
        question.sql = format!(
            "SELECT f.budget AS budget, f.scope AS scope, f.period AS period, f.period_start AS period_start, f.period_end AS period_end,\n\
             f.currency AS currency, toString(f.spent) AS spent, toString(f.`limit`) AS `limit`, toString(f.remaining) AS remaining,\n\
             f.ratio AS ratio, f.elapsed_ratio AS elapsed_ratio, toString(f.`projection`) AS projection,\n\
             f.projected_ratio AS projected_ratio, f.exceeded_at AS exceeded_at, f.level AS level, toBool(f.is_running) AS is_running,\n\
             p.hour AS forecast_hour, toString(p.forecast) AS forecast, toString(p.low) AS forecast_low, toString(p.high) AS forecast_high,\n\
             p.forecast_ratio AS forecast_ratio, p.exceeded_at AS forecast_exceeded_at, p.action AS action, p.confidence AS confidence,\n\
             {rank} AS `rank`\n\
             FROM {database}.budget_forecast AS f\n\
             LEFT JOIN (SELECT * FROM {database}.budget_pace ORDER BY hour DESC LIMIT 1 BY budget, scope) AS p\n\
             ON p.budget = f.budget AND p.scope = f.scope AND p.period_start = f.period_start\n\
             WHERE true{conditions}\n\
             ORDER BY toDecimal128(`rank`, 9) DESC, f.budget, f.scope\n\
             LIMIT {}\n\
             SETTINGS join_use_nulls = 1",
            limit + 1,
            database = self.tables.database,
        );
        let mut rows = self.reader.rows(&question).await?;
        let next = cut(&parameters, &mut rows, limit, &["rank", "budget", "scope"]);
        Ok(json!({ "data": without(rows, &["rank"]), "next_cursor": next, "queries": [question.shown("budgets")] }))
    }

    /// Without `scope`, the newest hour of every scope; with it, that scope's hours.
    pub(crate) async fn rhythm(&self, query: Option<&str>) -> Result<Value, Problem> {
        let parameters = Parameters::read("/api/v1/rhythm", query, RHYTHM.iter().copied())?;
        let limit = parameters.number("limit", 200, 1..=1000)?;
        let place = parameters.cursor(2)?;
        let mut question = Question::default();
        let zone = &self.business_zone;
        let of = |name: &str, default: i64| parameters.text(name).map_or(Ok(default), |text| zone.parse(name, text));
        let now = time::now();
        let (from, to) = (of("from", now - 14 * 86_400)?, of("to", now + 3600)?);
        question.set("from", time::parameter(from));
        question.set("to", time::parameter(to));
        let has_scope = parameters.text("scope").is_some();
        let scope = equal(&parameters, "scope", "r.scope", &mut question);
        let newest = if has_scope { "" } else { "\nORDER BY r.hour DESC LIMIT 1 BY r.scope" };
        let mut conditions = word(&parameters, "state", &RHYTHM_STATES, "n.state", &mut question)?;
        conditions += &older(place.as_deref(), ("n.hour", "DateTime('UTC')"), "n.scope", &mut question);
        question.sql = format!(
            "SELECT n.scope AS scope, n.hour AS hour, n.state AS state, n.state_code AS state_code, n.coherence AS coherence, n.phase AS phase, n.entropy AS entropy,\n\
             toString(n.actual) AS actual, toString(n.expected) AS expected\n\
             FROM (\n    SELECT * FROM {}.rhythm AS r\n    WHERE r.hour >= {{from:DateTime('UTC')}} AND r.hour < {{to:DateTime('UTC')}}{scope}{newest}\n\
             ) AS n\n\
             WHERE true{conditions}\n\
             ORDER BY n.hour DESC, n.scope\n\
             LIMIT {}",
            self.tables.database,
            limit + 1
        );
        let mut rows = self.reader.rows(&question).await?;
        let next = cut(&parameters, &mut rows, limit, &["hour", "scope"]);
        Ok(json!({ "data": without(rows, &[]), "next_cursor": next, "limits": rhythm_limits(), "queries": [question.shown("rhythm")] }))
    }

    /// What was not as usual, by its cause: the narrowest scope, and the others that saw it.
    pub(crate) async fn incidents(&self, query: Option<&str>) -> Result<Value, Problem> {
        let parameters = Parameters::read("/api/v1/incidents", query, INCIDENTS.iter().copied())?;
        let limit = parameters.number("limit", 20, 1..=500)?;
        let place = parameters.cursor(2)?;
        let mut question = Question::default();
        let mut conditions = self.within(&parameters, "i.started_at", &mut question)?;
        conditions += &word(&parameters, "state", &INCIDENT_STATES, "i.state", &mut question)?;
        if let Some(scope) = parameters.text("scope") {
            question.set("scope", scope);
            conditions += " AND (i.scope = {scope:String} OR has(arrayMap(c -> c.1, i.contributors), {scope:String}))";
        }
        conditions += &older(place.as_deref(), ("i.started_at", "DateTime('UTC')"), "i.scope", &mut question);
        question.sql = format!(
            "SELECT i.scope AS scope, i.started_at AS started_at, i.ended_at AS ended_at, i.state AS state, i.level AS level, i.rules AS rules,\n\
             toString(i.actual) AS actual, toString(i.expected) AS expected, toString(i.excess) AS excess, i.factor AS factor,\n\
             arrayMap(c -> CAST((c.1, toString(c.4)), 'Tuple(scope String, excess String)'), i.contributors) AS contributors,\n\
             nullIf(a.id, '') AS alert_id\n\
             FROM {database}.incidents AS i\n\
             LEFT JOIN (\n    SELECT scope, period, argMin(id, (occurred_at, id)) AS id FROM {database}.alerts\n    WHERE state = 'fired' AND rule IN ('spike', 'hourly-mean', 'hour-above') GROUP BY scope, period\n\
             ) AS a ON a.scope = i.scope AND a.period = formatDateTime(i.since, '%FT%RZ', 'UTC')\n\
             WHERE true{conditions}\n\
             ORDER BY i.started_at DESC, i.scope\n\
             LIMIT {}",
            limit + 1,
            database = self.tables.database,
        );
        let mut rows = self.reader.rows(&question).await?;
        let next = cut(&parameters, &mut rows, limit, &["started_at", "scope"]);
        Ok(json!({ "data": without(rows, &[]), "next_cursor": next, "queries": [question.shown("incidents")] }))
    }

    pub(crate) async fn alerts(&self, query: Option<&str>) -> Result<Value, Problem> {
        let parameters = Parameters::read("/api/v1/alerts", query, ALERTS.iter().copied())?;
        let limit = parameters.number("limit", 50, 1..=500)?;
        let place = parameters.cursor(2)?;
        let mut question = Question::default();
        let mut inside = self.within(&parameters, "a.occurred_at", &mut question)?;
        inside += &equal(&parameters, "rule", "a.rule", &mut question);
        inside += &equal(&parameters, "scope", "a.scope", &mut question);
        let is_open = parameters.flag("open")?;
        let newest = if parameters.flag("latest")? || is_open {
            format!("\n    ORDER BY a.occurred_at DESC, {RANK} DESC, a.id LIMIT 1 BY a.rule, a.scope, a.period")
        } else {
            String::new()
        };
        let mut outside = word(&parameters, "level", &LEVELS, "a.level", &mut question)?;
        outside += &word(&parameters, "state", &ALERT_STATES, "a.state", &mut question)?;
        if is_open {
            outside += " AND a.state IN ('fired', 'escalated')";
        }
        outside += &older(place.as_deref(), ("a.occurred_at", "DateTime64(6, 'UTC')"), "a.id", &mut question);
        question.sql = format!(
            "SELECT {ALERT_COLUMNS}\n\
             FROM (\n    SELECT * FROM {}.alerts AS a\n    WHERE true{inside}{newest}\n\
             ) AS a\n\
             WHERE true{outside}\n\
             ORDER BY a.occurred_at DESC, a.id\n\
             LIMIT {}",
            self.tables.database,
            limit + 1
        );
        let mut rows = self.reader.rows(&question).await?;
        let next = cut(&parameters, &mut rows, limit, &["occurred_at", "id"]);
        Ok(json!({ "data": without(rows, &[]), "next_cursor": next, "queries": [question.shown("alerts")] }))
    }

    /// The life of the alert that one of its events belongs to, oldest first.
    pub(crate) async fn alert(&self, id: &str, query: Option<&str>) -> Result<Value, Problem> {
        Parameters::read("/api/v1/alerts/{id}", query, [])?;
        let mut question = Question::default();
        question.set("id", id);
        let database = &self.tables.database;
        question.sql = format!(
            "SELECT {ALERT_COLUMNS}\n\
             FROM {database}.alerts AS a\n\
             WHERE (a.rule, a.scope, a.period) IN (SELECT (rule, scope, period) FROM {database}.alerts WHERE id = {{id:String}})\n\
             ORDER BY a.occurred_at, {RANK}, a.id\n\
             LIMIT 500"
        );
        let rows = self.reader.rows(&question).await?;
        if rows.is_empty() {
            return Err(Problem::new(NOT_FOUND, "there is no alert with this id", "/api/v1/alerts lists them").blaming("id", id));
        }
        Ok(json!({ "id": id, "data": without(rows, &[]), "queries": [question.shown("alert")] }))
    }
}

/// Within one instant, the graver comes later.
const RANK: &str = "indexOf(['info', 'warning', 'critical', 'emergency'], a.level)";

const ALERT_COLUMNS: &str = "a.id AS id, a.rule AS rule, a.scope AS scope, a.period AS period, a.level AS level, a.state AS state, a.silenced AS silenced,
    toString(a.threshold) AS threshold, toString(a.current) AS current, toString(a.previous) AS previous, a.currency AS currency, a.occurred_at AS occurred_at,
    JSONExtract(a.data, 'projection', 'Nullable(String)') AS projection, JSONExtractString(a.data, 'explanation') AS explanation,
    JSONExtractString(a.data, 'recommendation') AS recommendation, JSONExtractString(a.data, 'period_start') AS period_start,
    JSONExtractString(a.data, 'period_end') AS period_end";
