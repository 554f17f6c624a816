//! The generator's expectations against the audit's independent recount: neither knows the other's code.
#![allow(clippy::unwrap_used, reason = "the lint does not see that helpers of tests are tests")]

use std::collections::BTreeMap;

use audit::{GroupingSet, Message, Recount, Rules};
use generate::{EVENT_SCHEMA, Expected, Formats, Generated, Generator, Incident, Ledger, Options, Pace, Shares, replay};
use schemas::Timestamp;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};

const PRICES: &str = include_str!("../../prices/public.toml");
const RATES: &str = include_str!("../../prices/rates.toml");
const PARTITIONS: u64 = 3;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T10:15:03Z").unwrap()
}

fn troubled(events: u64, seed: u64) -> Options {
    let span_us = 10 * DAY_US;
    Options {
        start: now().plus(-span_us),
        pace: Pace::Span(span_us),
        formats: Formats::ALL,
        shares: Shares { keyless: 10_000, ..Shares::TROUBLED },
        ..Options::ending_at(now(), seed, events)
    }
}

fn message(generated: &Generated, offsets: &mut BTreeMap<i32, i64>) -> Message {
    // Any function of the key does.
    let hash = generated.key.iter().flatten().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let partition = i32::try_from(hash % PARTITIONS).unwrap();
    let offset = offsets.entry(partition).or_default();
    *offset += 1;
    Message {
        partition,
        offset: *offset - 1,
        timestamp_ms: now().micros() / 1000 + 60_000,
        key: generated.key.clone(),
        payload: generated.payload.clone(),
        headers: generated.headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.clone()))).collect(),
    }
}

fn recount<'a>() -> Recount<'a> {
    let rules = Rules::new(&[PRICES, RATES], "Asia/Kolkata", GroupingSet::defaults()).unwrap();
    Recount::new(rules, &[EVENT_SCHEMA], |id| Ok((id == 1).then(|| EVENT_SCHEMA.to_owned()))).unwrap()
}

#[test]
fn every_expected_outcome_is_that_of_the_recount() {
    let (mut recount, mut offsets) = (recount(), BTreeMap::new());
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for generated in Generator::new(troubled(50_000, 3)).unwrap() {
        let message = message(&generated, &mut offsets);
        let outcome = recount.take(&message).unwrap();
        let expected = (generated.expected.name(), generated.expected.reason().map(|reason| reason.code()));
        let shown = || String::from_utf8_lossy(message.payload.as_deref().unwrap_or_default()).into_owned();
        assert_eq!(
            (outcome.name(), outcome.reason()),
            expected,
            "message {}: {outcome:?}\n{}\n{:?}",
            generated.number,
            shown(),
            generated.fact
        );
        *seen.entry(expected.1.unwrap_or(expected.0).to_owned()).or_default() += 1;
    }
    println!("{seen:?}");
    assert!(seen.len() >= 24, "{seen:?}");
}

#[test]
fn the_facts_add_up_to_the_recounted_measures() {
    let (mut recount, mut offsets) = (recount(), BTreeMap::new());
    let (mut events, mut uncached, mut read, mut written, mut output, mut reasoning, mut errors, mut latency) = (0, 0, 0, 0, 0, 0, 0, 0);
    for generated in Generator::new(troubled(20_000, 4)).unwrap() {
        recount.take(&message(&generated, &mut offsets)).unwrap();
        let Some(fact) = generated.fact.filter(|_| generated.expected == Expected::Counted) else { continue };
        events += 1;
        let t = fact.tokens;
        let sums = [&mut uncached, &mut read, &mut written, &mut output, &mut reasoning];
        for (sum, count) in
            sums.into_iter().zip([t.uncached_input, t.cache_read, t.cache_write_5m + t.cache_write_1h, t.output, t.reasoning])
        {
            *sum += i128::from(count);
        }
        errors += i128::from(fact.kind == schemas::Kind::Llm && fact.status != "ok");
        latency += i128::from(fact.latency_ms.unwrap_or(0));
    }
    let expected = recount.finish();
    let mut total: BTreeMap<&str, i128> = BTreeMap::new();
    for columns in expected.views_of("total", audit::Granularity::Month) {
        for name in [
            "events",
            "uncached_input_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "errors",
            "latency_ms_sum",
        ] {
            *total.entry(name).or_default() += columns.1.count(name).unwrap();
        }
    }
    assert_eq!(total["events"], events);
    assert_eq!((total["uncached_input_tokens"], total["cache_read_tokens"], total["cache_write_tokens"]), (uncached, read, written));
    assert_eq!((total["output_tokens"], total["reasoning_tokens"]), (output, reasoning));
    assert_eq!((total["errors"], total["latency_ms_sum"]), (errors, latency));
}

#[test]
fn the_same_options_give_the_same_messages() {
    let run = |seed| Generator::new(troubled(2_000, seed)).unwrap().collect::<Vec<_>>();
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn the_ledger_is_a_json_object_a_line() {
    let mut ledger = Ledger::new(Vec::new());
    for generated in Generator::new(troubled(3_000, 8)).unwrap() {
        ledger.write(&generated).unwrap();
    }
    let text = String::from_utf8(ledger.finish().unwrap()).unwrap();
    let mut counted = 0;
    for (number, line) in text.lines().enumerate() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["number"], number as u64);
        assert_eq!(entry["expected"] == "counted", entry["fact"].is_object());
        counted += u64::from(entry["expected"] == "counted");
    }
    assert!(text.lines().count() == 3_000 && counted > 2_000);
}

#[test]
fn the_demo_replays_two_weeks_and_goes_on_live() {
    let end = now();
    let history: Vec<_> = replay::history(end, 20_000, 1).unwrap().collect();
    assert!(history.windows(2).all(|pair| pair[0].intended_timestamp <= pair[1].intended_timestamp));
    assert!(history[0].intended_timestamp < end.plus(-13 * DAY_US) && history[19_999].intended_timestamp < end);
    let live: Vec<_> = replay::live(end, 50.0, 1).unwrap().take(101).collect();
    assert_eq!(live[100].intended_timestamp, end.plus(2_000_000));
    assert!(live.iter().all(|l| l.fact.is_none_or(|f| history.iter().all(|h| h.fact.is_none_or(|h| h.id.run != f.id.run)))));
}

#[test]
fn the_incident_is_a_function_of_end_and_seed_is_over_three_hours_before_the_end_and_lies_in_order_in_the_history() {
    for end in ["2026-11-22T20:00:00Z", "2026-11-22T20:59:59.999999Z", "2026-11-22T02:30:00Z"].map(|end| Timestamp::parse(end).unwrap()) {
        let incident = || Incident::before(end, 1).unwrap();
        let (start, over, prefix) = (incident().start(), incident().end(), incident().id_prefix());
        let calls: Vec<_> = incident().collect();
        assert_eq!(calls, incident().collect::<Vec<_>>());
        assert_ne!(calls, Incident::before(end, 2).unwrap().collect::<Vec<_>>());
        assert!(calls.len() > 150 && calls[0].intended_timestamp == start && calls.iter().all(|call| call.intended_timestamp < over));
        // Three whole hours and a minute, so that inputs close the last of them.
        let quiet_from = over.plus(HOUR_US - over.micros().rem_euclid(HOUR_US));
        assert!(quiet_from.plus(3 * HOUR_US + MINUTE_US) <= end, "{quiet_from} {end}");

        let history: Vec<_> = replay::history(end, 20_000, 1).unwrap().collect();
        let both: Vec<_> = replay::merged(replay::history(end, 20_000, 1).unwrap(), Some(incident())).collect();
        assert!(both.windows(2).all(|pair| pair[0].intended_timestamp <= pair[1].intended_timestamp));
        let is_call = |message: &&Generated| message.key.as_ref().is_some_and(|key| key.starts_with(prefix.as_bytes()));
        let (of_incident, ordinary): (Vec<_>, Vec<_>) = both.iter().partition(is_call);
        assert!(of_incident.into_iter().eq(&calls) && ordinary.into_iter().eq(&history), "nothing else is changed");
    }
}

#[test]
fn options_that_cannot_be_kept_are_refused_by_name() {
    let refused = |options: Options| Generator::new(options).unwrap_err().to_string();
    assert!(refused(Options { pace: Pace::Span(15 * DAY_US), ..troubled(1, 1) }).starts_with("span is"));
    assert!(refused(Options { events: None, ..troubled(1, 1) }).starts_with("events is missing"));
    assert!(refused(Options { users: 0, ..troubled(1, 1) }).starts_with("users is 0"));
}
