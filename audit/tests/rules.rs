//! Each rule of the contract on cases worked out by hand.
#![allow(clippy::unwrap_used, reason = "the lint does not see that helpers of tests are tests")]

use std::time::Duration;

use audit::{Expected, Granularity, GroupingSet, Message, Outcome, Recount, Rules};

const BOOK: &str = r#"
[[price]]
provider = "anthropic"
model = "claude-haiku-4-5"
aliases = ["haiku"]
per = 1_000_000
input = "1.00"
cache_read = "0.10"
cache_write_5m = "1.25"
cache_write_1h = "2.00"
output = "5.00"
from = 2026-01-01T00:00:00Z
to = 2026-11-01T00:00:00Z
[[price]]
provider = "anthropic"
model = "claude-haiku-4-5"
aliases = ["HAIKU"]
per = 1_000_000
input = "2.00"
output = "10.00"
reasoning = "20.00"
from = 2026-11-01T00:00:00Z
[[price]]
provider = "openai"
model = "gpt-4"
per = 1000
input = "0.03"
output = "0.06"
from = 2023-01-01T00:00:00Z
[[rate]]
currency = "EUR"
per_usd = "0.92"
from = 2026-01-01T00:00:00Z
[[rate]]
currency = "EUR"
per_usd = "0.5"
from = 2026-11-22T00:00:00Z
"#;

const NOW_MS: i64 = 1_795_342_503_000; // 2026-11-22T10:15:03Z

fn recount() -> Recount<'static> {
    Recount::new(Rules::new(&[BOOK], "UTC", GroupingSet::defaults()).unwrap(), &[], |_| Ok(None)).unwrap()
}

fn message(offset: i64, json: &str) -> Message {
    Message { offset, timestamp_ms: NOW_MS, payload: Some(json.as_bytes().to_vec()), ..Message::default() }
}

/// An event of the default identity and time, with more fields.
fn event(id: u32, fields: &str) -> String {
    format!(r#"{{"event_id":"{id}","source":"s","occurred_at":"2026-11-22T10:15:03Z",{fields}}}"#)
}

fn outcomes(events: &[String]) -> (Vec<&'static str>, Expected) {
    let mut recount = recount();
    let outcome = |(at, json): (usize, &String)| {
        let outcome = recount.take(&message(at as i64, json)).unwrap();
        if let Outcome::Rejected(rejection) = outcome { rejection.reason } else { outcome.name() }
    };
    let named = events.iter().enumerate().map(outcome).collect();
    (named, recount.finish())
}

/// Cost and "unpriced" of one event with these fields.
fn cost(fields: &str) -> String {
    let (named, expected) = outcomes(&[event(1, fields)]);
    assert_eq!(named, ["counted"], "{fields}");
    let (_, total) = expected.views_of("total", Granularity::Month).next().unwrap();
    let unpriced = if total.count("unpriced_events") == Some(1) { " unpriced" } else { "" };
    format!("{}{unpriced}", total.cost)
}

fn outcome(fields: &str) -> &'static str {
    outcomes(&[event(1, fields)]).0[0]
}

const HAIKU: &str = r#""kind":"llm","provider":"anthropic","model":"claude-haiku-4-5""#;
const GPT: &str = r#""kind":"llm","provider":"openai","model":"gpt-4""#;
const ALL: &str = r#""input_tokens":1200,"cache_read_tokens":800,"cache_write_5m_tokens":50,"cache_write_1h_tokens":50,"output_tokens":300,"reasoning_tokens":100"#;

#[test]
fn prices_are_those_in_force_at_the_event() {
    let at = |time: &str, counts: &str| format!(r#"{{"event_id":"1","source":"s","occurred_at":"{time}",{HAIKU},{counts}}}"#);
    let cost = |time: &str, counts: &str| {
        let (named, expected) = outcomes(&[at(time, counts)]);
        assert_eq!(named, ["counted"]);
        expected.total_cost().to_string()
    };
    // 1200 + 0.1 x 800 + 1.25 x 50 + 2 x 50 + 5 x (200 + 100 reasoning, which has no price of its own) = 2942.5 millionths.
    assert_eq!(cost("2026-10-31T23:59:59.999999Z", ALL), "0.0029425");
    assert_eq!(cost("2026-11-01T00:00:00Z", r#""input_tokens":1,"output_tokens":3,"reasoning_tokens":1"#), "0.000042");
    assert_eq!(cost("2025-12-31T23:59:59Z", ALL), "0");
}

#[test]
fn what_has_no_price_is_unpriced() {
    assert_eq!(cost(&format!("{HAIKU},{ALL}")), "0 unpriced"); // caches have no price any more
    assert_eq!(cost(&format!("{GPT},\"input_tokens\":1")), "0 unpriced"); // output missing
    assert_eq!(cost(&format!("{GPT},\"input_tokens\":1,\"operation\":\"embeddings\"")), "0.00003");
    assert_eq!(cost(&format!("{GPT},\"input_tokens\":1,\"output_tokens\":0,\"tier\":\"batch\"")), "0 unpriced");
    assert_eq!(cost(&format!("{GPT},\"input_tokens\":1,\"output_tokens\":0,\"tier\":\"standard\"")), "0.00003");
    assert_eq!(cost(r#""kind":"llm","provider":"OpenAI","model":"GPT-4","input_tokens":1,"output_tokens":1"#), "0.00009");
    assert_eq!(cost(r#""kind":"llm","provider":"Anthropic","model":"Haiku","input_tokens":1,"output_tokens":1"#), "0.000012");
    assert_eq!(cost(r#""kind":"llm","provider":"x","model":"y","amount":"0.5","currency":"eur""#), "1"); // reported
    assert_eq!(cost(&format!("{GPT},\"input_tokens\":1,\"output_tokens\":0,\"amount\":\"5\",\"currency\":\"USD\"")), "0.00003");
    assert_eq!(cost(r#""kind":"cost","amount":"5","currency":"CHF""#), "0 unpriced");
}

#[test]
fn amounts_are_exact_and_converted_half_even() {
    assert_eq!(cost(r#""kind":"cost","amount":"-1.000000000000000001","currency":"USD""#), "-1.000000000000000001");
    assert_eq!(cost(r#""kind":"cost","amount":1.5e-18,"currency":"USD""#), "0.000000000000000002");
    let october = r#"{"event_id":"1","source":"s","occurred_at":"2026-11-21T23:59:59Z","kind":"cost","amount":"1","currency":"EUR"}"#;
    assert_eq!(outcomes(&[october.to_owned()]).1.total_cost().to_string(), "1.086956521739130435");
    assert_eq!(cost(r#""kind":"cost","amount":"1","currency":"EUR""#), "2");
    assert_eq!(outcome(r#""kind":"cost","amount":"1000000000","currency":"USD""#), "counted");
    assert_eq!(outcome(r#""kind":"cost","amount":"500000000.000000000000000001","currency":"EUR""#), "out_of_range");
    assert_eq!(outcome(r#""kind":"cost","amount":"1e3","currency":"USD""#), "bad_number");
    assert_eq!(outcome(r#""kind":"cost","amount":"1""#), "missing_field");
    assert_eq!(outcome(r#""kind":"cost","currency":"USD""#), "missing_field");
}

#[test]
fn conventions_give_disjoint_counts() {
    let counts = |convention: &str| {
        let (named, expected) = outcomes(&[event(1, &format!("{GPT},{ALL},\"token_convention\":\"{convention}\""))]);
        assert_eq!(named, ["counted"]);
        let (_, total) = expected.views_of("total", Granularity::Hour).next().unwrap();
        let count = |column| total.count(column).unwrap();
        assert_eq!((count("cache_read_tokens"), count("cache_write_tokens"), count("reasoning_tokens")), (800, 100, 100));
        (count("uncached_input_tokens"), count("output_tokens"))
    };
    assert_eq!(counts("inclusive"), (300, 200));
    assert_eq!(counts(""), (300, 200));
    assert_eq!(counts("cache_apart"), (1200, 200));
    assert_eq!(counts("reasoning_apart"), (300, 300));
    assert_eq!(counts("exclusive"), (1200, 300));
    assert_eq!(outcome(&format!("{GPT},\"input_tokens\":9,\"cache_read_tokens\":10")), "inconsistent_tokens");
    assert_eq!(outcome(&format!("{HAIKU},\"input_tokens\":9,\"cache_read_tokens\":10")), "counted");
    assert_eq!(outcome(&format!("{GPT},\"output_tokens\":9,\"reasoning_tokens\":10")), "inconsistent_tokens");
    assert_eq!(outcome(&format!("{HAIKU},\"cache_write_tokens\":9,\"cache_write_1h_tokens\":8")), "inconsistent_tokens");
    assert_eq!(outcome(&format!("{HAIKU},\"cache_write_tokens\":9,\"cache_write_1h_tokens\":8,\"cache_write_5m_tokens\":1")), "counted");
}

#[test]
fn a_repeat_is_recognised_in_any_spelling_and_a_contradiction_too() {
    let first = event(1, &format!("{GPT},\"input_tokens\":1,\"output_tokens\":2,\"revenue\":\"1.50\",\"x\":{{\"a\":1.50,\"b\":[]}}"));
    let second =
        r#" {"tier":"standard","x":{ "b" : [ ], "a":1.50},"revenue_currency":"usd","revenue":1.5,"cache_read_tokens":0,"output_tokens":2,"input_tokens":1,
        "token_convention":"inclusive","model":"gpt-4","provider":"openai","kind":"llm","tags":{},"user_id":null,"team":"",
        "occurred_at":"2026-11-22 11:15:03.0000009+01:00","source":"s","event_id":1} "#
    .to_owned();
    let envelope = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2000-01-01T00:00:00Z","data":{first}}}"#);
    let other_time = first.replace("10:15:03Z", "10:15:03.000001Z");
    let other_source = first.replace("\"s\"", "\"S\"");
    let events = [first.clone(), second, envelope, other_time, first.replace("1.50\",", "1.51\","), other_source, first];
    assert_eq!(outcomes(&events).0, ["counted", "duplicate", "duplicate", "conflict", "conflict", "counted", "duplicate"]);
}

#[test]
fn late_and_future_are_judged_by_the_log() {
    let at = |id: u32, time: &str| format!(r#"{{"event_id":"{id}","source":"s","occurred_at":"{time}",{GPT}}}"#);
    let events = [
        at(1, "2026-10-01T00:00:00Z"),
        at(2, "2026-11-22T10:20:03Z"), // 5 minutes ahead
        at(3, "2026-11-22T10:20:03.000001Z"),
        at(4, "2026-10-18T10:20:03Z"), // 35 days behind
        at(5, "2026-10-18T10:20:02.999999Z"),
        at(1, "2026-10-01T00:00:00Z"), // late goes before duplicate
        at(5, "2026-11-22T10:00:00Z"), // a late one takes no id
        at(3, "2026-11-22T10:00:00Z"), // nor does a rejected one
    ];
    let (named, expected) = outcomes(&events);
    assert_eq!(named, ["counted", "counted", "occurred_at_in_future", "counted", "late", "late", "counted", "counted"]);
    let account = expected.accounts[&0];
    assert_eq!((account.counted, account.late, account.rejected, account.next_offset), (5, 2, 1, 8));
    assert_eq!(expected.dead_letters.values().map(|r| r.reason).collect::<Vec<_>>(), ["occurred_at_in_future", "too_late", "too_late"]);
}

#[test]
fn horizon_and_future_are_those_of_the_rules() {
    let at = |id: u32, time: &str| format!(r#"{{"event_id":"{id}","source":"s","occurred_at":"{time}",{GPT}}}"#);
    let mut rules = Rules::new(&[BOOK], "UTC", GroupingSet::defaults()).unwrap();
    (rules.horizon, rules.future) = (Duration::from_hours(48), Duration::from_hours(1));
    let mut recount = Recount::new(rules, &[], |_| Ok(None)).unwrap();
    let events = [
        at(1, "2026-11-22T11:15:03Z"),        // an hour ahead
        at(2, "2026-11-22T11:15:03.000001Z"), // and more
        at(3, "2026-11-20T11:15:03Z"),        // two days behind
        at(4, "2026-11-20T11:15:02.999999Z"), // and more
    ];
    let reasons = events.iter().zip(0..).map(|(event, offset)| recount.take(&message(offset, event)).unwrap().reason());
    assert_eq!(reasons.collect::<Vec<_>>(), [None, Some("occurred_at_in_future"), None, Some("too_late")]);
}

#[test]
fn adjustments_negate_exactly_and_say_one_thing_only() {
    let call = event(1, &format!("{GPT},\"input_tokens\":7,\"output_tokens\":3"));
    let void = |fields: &str| format!("\"kind\":\"adjustment\",\"adjusts\":\"1\",{fields}");
    let counts = r#""provider":"openai","model":"gpt-4","input_tokens":-7,"output_tokens":-3"#;
    let (named, expected) = outcomes(&[call, event(2, &void(counts))]);
    assert_eq!(named, ["counted", "counted"]);
    let (_, total) = expected.views_of("total", Granularity::Day).next().unwrap();
    assert_eq!((total.cost.to_string().as_str(), total.count("events"), total.count("calls")), ("0", Some(2), Some(1)));
    assert_eq!(cost(&void(r#""amount":"-3","currency":"EUR""#)), "-6");
    assert_eq!(outcome(&void(r#""provider":"openai""#)), "inconsistent_adjustment");
    assert_eq!(outcome(&void(&format!("{counts},\"amount\":\"1\",\"currency\":\"USD\""))), "inconsistent_adjustment");
    assert_eq!(outcome(&void(r#""provider":"openai","input_tokens":-7"#)), "missing_field");
    assert_eq!(outcome(&void(counts).replace("\"1\"", "\"\"")), "missing_field");
}

#[test]
fn offsets_that_hold_no_message_are_skipped() {
    let mut recount = recount();
    recount.begin(0, 0);
    recount.take(&message(3, &event(1, GPT))).unwrap();
    assert!(recount.take(&message(3, &event(2, GPT))).is_err());
    recount.end(0, 10);
    recount.end(1, 0);
    let account = recount.finish().accounts[&0];
    assert_eq!((account.skipped, account.counted, account.next_offset), (9, 1, 10));
}

#[test]
fn values_over_the_limit_are_counted_together() {
    let limited = GroupingSet { max_series: 2, ..GroupingSet::new("user", &["user_id"]) };
    let mut recount = Recount::new(Rules::new(&[BOOK], "UTC", vec![limited]).unwrap(), &[], |_| Ok(None)).unwrap();
    for (offset, user) in ["a", "b", "c", "d", "a"].iter().enumerate() {
        recount.take(&message(offset as i64, &event(offset as u32, &format!("{GPT},\"user_id\":\"{user}\"")))).unwrap();
    }
    let rows: Vec<_> =
        recount.finish().views_of("user", Granularity::Hour).map(|((_, key), m)| (key[0].clone(), m.count("events"))).collect();
    assert_eq!(rows, [("__other__".to_owned(), Some(2)), ("a".to_owned(), Some(2)), ("b".to_owned(), Some(1))]);
}

#[test]
fn measures_of_one_event_are_its_own() {
    let fields = format!("{GPT},\"input_tokens\":1,\"output_tokens\":1,\"status\":\"timeout\",\"latency_ms\":812.9,\"revenue\":\"0.02\"");
    let (_, expected) = outcomes(&[event(1, &fields), event(2, &format!("{GPT},\"status\":\"ok\",\"latency_ms\":0"))]);
    let ((start_s, key), row) = expected.views_of("model", Granularity::QuarterHour).next().unwrap();
    assert_eq!((start_s, key), (NOW_MS / 1000 - 3, vec!["openai".to_owned(), "gpt-4".to_owned()]));
    let counts = ["events", "calls", "errors", "unpriced_events", "latency_count", "latency_ms_sum"].map(|c| row.count(c).unwrap());
    assert_eq!((counts, row.latency_ms_max, row.revenue.to_string()), ([2, 2, 1, 1, 2, 812], 812, "0.02".to_owned()));
}

#[test]
fn a_cost_of_more_than_a_billion_dollars_is_refused() {
    let dear = BOOK.replace("input = \"0.03\"", "input = \"3\"");
    let mut recount = Recount::new(Rules::new(&[&dear], "UTC", GroupingSet::defaults()).unwrap(), &[], |_| Ok(None)).unwrap();
    let mut take = |offset, tokens: u64| {
        let json = event(offset as u32, &format!("{GPT},\"input_tokens\":{tokens},\"output_tokens\":0"));
        recount.take(&message(offset, &json)).unwrap().reason()
    };
    assert_eq!(take(0, 333_333_333_333), None);
    assert_eq!(take(1, 333_333_333_334), Some("out_of_range"));
}
