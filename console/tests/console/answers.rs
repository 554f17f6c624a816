//! The figures of the API against recounts of the events, which share neither tables nor queries with them.

use serde_json::Value;

use crate::engine_process::{shared, text};
use crate::filling::{ANOMALIES, DATABASE, filled};
use crate::server::{Server, encoded, field, options};

async fn serve() -> Server {
    filled().await;
    Server::start(options(shared().address, DATABASE)).await
}

/// Rows of an answer as tab separated text.
fn lines(answer: &Value, columns: &[&str]) -> String {
    let cell = |row: &Value, column: &str| {
        let value = row.get(column).or_else(|| row["values"].get(column)).unwrap_or_else(|| panic!("{column} of {row}"));
        value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace('\\', "\\\\").replace('\'', "\\'")
    };
    let rows = answer["data"].as_array().unwrap().iter();
    let mut rows: Vec<String> = rows.map(|row| columns.iter().map(|column| cell(row, column)).collect::<Vec<_>>().join("\t")).collect();
    rows.sort();
    rows.join("\n")
}

fn sorted(text: &str) -> String {
    let mut rows: Vec<&str> = text.lines().collect();
    rows.sort_unstable();
    rows.join("\n")
}

const ISO: &str = "formatDateTime(w, '%Y-%m-%dT%H:%i:%SZ')";

#[tokio::test(flavor = "multi_thread")]
async fn spend_equals_a_recount_of_the_events_for_every_set_granularity_zone_and_currency() {
    let (clickhouse, server) = (filled().await, serve().await);
    let cases = [
        ("total", "", "hour", "UTC", "USD", 2),
        ("provider", "provider", "hour", "UTC", "KRW", 2),
        ("model", "provider, model", "hour", "Asia/Kathmandu", "USD", 2),
        ("model", "provider, model", "day", "UTC", "EUR", 20),
        ("team", "team", "day", "Europe/Berlin", "USD", 20),
        ("feature", "feature", "quarter_hour", "UTC", "USD", 1),
        ("cost_center", "cost_center", "month", "UTC", "USD", 60),
        ("route", "route", "month", "Asia/Kolkata", "KRW", 60),
        ("user", "user_id", "day", "UTC", "USD", 4),
    ];
    for (set, dimensions, granularity, zone, currency, days) in cases {
        let from = text(&clickhouse, &format!("SELECT toString(toDate(now('{zone}') - INTERVAL {days} DAY))")).await;
        let path =
            format!("/api/v1/spend?by={set}&granularity={granularity}&zone={}&currency={currency}&from={from}&limit=2000", encoded(zone));
        let answer = server.get(&path).await;
        assert_eq!(answer["next_cursor"], Value::Null, "{path}");
        let columns: Vec<&str> = dimensions.split(", ").filter(|name| !name.is_empty()).collect();
        let start = match granularity {
            "quarter_hour" => "toStartOfInterval(occurred_at, INTERVAL 15 MINUTE)".to_owned(),
            "hour" => format!("toTimeZone(toStartOfInterval(toTimeZone(occurred_at, '{zone}'), INTERVAL 1 HOUR), 'UTC')"),
            "day" => format!("toTimeZone(toDateTime(toDate(occurred_at, '{zone}'), '{zone}'), 'UTC')"),
            _ => format!("toTimeZone(toDateTime(toStartOfMonth(toDate(occurred_at, '{zone}')), '{zone}'), 'UTC')"),
        };
        // The rates are constant, and the events' amounts have 9 decimals: nothing is rounded.
        let rate = match currency {
            "KRW" => "1380.5",
            "EUR" => "0.92",
            _ => "1",
        };
        let grouped: String = columns.iter().map(|column| format!(", {column}")).collect();
        let recount = format!(
            "SELECT {ISO}{grouped}, toString(toDecimal128(sum(toDecimal256(cost, 18) * toDecimal256('{rate}', 4)), 18)), count(), countIf(kind = 'llm'), countIf(cost_status = 'unpriced'), sum(output_tokens)
             FROM usage_events WHERE occurred_at >= toDateTime(toDate('{from}'), '{zone}') - INTERVAL {} DAY GROUP BY {start} AS w{grouped} HAVING w >= {}",
            if granularity == "month" { 31 } else { 0 },
            if granularity == "month" { format!("toDateTime(toStartOfMonth(toDate('{from}')), '{zone}')") } else { "0".to_owned() },
        );
        let expected = sorted(&text(&clickhouse, &recount).await);
        assert!(!expected.is_empty());
        let mut shown = vec!["window_start"];
        shown.extend(&columns);
        shown.extend(["cost", "events", "calls", "unpriced_events", "output_tokens"]);
        assert_eq!(lines(&answer, &shown), expected, "{path}\n{}", answer["queries"][0]["sql"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_exact_and_reach_the_events_where_no_set_has_them_together() {
    let (clickhouse, server) = (filled().await, serve().await);
    let recount = |condition: &str| {
        format!(
            "SELECT toString(sum(cost)), count() FROM usage_events WHERE occurred_at >= toStartOfDay(now('UTC')) - INTERVAL 3 DAY AND {condition}"
        )
    };
    let from = text(&clickhouse, "SELECT toString(toDate(now('UTC')) - 3)").await;
    for (parameters, condition) in [
        (format!("by=feature&feature={}", encoded("it's")), "feature = 'it\\'s'"),
        ("by=feature&feature=".to_owned(), "feature = ''"),
        (format!("by=provider&provider=openai&model={}", encoded("large\\3")), "provider = 'openai' AND model = 'large\\\\3'"),
        ("by=total&provider=openai&team=core&source=events".to_owned(), "provider = 'openai' AND team = 'core'"),
    ] {
        let answer = server.get(&format!("/api/v1/series?{parameters}&from={from}")).await;
        assert_eq!(lines(&answer, &["cost", "events"]), text(&clickhouse, &recount(condition)).await, "{parameters}");
    }
    // The same question to the rollups and to the events.
    let rollups = server.get(&format!("/api/v1/spend?by=team&from={from}&granularity=hour&limit=2000")).await;
    let events = server.get(&format!("/api/v1/spend?by=team&from={from}&granularity=hour&limit=2000&source=events")).await;
    let columns = ["window_start", "team", "cost", "revenue", "events", "calls", "errors", "uncached_input_tokens"];
    assert_eq!(lines(&rollups, &columns), lines(&events, &columns));
}

#[tokio::test(flavor = "multi_thread")]
async fn series_have_their_spend_share_and_that_of_the_range_before() {
    let (clickhouse, server) = (filled().await, serve().await);
    let from = text(&clickhouse, "SELECT formatDateTime(toStartOfHour(now('UTC')) - INTERVAL 5 HOUR, '%Y-%m-%dT%H:%i:%SZ')").await;
    let to = text(&clickhouse, "SELECT formatDateTime(toStartOfHour(now('UTC')) - INTERVAL 1 HOUR, '%Y-%m-%dT%H:%i:%SZ')").await;
    let answer = server.get(&format!("/api/v1/series?by=provider&from={from}&to={to}")).await;
    let recount = format!(
        "WITH parseDateTimeBestEffort('{from}', 'UTC') AS f, parseDateTimeBestEffort('{to}', 'UTC') AS t
         SELECT provider, toString(sumIf(cost, occurred_at >= f)), toString(sumIf(cost, occurred_at < f)), countIf(occurred_at >= f) AS n
         FROM usage_events WHERE occurred_at >= f - INTERVAL 4 HOUR AND occurred_at < t GROUP BY provider HAVING n > 0"
    );
    assert_eq!(lines(&answer, &["provider", "cost", "previous_cost", "events"]), sorted(&text(&clickhouse, &recount).await));
    let shares: f64 = answer["data"].as_array().unwrap().iter().map(|row| row["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    let found = server.get(&format!("/api/v1/series?by=provider&from={from}&to={to}&search=OPEN")).await;
    assert_eq!(lines(&found, &["provider"]), "openai");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_summary_equals_a_recount_of_the_events() {
    let (clickhouse, server) = (filled().await, serve().await);
    let of = |condition: &str| format!("SELECT toString(sum(cost)) FROM usage_events WHERE {condition}");
    let answer = server.get("/api/v1/summary").await;
    for (index, start) in
        ["toStartOfHour(now('UTC'))", "toStartOfDay(now('UTC'))", "toDateTime(toStartOfMonth(now('UTC')), 'UTC')"].iter().enumerate()
    {
        let period = &answer["periods"][index];
        assert_eq!(field(period, "spent"), text(&clickhouse, &of(&format!("occurred_at >= {start}"))).await, "{period}");
        let unit = ["HOUR", "DAY", "MONTH"][index];
        let previous = format!("occurred_at >= {start} - INTERVAL 1 {unit} AND occurred_at < {start}");
        assert_eq!(field(&period["previous"], "spent"), text(&clickhouse, &of(&previous)).await, "{period}");
        let by_now = format!(
            "occurred_at >= {start} - INTERVAL 1 {unit} AND occurred_at < parseDateTimeBestEffort('{}', 'UTC')",
            field(&period["previous"], "by_now")
        );
        assert_eq!(field(&period["previous"], "spent_by_now"), text(&clickhouse, &of(&by_now)).await, "{period}");
    }
    let forecast = text(&clickhouse, "SELECT toString(`projection`) FROM console.month_forecast(scope = 'total', currency = 'USD')").await;
    assert_eq!(field(&answer["month_forecast"], "projection"), forecast);
    let won = server.get("/api/v1/summary?currency=krw&team=core").await;
    let expected = "SELECT toString(toDecimal128(sum(toDecimal256(cost, 18)) * toDecimal256('1380.5', 4), 18)) FROM usage_events WHERE team = 'core' AND occurred_at >= toStartOfDay(now('UTC'))";
    assert_eq!(field(&won["periods"][1], "spent"), text(&clickhouse, expected).await);
    assert_eq!(won["scope"], "team=core");
    let other = server.get("/api/v1/summary?zone=Asia/Kolkata").await;
    let expected = "occurred_at >= toStartOfDay(now(), 'Asia/Kolkata')";
    assert_eq!(field(&other["periods"][1], "spent"), text(&clickhouse, &of(expected)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_rhythm_alerts_and_accounts_are_those_of_the_views() {
    let (clickhouse, server) = (filled().await, serve().await);
    let budgets = server.get("/api/v1/budgets?limit=1000").await;
    let expected = "SELECT budget, scope, currency, toString(spent), toString(`limit`), ifNull(toString(`projection`), 'null') FROM budget_forecast WHERE is_running";
    assert_eq!(
        lines(&budgets, &["budget", "scope", "currency", "spent", "limit", "projection"]),
        sorted(&text(&clickhouse, expected).await)
    );
    let pace = budgets["data"].as_array().unwrap().iter().find(|row| row["budget"] == "llm-monthly").unwrap();
    assert_eq!((field(pace, "forecast"), field(pace, "forecast_low"), field(pace, "action")), ("22", "21", "SCALE_DOWN"));
    assert!(budgets["data"].as_array().unwrap().iter().all(|row| row["budget"] == "llm-monthly" || row["forecast"] == Value::Null));
    let rhythm = server.get("/api/v1/rhythm").await;
    let expected = "SELECT scope, state, ifNull(toString(coherence), 'null'), toString(actual) FROM rhythm WHERE hour = (SELECT max(hour) FROM rhythm)";
    assert_eq!(lines(&rhythm, &["scope", "state", "coherence", "actual"]), sorted(&text(&clickhouse, expected).await));
    let hours = server.get(&format!("/api/v1/rhythm?scope={}&limit=1000", encoded("provider=openai,model=small\\=1"))).await;
    assert_eq!(hours["data"].as_array().unwrap().len(), 200);
    let open = server.get("/api/v1/alerts?open=true&limit=500").await;
    let expected = "SELECT id FROM alerts WHERE (rule, scope, period) NOT IN (SELECT (rule, scope, period) FROM alerts WHERE state = 'resolved') ORDER BY occurred_at, level = 'critical' DESC LIMIT 1 BY rule, scope, period";
    assert_eq!(lines(&open, &["id"]), sorted(&text(&clickhouse, expected).await));
    let spikes =
        server.get(&format!("/api/v1/alerts?rule=spike&level=critical&state=escalated&scope={}&limit=500", encoded("feature=it's"))).await;
    let expected = "SELECT id, JSONExtractString(data, 'explanation') FROM alerts WHERE rule = 'spike' AND level = 'critical' AND state = 'escalated' AND scope = 'feature=it\\'s'";
    assert_eq!(lines(&spikes, &["id", "explanation"]), sorted(&text(&clickhouse, expected).await));
    let id = text(&clickhouse, "SELECT id FROM alerts WHERE period = 'p2' AND state = 'escalated'").await;
    let life = server.get(&format!("/api/v1/alerts/{id}")).await;
    let states: Vec<&str> = life["data"].as_array().unwrap().iter().map(|row| field(row, "state")).collect();
    assert_eq!(states, ["fired", "escalated", "resolved"]);
    let health = server.get("/api/v1/health").await;
    assert_eq!((&health["accounts"]["counted"], &health["accounts"]["offsets_in"]), (&Value::from(29000), &Value::from(30000)));
    assert_eq!(health["status"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_name_the_narrowest_scope_those_who_saw_it_and_its_alert() {
    let clickhouse = shared().database("incidents").await;
    clickhouse.execute(ANOMALIES).await.unwrap();
    for (id, rule, state) in [("a1", "spike", "resolved"), ("a2", "spike", "fired"), ("a3", "rhythm", "fired")] {
        let columns = "(id, rule, scope, period, level, state, occurred_at, data)";
        let period = "formatDateTime(toStartOfHour(now()) - INTERVAL 40 HOUR, '%FT%RZ')";
        let row = format!(
            "INSERT INTO alert_rows {columns} SELECT '{id}', '{rule}', 'feature=it\\'s', {period}, 'warning', '{state}', now64(), '{{}}'"
        );
        clickhouse.execute(&row).await.unwrap();
    }
    let server = Server::start(options(shared().address, "incidents")).await;
    let all = server.get("/api/v1/incidents").await;
    let shown = lines(&all, &["scope", "state", "level", "expected", "excess", "alert_id"]);
    let wanted = ["feature=it\\'s\tresolved\tcritical\t10\t20.666666666666666666\ta2", "provider=openai\topen\twarning\t0\t9\tnull"];
    assert_eq!(shown, sorted(&wanted.join("\n")));
    let of_agent = server.get("/api/v1/incidents?scope=team%3Dcore&state=resolved").await;
    let contributors = &of_agent["data"][0]["contributors"];
    assert_eq!(contributors[0], serde_json::json!({ "scope": "total", "excess": "20.666666666666666666" }));
    assert_eq!((of_agent["data"].as_array().unwrap().len(), contributors.as_array().unwrap().len()), (1, 2));
    let first = server.get("/api/v1/incidents?limit=1").await;
    let second = server.get(&format!("/api/v1/incidents?limit=1&cursor={}", encoded(field(&first, "next_cursor")))).await;
    let scopes = [&first, &second].map(|page| field(&page["data"][0], "scope").to_owned());
    assert_eq!((scopes, &second["next_cursor"]), (["provider=openai".to_owned(), "feature=it's".to_owned()], &Value::Null));
}

/// Every answer carries SQL that, asked again, gives the same figures.
#[tokio::test(flavor = "multi_thread")]
async fn the_sql_of_an_answer_gives_its_figures() {
    let (_, server) = (filled().await, serve().await);
    let answer = server.get("/api/v1/series?by=feature&currency=KRW&order=value&from=2026-01-01").await;
    let query = &answer["queries"][0];
    let mut sql = field(query, "sql").to_owned();
    for (name, value) in query["parameters"].as_object().unwrap() {
        for kind in ["String", "DateTime('UTC')"] {
            sql = sql.replace(&format!("{{{name}:{kind}}}"), &format!("'{}'", value.as_str().unwrap()));
        }
    }
    let again = shared().client(DATABASE).query_rows(&sql, "JSONEachRow").await.unwrap();
    let again: Vec<Value> = again.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let costs = |rows: &[Value]| rows.iter().map(|row| field(row, "cost").to_owned()).collect::<Vec<_>>();
    assert_eq!(costs(answer["data"].as_array().unwrap()), costs(&again));
    assert!(again.len() == 4);
}
