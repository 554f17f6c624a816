use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use runtime::io::TableSink;
use schemas::{GroupingSet, Measures, Timestamp};
use sinks::clickhouse::ClickHouseSink;
use sinks::clickhouse::views::view_name;

use crate::samples::{Key, Random, Row, random_row, rollups};
use crate::server::{database, sink_options, text, until_acknowledged};

const COLUMNS_AFTER_DIMENSIONS: &str = "events,calls,errors,unpriced_events,uncached_input_tokens,cache_read_tokens,cache_write_tokens,\
    output_tokens,reasoning_tokens,cost,revenue,latency_count,latency_ms_sum,latency_ms_max,first_event_at,last_event_at,is_final,revision";

#[tokio::test(flavor = "multi_thread")]
async fn every_view_equals_a_plain_recount() {
    let server = database("recount").await;
    let sets = GroupingSet::defaults();
    let handle = ClickHouseSink::start(server.clone(), sink_options(), Arc::new(()), &tokio::runtime::Handle::current());
    let mut random = Random(20_261_122);
    let written: Vec<Row> = (0..5_000).map(|_| random_row(&mut random, &sets)).collect();
    let mut sinks = [handle.table_sink(), handle.table_sink()];
    let mut submitted = [0, 0];
    for (index, rows) in written.chunks(173).enumerate() {
        sinks[index % 2].submit(rollups(rows)).unwrap();
        submitted[index % 2] += 1;
    }
    for (sink, count) in sinks.iter_mut().zip(submitted) {
        until_acknowledged(sink, count).await;
    }

    let mut expected = recount(&written);
    for view in server
        .query_rows(
            "SELECT name FROM system.tables WHERE database = 'recount' AND match(name, '^(quarter_hour|hourly|daily|monthly)_')",
            "TabSeparated",
        )
        .await
        .unwrap()
        .lines()
    {
        let mut found: Vec<String> = text(&server, &format!("SELECT * FROM {view}")).await.lines().map(str::to_owned).collect();
        found.sort();
        assert!(!found.is_empty(), "{view}");
        assert_eq!(found, expected.remove(view).unwrap(), "{view}");
    }
    assert!(expected.is_empty(), "no view for {:?}", expected.keys());

    for set in &sets {
        let columns = text(&server, &format!("SELECT groupConcat(',')(name) FROM (SELECT name FROM system.columns WHERE database = 'recount' AND table = '{}' ORDER BY position)", view_name(schemas::rollup::Granularity::Hour, &set.name))).await;
        let dimensions: String = set.key.iter().map(|dimension| format!("{},", dimension.name())).collect();
        assert_eq!(columns, format!("window_start,{dimensions}{COLUMNS_AFTER_DIMENSIONS}"));
    }
    let types = text(
        &server,
        "SELECT DISTINCT type FROM system.columns WHERE database = 'recount' AND name IN ('cost', 'revenue') AND match(table, '^(quarter_hour|hourly|daily|monthly)_')",
    )
    .await;
    assert_eq!(types, "Decimal(38, 18)");
}

/// The largest revision of every key, generations summed: the lines of each view, sorted.
fn recount(written: &[Row]) -> BTreeMap<String, Vec<String>> {
    let mut latest: HashMap<&Key, &Row> = HashMap::new();
    for row in written {
        let held = latest.entry(&row.key).or_insert(row);
        if row.revision >= held.revision {
            *held = row;
        }
    }
    let mut windows: HashMap<Key, (Measures, bool, i64)> = HashMap::new();
    for row in latest.values() {
        let window = windows.entry(Key { generation: 0, ..row.key.clone() }).or_insert((Measures::EMPTY, true, i64::MIN));
        window.0.merge(&row.measures).unwrap();
        window.1 &= row.is_final;
        window.2 = window.2.max(row.revision);
    }
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, (m, is_final, revision)) in windows {
        let mut fields = vec![seconds(key.window_start)];
        fields.extend(key.values.iter().map(|value| escape(value)));
        fields.extend([m.events, m.calls, m.errors, m.unpriced_events].map(|count| count.to_string()));
        fields.extend(
            [m.uncached_input_tokens, m.cache_read_tokens, m.cache_write_tokens, m.output_tokens, m.reasoning_tokens]
                .map(|sum| sum.to_string()),
        );
        fields.extend([
            m.cost.to_string(),
            m.revenue.to_string(),
            m.latency_count.to_string(),
            m.latency_ms_sum.to_string(),
            m.latency_ms_max.to_string(),
        ]);
        fields.extend([micros(m.first_event_at), micros(m.last_event_at), is_final.to_string(), revision.to_string()]);
        lines.entry(view_name(key.granularity, &key.set)).or_default().push(fields.join("\t"));
    }
    lines.values_mut().for_each(|lines| lines.sort());
    lines
}

fn micros(at: Timestamp) -> String {
    at.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

fn seconds(at: Timestamp) -> String {
    micros(at)[..19].to_owned()
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\0', "\\0").replace('\'', "\\'")
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_on_window_and_dimensions_reach_the_primary_index() {
    let server = database("pushdown").await;
    let insert = "INSERT INTO rollups (granularity, set, window_start, values, generation, revision, is_final, events)
        SELECT 'hour', 'user', toDateTime('2026-09-01 00:00:00', 'UTC') + 3600 * intDiv(number, 10000), ['u-' || toString(number % 10000)], 0, 1, false, 1 FROM numbers(1000000)";
    server.execute(insert).await.unwrap();
    let sql = "EXPLAIN indexes = 1 SELECT sum(cost) FROM hourly_by_user WHERE window_start >= '2026-09-03 00:00:00' AND window_start < '2026-09-03 03:00:00' AND user_id = 'u-7'";
    let plan = text(&server, sql).await;
    let (_, primary) = plan.split_once("PrimaryKey").unwrap();
    let condition = primary.lines().find(|line| line.contains("Condition")).unwrap();
    assert!(condition.contains("window_start in") && condition.contains("arrayElement(values, 1) in"), "{plan}");
    let granules = primary.lines().find_map(|line| line.trim().strip_prefix("Granules: ")).unwrap();
    let (read, all) = granules.split_once('/').unwrap();
    let (read, all): (u64, u64) = (read.parse().unwrap(), all.parse().unwrap());
    assert!(read <= 6 && all >= 100, "{granules}: {plan}");
    assert_eq!(text(&server, "SELECT count(), sum(events) FROM hourly_by_user WHERE user_id = 'u-7'").await, "100\t100");
}
