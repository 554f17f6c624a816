//! A comparison finds what was planted, and nothing else.
#![allow(clippy::unwrap_used, reason = "the lint does not see that helpers of tests are tests")]

use audit::{Expected, Granularity, GroupingSet, Message, Range, Recount, Rules, compare};

fn expected(first_offset: i64) -> Expected {
    let mut recount = Recount::new(Rules::new(&[], "UTC", GroupingSet::defaults()).unwrap(), &[], |_| Ok(None)).unwrap();
    for (number, (hour, team, amount)) in
        [(8, "a\tb", "0.1"), (9, "core", "12.345678901234567891"), (11, "core", "3")].into_iter().enumerate()
    {
        let json = format!(
            r#"{{"event_id":"{number}","source":"s","occurred_at":"2026-11-22T{hour:02}:20:00.5Z","kind":"cost","team":{team:?},"amount":"{amount}","currency":"USD"}}"#
        );
        let offset = first_offset + number as i64;
        // Kafka's time: 09:00 for the first.
        let timestamp_ms = 1_795_338_000_000 + number as i64 * 5_400_000;
        recount.take(&Message { offset, timestamp_ms, payload: Some(json.into_bytes()), ..Message::default() }).unwrap();
    }
    recount.finish()
}

/// Answers as a ClickHouse that holds exactly what is expected; `change` may spoil the lines of a view.
fn clickhouse<'a>(expected: &'a Expected, change: impl Fn(&str, &mut Vec<String>) + 'a) -> impl FnMut(&str) -> Result<String, String> + 'a {
    move |sql| {
        let name = sql.split('`').rev().nth(1).unwrap().to_owned();
        let mut lines = Vec::new();
        if name == "pipeline_accounts" {
            lines = expected
                .accounts
                .iter()
                .map(|(number, a)| {
                    let all = a.next_offset - a.first_offset;
                    format!("{number}\t{all}\t{}\t{}\t{}\t{}\t{}\t{}", a.counted, a.duplicate, a.conflict, a.late, a.rejected, a.skipped)
                })
                .collect();
        }
        for granularity in Granularity::ALL {
            let Some(set) = name.strip_prefix(granularity.prefix()).map(|rest| rest.trim_start_matches("_by").trim_start_matches('_'))
            else {
                continue;
            };
            for ((start_s, key), m) in expected.views_of(set, granularity) {
                let counts = [
                    "events",
                    "calls",
                    "errors",
                    "unpriced_events",
                    "uncached_input_tokens",
                    "cache_read_tokens",
                    "cache_write_tokens",
                    "output_tokens",
                    "reasoning_tokens",
                    "latency_count",
                    "latency_ms_sum",
                ]
                .map(|c| m.count(c).unwrap().to_string());
                let dimensions: String = key.iter().map(|k| format!("\t{}", k.replace('\\', "\\\\").replace('\t', "\\t"))).collect();
                // As a Decimal(38, 18) that keeps its zeros.
                let cost = m.cost.to_string();
                let cost = if cost.contains('.') { cost } else { format!("{cost}.000") };
                lines.push(format!(
                    "{start_s}{dimensions}\t{}\t{}\t{cost}\t{}\t{}\t{}",
                    counts.join("\t"),
                    m.latency_ms_max,
                    m.revenue,
                    m.first_event_at_us,
                    m.last_event_at_us
                ));
            }
        }
        change(&name, &mut lines);
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }
}

#[test]
fn equal_tables_have_no_difference() {
    let expected = expected(0);
    let report = compare(&expected, "cost_rhythm", Range::default(), 10, clickhouse(&expected, |_, _| {})).unwrap();
    assert!(report.is_equal() && report.accounts_compared, "{:?}", report.listed);
    assert!(report.rows > 12 * 4);
}

#[test]
fn a_planted_difference_of_the_last_digit_is_found() {
    let expected = expected(0);
    let spoil = |view: &str, lines: &mut Vec<String>| {
        if view == "hourly_by_team" {
            lines[1] = lines[1].replace("12.345678901234567891", "12.345678901234567892");
        }
    };
    let report = compare(&expected, "cost_rhythm", Range::default(), 10, clickhouse(&expected, spoil)).unwrap();
    assert_eq!(report.differences, 1);
    let shown = report.listed[0].to_string();
    assert_eq!(shown, "hourly_by_team 2026-11-22T09:00:00Z [\"core\"]: cost expected 12.345678901234567891, found 12.345678901234567892");
}

#[test]
fn missing_extra_and_repeated_rows_are_found_and_the_list_is_limited() {
    let expected = expected(0);
    let spoil = |view: &str, lines: &mut Vec<String>| match view {
        "daily_total" => lines.clear(),
        "monthly_by_user" => lines.push(lines[0].replacen("\t\t", "\tnobody\t", 1)),
        "hourly_total" => lines.push(lines[0].clone()),
        "pipeline_accounts" => lines[0] = lines[0].replace("0\t3\t3", "0\t3\t2"),
        _ => {}
    };
    let report = compare(&expected, "cost_rhythm", Range::default(), 10, clickhouse(&expected, spoil)).unwrap();
    let mut shown: Vec<_> = report.listed.iter().map(ToString::to_string).collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            "daily_total 2026-11-22T00:00:00Z []: missing row",
            "hourly_total 2026-11-22T08:00:00Z []: extra row",
            "monthly_by_user 2026-11-01T00:00:00Z [\"nobody\"]: extra row",
            "pipeline_accounts partition 0: counted expected 3, found 2",
        ]
    );
    let report = compare(&expected, "cost_rhythm", Range::default(), 2, clickhouse(&expected, spoil)).unwrap();
    assert_eq!((report.differences, report.listed.len()), (4, 2));
}

#[test]
fn windows_that_the_topic_holds_only_in_part_are_left_out() {
    let expected = expected(5);
    // The first message kept is of 09:00; what was lost is of 09:05 at the latest.
    assert_eq!(expected.partial_until, Some(1_795_338_000_000_000 + 300_000_000));
    let spoil = |_: &str, lines: &mut Vec<String>| lines.retain(|line| !line.contains("\t12.3456"));
    let report = compare(&expected, "cost_rhythm", Range::default(), 10, clickhouse(&expected, spoil)).unwrap();
    assert!(!report.accounts_compared && report.partial_rows > 0);
    // The hour of 09:00 is partial, the quarter of 09:15 is whole.
    assert!(report.differences > 0 && report.listed.iter().all(|d| d.view.starts_with("quarter_hour")), "{:?}", report.listed);
}

#[test]
fn a_range_limits_the_comparison() {
    let expected = expected(0);
    let range = Range { from_s: Some(1_795_345_200), to_s: None }; // 11:00
    let spoil = |_: &str, lines: &mut Vec<String>| lines.retain(|line| line.contains("\t3.000") || line.starts_with("0\t3"));
    assert!(compare(&expected, "cost_rhythm", range, 10, clickhouse(&expected, spoil)).unwrap().is_equal());
    assert!(!compare(&expected, "cost_rhythm", Range::default(), 10, clickhouse(&expected, spoil)).unwrap().is_equal());
}
