//! `cost-rhythm report` and `cost-rhythm scenario` on the real engine, over events of fixed dates. `REGENERATE=1` writes the golden files anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use sinks::clickhouse::ClickHouse;
use support::Engine;

/// Every grouping set with its values, one after the other for each event.
const SET_AND_VALUES: &str = "arrayJoin([('total', []::Array(String)), ('provider', [provider]), ('model', [provider, model]), ('service', [service]), \
    ('feature', [feature]), ('route', [route]), ('task_type', [task_type]), ('team', [team]), ('project', [project]), \
    ('environment', [environment]), ('cost_center', [cost_center]), ('user', [user_id])])";

/// Two weeks of events: 12 calls an hour on three models, a cloud line each day, an expensive batch on one day; three quarters in the second week.
const EVENTS: &str = "
    INSERT INTO usage_event_rows (topic, `partition`, `offset`, event_id, source, occurred_at, kind, provider, model, service, feature, task_type, team, environment,
        user_id, uncached_input_tokens, cache_read_tokens, output_tokens, cost, cost_status, price_version, revenue, latency_ms, status, tags)
    SELECT 'usage-events', 0, number, 'e-' || toString(number), 'test', toDateTime64('2026-11-16 00:00:00', 6, 'UTC') + toIntervalSecond(number * 300),
        if(number % 288 = 7, 'cost', 'llm') AS k,
        if(k = 'cost', '', ['openai', 'anthropic', 'anthropic'][1 + number % 3]),
        if(k = 'cost', '', ['gpt-4', 'claude-<b>haiku|x', 'claude-opus'][1 + number % 3]),
        if(k = 'cost', 'ECS', ''), ['', 'tutor', 'search'][1 + intDiv(number, 3) % 3], ['grading', 'strategy'][1 + intDiv(number, 6) % 2],
        ['core', 'growth', ''][1 + number % 3], if(number % 5 = 0, '', 'production'), 'u-' || toString(number % 31),
        if(k = 'cost', 0, 4000 + number % 7), if(k = 'cost', 0, 10), if(k = 'cost', 0, 200),
        if(number = 3000, toDecimal128('75.5', 18), if(k = 'cost', toDecimal128('3.333333333333333333', 18), [toDecimal128('0.13', 18), toDecimal128('0.005', 18), toDecimal128('0.075', 18)][1 + number % 3]))
            * if(number < 2016 AND number % 4 = 3, 0, 1),
        if(number % 100 = 50, 'unpriced', if(k = 'cost', 'amount', 'priced')), 'v', toDecimal128('0.2', 18), 700, if(number % 40 = 9, 'timeout', 'ok'),
        map('customer', if(number % 2 = 0, 'acme', ''))
    FROM numbers(4032)";

fn statements() -> Vec<String> {
    let mut all = vec![EVENTS.to_owned()];
    for (granularity, start) in [
        ("quarter_hour", "toStartOfFifteenMinutes(toDateTime(occurred_at, 'UTC'))"),
        ("day", "toStartOfDay(toDateTime(occurred_at, 'UTC'))"),
        ("month", "toDateTime(toStartOfMonth(occurred_at), 'UTC')"),
    ] {
        all.push(format!(
            "INSERT INTO rollups SELECT '{granularity}', s.1, {start} AS w, s.2, 0, 1, true, count(), countIf(kind = 'llm'),
                countIf(kind = 'llm' AND status NOT IN ('', 'ok')), countIf(cost_status = 'unpriced'), sum(uncached_input_tokens), sum(cache_read_tokens), 0,
                sum(output_tokens), 0, sum(cost), 0, sum(revenue), count(latency_ms), sum(ifNull(latency_ms, 0)), max(ifNull(latency_ms, 0)),
                min(occurred_at), max(occurred_at)
            FROM (SELECT *, {SET_AND_VALUES} AS s FROM usage_event_rows) GROUP BY s, w"
        ));
    }
    all.push(
        "INSERT INTO budget_rows SELECT 'won-daily', '', 'p', toDateTime('2026-11-23 00:00:00', 'UTC') + toIntervalDay(number),
            toDateTime('2026-11-24 00:00:00', 'UTC') + toIntervalDay(number), 'KRW', 1000, 500000, NULL, '', 1 FROM numbers(3)"
            .to_owned(),
    );
    // A rate that changes within a week, and one that is too young.
    all.push(
        "INSERT INTO exchange_rate_rows VALUES ('one', now64(6), 'KRW', '2026-01-01 00:00:00', '1380.5'), ('one', now64(6), 'KRW', '2026-11-25 00:00:00', '1400'),
            ('one', now64(6), 'EUR', '2026-11-20 00:00:00', '0.92')"
            .to_owned(),
    );
    all
}

const CONFIG: &str = r#"
[prices]
books = ["prices.toml"]
rates = []
[report]
tags = ["customer"]
shares = { team = { core = "2", growth = "1" } }
"#;

const PRICES: &str = r#"
[[price]]
provider = "openai"
model = "gpt-4"
per = 1_000_000
input = "30"
cache_read = "15"
output = "60"
from = 2026-01-01T00:00:00Z
source = "test"
[[price]]
provider = "anthropic"
model = "claude-<b>haiku|x"
per = 1_000_000
input = "1"
cache_read = "0.1"
output = "5"
from = 2026-01-01T00:00:00Z
source = "test"
"#;

struct Stand {
    config: PathBuf,
    server: ClickHouse,
    runtime: tokio::runtime::Runtime,
    _engine: Engine,
    _directory: tempfile::TempDir,
}

fn stand() -> Stand {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::start(directory.path());
    let url = engine.url();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = engine.filled(&runtime, "cost_rhythm", &statements());
    std::fs::write(directory.path().join("prices.toml"), PRICES).unwrap();
    let config = directory.path().join("config.toml");
    std::fs::write(&config, format!("[clickhouse]\nurl = \"{url}\"\n{CONFIG}")).unwrap();
    Stand { config, server, runtime, _engine: engine, _directory: directory }
}

impl Stand {
    fn report(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(support::PROGRAM).args(["report", "--config", self.config.to_str().unwrap()]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn scenario(&self, arguments: &[&str]) -> String {
        let output =
            Command::new(support::PROGRAM).args(["scenario", "--config", self.config.to_str().unwrap()]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail says.
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = Command::new(support::PROGRAM).args(arguments).args(["--config", self.config.to_str().unwrap()]).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn ask(&self, sql: &str) -> String {
        self.runtime.block_on(self.server.query_rows(sql, "TabSeparated")).unwrap().trim_end().to_owned()
    }
}

/// What changes from run to run and from version to version.
fn fixed(text: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = text
        .replace(&format!("cost-rhythm {version},"), "cost-rhythm VERSION,")
        .replace(&format!("\"version\": \"{version}\""), "\"version\": \"VERSION\"");
    // True for as long as the events' month lasts.
    if let Some(at) = text.find("2026-11 is still running") {
        let line = text[..at].rfind('\n').unwrap()..at + text[at..].find('\n').unwrap();
        text.replace_range(line, "");
    }
    // The only times of today.
    let today = |text: &str| {
        text.match_indices("20")
            .map(|(at, _)| at)
            .find(|at| text[*at..].len() > 20 && text.as_bytes()[at + 19] == b'Z' && text.as_bytes()[at + 10] == b'T')
    };
    while let Some(at) = today(&text) {
        text.replace_range(at..at + 20, "NOW");
    }
    text
}

fn assert_golden(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    let differing = golden.lines().zip(text.lines()).find(|(one, other)| one != other);
    assert!(golden == text, "{name} differs, first in {differing:?}; REGENERATE=1 writes it anew");
}

#[test]
fn reports_of_fixed_events_are_what_they_were_and_equal_a_recount_of_the_events() {
    let stand = stand();
    for (name, format) in [("report.json", "json"), ("report.md", "markdown"), ("report.html", "html")] {
        assert_golden(name, &fixed(&stand.report(&["--period", "weekly", "--date", "2026-11-26", "--format", format])));
    }

    // The figures are those of the events, which the report's rollups are not.
    let report: serde_json::Value =
        serde_json::from_str(&stand.report(&["--period", "weekly", "--date", "2026-11-23", "--format", "json"])).unwrap();
    let (this, before) =
        ("occurred_at >= '2026-11-23 00:00:00' AND occurred_at < '2026-11-30 00:00:00'", "occurred_at < '2026-11-23 00:00:00'");
    let sum = |expression: &str, filter: &str| stand.ask(&format!("SELECT toString({expression}) FROM usage_events WHERE {filter}"));
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let total = &report["total"];
    assert_eq!(text(&total["cost"]), sum("sum(cost)", this));
    assert_eq!(text(&total["previous_cost"]), sum("sum(cost)", before));
    assert_eq!(text(&total["calls"]), sum("countIf(kind = 'llm')", this));
    assert_eq!(text(&total["errors"]), sum("countIf(kind = 'llm' AND status != 'ok')", this));
    assert_eq!(text(&report["kpis"]["users"]), sum("uniqExact(user_id)", this));
    for (index, dimension) in [(0, "provider"), (2, "task_type"), (4, "feature")] {
        for line in report["breakdowns"][index]["lines"].as_array().unwrap() {
            let filter = format!("{this} AND {dimension} = '{}'", text(&line["name"]));
            assert_eq!(text(&line["cost"]), sum("sum(cost)", &filter), "{filter}");
        }
    }
    for slot in report["hours"].as_array().unwrap().iter().chain(report["days"].as_array().unwrap()) {
        let name = text(&slot["name"]);
        let filter = if name.len() == 2 {
            format!("leftPad(toString(toHour(occurred_at)), 2, '0') = '{name}'")
        } else {
            format!("toString(toDate(occurred_at)) = '{name}'")
        };
        assert_eq!(text(&slot["cost"]), sum("sum(cost)", &format!("{this} AND {filter}")), "{name}");
    }
    for allocation in report["allocations"].as_array().unwrap() {
        let parts =
            allocation["lines"].as_array().unwrap().iter().map(|line| text(&line["total"])).chain([text(&allocation["unallocated"])]);
        let all = parts.map(|part| part.parse::<schemas::Money>().unwrap().units()).sum::<i128>();
        assert_eq!(schemas::Money::from_units(all).to_string(), text(&total["cost"]), "{allocation}");
    }
    let kinds: Vec<&str> = report["advice"].as_array().unwrap().iter().filter_map(|advice| advice["kind"].as_str()).collect();
    for kind in ["cheaper_model", "cacheable_input", "provider_above_limit", "idle_budget"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }

    // A day has no table of days, a month all of it; the last of each kind is over.
    assert!(!stand.report(&["--period", "daily", "--date", "2026-11-26"]).contains("By day"));
    assert!(stand.report(&["--period", "monthly", "--date", "2026-11-01"]).contains(&sum("sum(cost)", "1")));
    assert!(stand.report(&["--period", "daily"]).contains("# Spend 20"));

    // Calls that name the beginning of their prompt, 2 minutes apart, after every tenth an hour of rest; another beginning is never repeated.
    let insert = "INSERT INTO usage_event_rows (topic, `partition`, `offset`, event_id, source, occurred_at, kind, provider, model, uncached_input_tokens, cost, cost_status, attributes)
        SELECT 'usage-events', 0, 10000 + number, toString(number), 'test', toDateTime64('2026-12-10 00:00:00', 6, 'UTC') + toIntervalMinute(number * 2 + intDiv(number, 10) * 60), 'llm', 'openai', 'gpt-4',
            if(number = 1, 700, 3000), 0.09, 'priced', map('prefix_hash', if(number = 99, 'rare', 'system'), 'prefix_tokens', '2000') FROM numbers(100)";
    stand.runtime.block_on(stand.server.execute(insert)).unwrap();
    let day: serde_json::Value =
        serde_json::from_str(&stand.report(&["--period", "daily", "--date", "2026-12-10", "--format", "json"])).unwrap();
    let advice = day["advice"].as_array().unwrap().iter().find(|advice| advice["kind"] == "cacheable_repeats").unwrap();
    // 99 calls, of them 10 after a rest; 89 repeats of 2000 tokens but one of 700 that were uncached: 176,700 x (30 - 15) USD per million.
    assert_eq!((&advice["about"], &advice["saving"]), (&"openai / gpt-4, prefix system".into(), &"2.6505".into()));
    assert!(advice["text"].as_str().unwrap().starts_with("89 of 99 calls") && !day["notes"].to_string().contains("prefix_hash"), "{day}");

    let file = stand.config.with_file_name("report.html");
    stand.report(&["--period", "weekly", "--date", "2026-11-26", "--format", "html", "--out", file.to_str().unwrap()]);
    let html = std::fs::read_to_string(file).unwrap();
    assert!(html.contains("claude-&lt;b&gt;haiku|x") && !html.contains("<b>") && !html.contains("http://") && !html.contains("<script"));
}

/// A recount of events in won: by day, each at the rate in force when it began, rounded once.
fn in_won(filter: &str) -> String {
    format!(
        "SELECT toString(sum(toDecimal128(roundBankers(toDecimal256(cost, 18) * toDecimal256(if(day >= '2026-11-25', '1400', '1380.5'), 18), 18), 18)))
        FROM (SELECT toDate(occurred_at) AS day, sum(cost) AS cost FROM usage_events WHERE {filter} GROUP BY day)"
    )
}

#[test]
fn a_report_in_another_currency_is_converted_day_by_day_at_the_dated_rates() {
    let stand = stand();
    let weekly = ["--period", "weekly", "--date", "2026-11-26", "--currency", "krw"];
    for (name, format) in [("report_krw.json", "json"), ("report_krw.md", "markdown")] {
        assert_golden(name, &fixed(&stand.report(&[&weekly[..], &["--format", format]].concat())));
    }
    let report: serde_json::Value = serde_json::from_str(&stand.report(&[&weekly[..], &["--format", "json"]].concat())).unwrap();
    let this = "occurred_at >= '2026-11-23 00:00:00' AND occurred_at < '2026-11-30 00:00:00'";
    assert_eq!(report["total"]["cost"], stand.ask(&in_won(this)));
    assert_eq!(report["total"]["previous_cost"], stand.ask(&in_won("occurred_at < '2026-11-23 00:00:00'")));
    let provider = &report["breakdowns"][0]["lines"][1];
    assert_eq!(provider["cost"], stand.ask(&in_won(&format!("{this} AND provider = '{}'", provider["name"].as_str().unwrap()))));
    let acme = report["allocations"][2]["lines"].as_array().unwrap().iter().find(|line| line["name"] == "acme").unwrap();
    assert_eq!(acme["total"], stand.ask(&in_won(&format!("{this} AND tags['customer'] = 'acme'"))));
    // What is recommended does not depend on the currency of the report.
    let dollars: serde_json::Value = serde_json::from_str(&stand.report(&[&weekly[..4], &["--format", "json"]].concat())).unwrap();
    assert_eq!(report["advice"], dollars["advice"]);

    let html = stand.report(&[&weekly[..], &["--format", "html"]].concat());
    assert!(html.contains(", KRW. Database") && html.contains(" KRW, ") && !html.contains("US dollars. Database"));
    let refused = |currency: &str| stand.refusal(&["report", "--period", "weekly", "--date", "2026-11-26", "--currency", currency]);
    let young = refused("EUR");
    assert!(
        young.contains("CR-6004: EUR") && young.contains("from 2026-11-20T00:00:00Z, and amounts from 2026-11-16T00:00:00Z"),
        "{young}"
    );
    assert!(refused("CHF").contains("CR-6004: CHF: no exchange rate: exchange_rates has none"));
}

#[test]
fn scenarios_grow_from_the_measured_month_and_say_where_it_breaks_even() {
    let stand = stand();
    let month = ["--month", "2026-11", "--months", "3"];
    for (name, format) in [("scenario.txt", "text"), ("scenario.md", "markdown"), ("scenario.json", "json")] {
        assert_golden(name, &fixed(&stand.scenario(&[&month[..], &["--format", format, "--fixed-cost", "100"]].concat())));
    }
    let won: serde_json::Value =
        serde_json::from_str(&stand.scenario(&[&month[..], &["--currency", "KRW", "--format", "json"]].concat())).unwrap();
    let measured = &won["measured"];
    let ask = |sql: &str| stand.ask(sql);
    assert_eq!(measured["cost"], ask(&in_won("1")));
    assert_eq!(measured["variable_cost"], ask(&in_won("kind = 'llm'")));
    assert_eq!(measured["users"].to_string(), ask("SELECT uniqExact(user_id) FROM usage_events"));
    assert_eq!(measured["calls"].to_string(), ask("SELECT countIf(kind = 'llm') FROM usage_events"));

    // A month after, in whole numbers that another arithmetic gives: 1.1 x 1.2 x 0.95 = 1.254.
    let dollars: serde_json::Value = serde_json::from_str(&stand.scenario(&[&month[..], &["--format", "json"]].concat())).unwrap();
    let next = "SELECT toString(toDecimal128(roundBankers(toDecimal256(sumIf(cost, kind = 'llm'), 36) * toDecimal256('1.254', 18), 18), 18) + sumIf(cost, kind = 'cost'))
        FROM usage_events";
    assert_eq!(dollars["scenarios"][0]["months"][1]["cost"], ask(next));
    let price = "SELECT toString(toDecimal128(roundBankers(toDecimal256(sum(cost), 36) / 31, 18), 18)) FROM usage_events";
    assert_eq!(dollars["break_even"]["price_per_user"], ask(price));
    let users =
        "SELECT ceil(31 * toFloat64(sumIf(cost, kind = 'cost')) / toFloat64(sum(revenue) - sumIf(cost, kind = 'llm'))) FROM usage_events";
    assert_eq!(dollars["break_even"]["users"]["at_least"].to_string(), ask(users));

    // A month without anything says so, and does not divide by nobody.
    let empty = stand.scenario(&["--month", "2026-03"]);
    let running = |text: &str| text.contains("is still running: what was measured is not a whole month.");
    assert!(!running(&empty) && running(&stand.scenario(&["--month", &ask("SELECT formatDateTime(now(), '%Y-%m', 'UTC')")])));
    assert!(empty.contains("There are no users in the measured month") && empty.contains("No event of the month tells revenue"), "{empty}");
    let refused = stand.refusal(&["scenario", "--month", "October"]);
    assert!(refused.contains("expected a year and a month, such as 2026-10"), "{refused}");
}
