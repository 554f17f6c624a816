use std::sync::Arc;

use runtime::io::{RowBatch, Table, TableSink};
use schemas::event::Amount;
use schemas::rollup::{AlertRow, AnomalyRow, BudgetRow, CostStatus, PaceRow, RhythmRow, UsageEventRow};
use schemas::timestamp::HOUR_US;
use schemas::{Currency, Dimension, Event, Kind, Money, Timestamp, Tokens};
use sinks::clickhouse::ClickHouseSink;
use sinks::clickhouse::rows::{self, Block};

use crate::samples::{accounts, rollups, total};
use crate::server::{database, sink_options, text, until_acknowledged};

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn event() -> Event<'static> {
    let mut dimensions = [""; Dimension::COUNT];
    dimensions[Dimension::Provider as usize] = "anthropic";
    dimensions[Dimension::Tier as usize] = "batch";
    Event {
        source: "api",
        event_id: "req-1",
        occurred_at: Timestamp::parse("2026-11-22T10:15:03.123456Z").unwrap(),
        kind: Kind::Adjustment,
        adjusts: "req-0",
        dimensions,
        tokens: Tokens { uncached_input: -400, cache_write_1h: 7, ..Tokens::default() },
        usage_known: true,
        amount: None,
        revenue: Some(Amount { value: money("27.5"), currency: "krw".parse().unwrap() }),
        latency_ms: Some(812),
        status: "ok",
        error_type: "",
        tags: &[("region", "eu")],
        attributes: &[("a", "1"), ("b", "\"x\"")],
    }
}

fn put_usage_event(block: &mut Block, offset: i64) {
    let row = UsageEventRow {
        topic: "usage-events",
        partition: 3,
        offset,
        event: &event(),
        cost: money("-0.000000000000000001"),
        cost_status: CostStatus::Priced,
        revenue: money("0.02"),
        price_version: "v1",
    };
    rows::put_usage_event(block, &row).unwrap();
}

fn put_budget(block: &mut Block, revision: i64, spent: &str, projection: Option<Money>) {
    let row = BudgetRow {
        budget: "llm-day",
        scope: "user_id=u-1",
        period: "2026-11-22",
        period_start: Timestamp::parse("2026-11-22T00:00:00Z").unwrap(),
        period_end: Timestamp::parse("2026-11-23T00:00:00Z").unwrap(),
        currency: Currency::USD,
        spent: money(spent),
        limit: money("100"),
        projection,
        level: "warning",
        revision,
    };
    rows::put_budget(block, &row).unwrap();
}

fn put_alert(block: &mut Block) {
    let row = AlertRow {
        id: "a-1",
        rule: "llm-day",
        scope: "",
        period: "2026-11-22",
        level: "critical",
        state: "fired",
        threshold: Some(money("95")),
        current: Some(money("95.000000000000000001")),
        previous: None,
        currency: Some(Currency::USD),
        occurred_at: Timestamp::parse("2026-11-22T10:15:03.123456Z").unwrap(),
        data: "{\"rule\":\"llm-day\"}",
        silenced: "known",
    };
    rows::put_alert(block, &row).unwrap();
}

fn put_rhythm(block: &mut Block, coherence: Option<f64>) {
    let row = RhythmRow {
        scope: "provider=openai",
        hour: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
        actual: money("0.5"),
        expected: money("0.25"),
        revision: 7,
        coherence,
        phase: Some(0.5),
        entropy: None,
        state: "DISSONANT",
        state_code: Some(1),
    };
    rows::put_rhythm(block, &row).unwrap();
}

fn put_pace(block: &mut Block, exceeded_at: Option<Timestamp>) {
    let at = |text| Timestamp::parse(text).unwrap();
    let row = PaceRow {
        budget: "llm-month",
        scope: "",
        period: "2026-11",
        period_start: at("2026-11-01T00:00:00Z"),
        period_end: at("2026-12-01T00:00:00Z"),
        hour: at("2026-11-22T10:00:00Z"),
        currency: Currency::USD,
        limit: money("100"),
        spent: money("80.000000000000000001"),
        forecast: money("110.5"),
        low: money("101"),
        high: money("120"),
        straight_line: money("109"),
        exceeded_at,
        action: "SCALE_DOWN",
        confidence: 0.875,
        gate_score: Some(62.5),
        roi: None,
        slo: Some(0.5),
        age_days: Some(21.5),
        state: "DISSONANT",
        revision: 7,
    };
    rows::put_pace(block, &row).unwrap();
}

fn anomaly<'a>(rule: &'a str, scope: &'a str, hour: i64) -> AnomalyRow<'a> {
    let midnight = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
    AnomalyRow {
        rule,
        scope,
        since: midnight.plus(10 * HOUR_US),
        hour: midnight.plus(hour * HOUR_US),
        level: "warning",
        actual: money("40.000000000000000001"),
        expected: money("2.5"),
        is_over: false,
        revision: 7,
    }
}

fn put_anomaly(block: &mut Block, row: &AnomalyRow<'_>) {
    rows::put_anomaly(block, row).unwrap();
}

fn batch(table: Table, put: impl Fn(&mut Block)) -> RowBatch {
    let mut block = Block::new(table);
    put(&mut block);
    block.take().unwrap()
}

#[test]
fn the_bytes_of_every_row_are_the_golden_ones() {
    let all = [
        ("rollup", rollups([&total(3, 9, money("-12.5"))])),
        ("usage_event", batch(Table::UsageEvents, |rows| put_usage_event(rows, 42))),
        ("budget", batch(Table::Budgets, |rows| put_budget(rows, 7, "80", None))),
        ("alert", batch(Table::Alerts, put_alert)),
        ("rhythm", batch(Table::Rhythm, |rows| put_rhythm(rows, Some(0.1)))),
        ("pace", batch(Table::Pace, |rows| put_pace(rows, Timestamp::parse("2026-11-28T05:00:00Z").ok()))),
        ("anomaly", batch(Table::Anomalies, |rows| put_anomaly(rows, &anomaly("spike", "feature=agent", 10)))),
        ("accounts", accounts(1, 4, 20, 8)),
    ];
    let lines: Vec<String> =
        all.iter().map(|(name, batch)| format!("{name} {}", batch.bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clickhouse/golden/rows_v2.hex");
    if std::env::var_os("REGENERATE_GOLDEN").is_some() {
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert_eq!(lines, golden.lines().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_digit_survives() {
    let server = database("digits").await;
    let handle = ClickHouseSink::start(server.clone(), sink_options(), Arc::new(()), &tokio::runtime::Handle::current());
    let mut sink = handle.table_sink();
    let values = [
        "0.000000000000000001",
        "-0.000000000000000001",
        "99999999999999999999.999999999999999999",
        "-99999999999999999999.999999999999999999",
        "0",
        "-1000000000.5",
    ];
    let costs: Vec<_> = values.iter().enumerate().map(|(hour, value)| total(hour as i64, 1, Money::from_units(units(value)))).collect();
    sink.submit(rollups(&costs)).unwrap();
    let events = |rows: &mut Block, offsets: &[i64]| offsets.iter().for_each(|offset| put_usage_event(rows, *offset));
    sink.submit(batch(Table::UsageEvents, |rows| events(rows, &[42, 43]))).unwrap();
    sink.submit(batch(Table::UsageEvents, |rows| events(rows, &[42]))).unwrap();
    let budgets = |rows: &mut Block| {
        put_budget(rows, 7, "80", None);
        put_budget(rows, 8, "80.000000000000000001", Some(money("120.25")));
    };
    sink.submit(batch(Table::Budgets, budgets)).unwrap();
    sink.submit(batch(Table::Budgets, |rows| put_budget(rows, 6, "79", None))).unwrap();
    let twice = |rows: &mut Block| (0..2).for_each(|_| put_alert(rows));
    sink.submit(batch(Table::Alerts, twice)).unwrap();
    sink.submit(batch(Table::Rhythm, |rows| put_rhythm(rows, Some(0.1)))).unwrap();
    sink.submit(batch(Table::Pace, |rows| put_pace(rows, None))).unwrap();
    sink.submit(batch(Table::Pace, |rows| put_pace(rows, Timestamp::parse("2026-11-28T05:00:00Z").ok()))).unwrap();
    until_acknowledged(&mut sink, 9).await;

    assert_eq!(text(&server, "SELECT cost FROM hourly_total ORDER BY window_start").await.lines().collect::<Vec<_>>(), values);
    assert_eq!(
        text(&server, "SELECT * FROM budgets").await,
        "llm-day\tuser_id=u-1\t2026-11-22\t2026-11-22 00:00:00\t2026-11-23 00:00:00\tUSD\t80.000000000000000001\t100\t0.8\t120.25\twarning"
    );
    assert_eq!(
        text(&server, "SELECT count(), any(current), any(previous), any(silenced) FROM alerts").await,
        "1\t95.000000000000000001\t\\N\tknown"
    );
    assert_eq!(text(&server, "SELECT count() FROM usage_events").await, "2");
    let sql = "SELECT topic, partition, event_id, occurred_at, kind, provider, tier, uncached_input_tokens, cache_write_1h_tokens, amount, cost, cost_status, price_version, revenue, revenue_amount, revenue_currency, latency_ms, tags, attributes FROM usage_events WHERE offset = 42";
    assert_eq!(
        text(&server, sql).await,
        "usage-events\t3\treq-1\t2026-11-22 10:15:03.123456\tadjustment\tanthropic\tbatch\t-400\t7\t\\N\t-0.000000000000000001\tpriced\tv1\t0.02\t27.5\tKRW\t812\t{'region':'eu'}\t{'a':'1','b':'\"x\"'}"
    );
    assert_eq!(
        text(&server, "SELECT scope, hour, coherence, phase, entropy, state, state_code FROM rhythm").await,
        "provider=openai\t2026-11-22 10:00:00\t0.1\t0.5\t\\N\tDISSONANT\t1"
    );
    assert_eq!(
        text(&server, "SELECT * FROM budget_pace").await,
        "llm-month\t\t2026-11\t2026-11-01 00:00:00\t2026-12-01 00:00:00\t2026-11-22 10:00:00\tUSD\t80.000000000000000001\t100\t110.5\t101\t120\t1.105\t109\t2026-11-28 05:00:00\tDISSONANT\tSCALE_DOWN\t0.875\t62.5\t\\N\t0.5\t21.5"
    );
}

/// Beyond what `Money::parse` takes.
fn units(text: &str) -> i128 {
    let digits = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<18}").parse::<i128>().unwrap()
    };
    match text.strip_prefix('-') {
        Some(rest) => -digits(rest),
        None => digits(text),
    }
}
