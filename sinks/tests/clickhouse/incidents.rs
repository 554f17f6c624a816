//! The view `incidents`: which scopes see one cause, and which is the narrowest.

use crate::server::{database, text};

const AGENT: [(&str, i64); 5] =
    [("total", 100), ("provider=anthropic", 40), ("provider=anthropic,model=opus", 20), ("feature=agent", 3), ("team=core", 30)];
/// Overspend of an incident by the hour; the last three are quiet.
const TOO_MUCH: [i64; 5] = [47, 57, 0, 0, 0];

/// A row of `anomaly_rows`; hours of the 22nd of November.
fn row(rule: &str, scope: &str, (since, hour): (usize, usize), level: &str, (actual, expected): (i64, i64), is_over: bool) -> String {
    format!("('{rule}', '{scope}', '2026-11-22 {since}:00:00', '2026-11-22 {hour}:00:00', '{level}', {actual}, {expected}, {is_over}, 1)")
}

/// A feature runs away within a provider, a team and the whole.
fn agent_rows(share_of_total: i64) -> Vec<String> {
    let mut rows = Vec::new();
    for (nth, too_much) in TOO_MUCH.into_iter().enumerate() {
        let (hours, is_over) = ((10, 10 + nth), nth == 4);
        for (scope, usual) in AGENT {
            let level = if scope == "feature=agent" { "critical" } else { "warning" };
            let seen = if scope == "total" { too_much * share_of_total / 100 } else { too_much };
            rows.push(row("spike", scope, hours, level, (usual + seen, usual), is_over));
        }
        rows.push(row("hourly-mean", "feature=agent", hours, "critical", (3 + too_much, 5), is_over));
    }
    rows
}

async fn incidents(name: &str, rows: &[String]) -> Vec<String> {
    let server = database(name).await;
    server.execute(&format!("INSERT INTO anomaly_rows VALUES {}", rows.join(", "))).await.unwrap();
    let columns =
        "scope, started_at, ended_at, state, level, rules, actual, expected, excess, round(factor, 4), arrayMap(c -> c.1, contributors)";
    let shown = text(&server, &format!("SELECT {columns} FROM incidents ORDER BY started_at, scope")).await;
    shown.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cause_that_many_scopes_see_is_one_incident_of_the_narrowest() {
    let mut rows = agent_rows(100);
    // Another cause in the same hours: less than what the whole has too much, in a set of its own.
    rows.extend((11..13).map(|hour| row("spike", "service=s3", (11, hour), "warning", (25, 5), false)));
    // A repeat of a row changes nothing, and an older one neither.
    rows.push(rows[0].clone());
    assert_eq!(
        incidents("incidents_one", &rows).await,
        [
            "feature=agent\t2026-11-22 10:00:00\t2026-11-22 15:00:00\tresolved\tcritical\t['hourly-mean','spike']\t119\t15\t104\t7.9333\t['total','team=core','provider=anthropic,model=opus','provider=anthropic']",
            "service=s3\t2026-11-22 11:00:00\t2026-11-22 13:00:00\topen\twarning\t['spike']\t50\t10\t40\t5\t[]",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_narrower_scope_explains_is_an_incident_of_its_own() {
    // The whole has twice as much too much as the feature.
    let found = incidents("incidents_two", &agent_rows(200)).await;
    let of = |line: &String| {
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[0].to_owned(), columns[10].to_owned())
    };
    assert_eq!(
        found.iter().map(of).collect::<Vec<_>>(),
        [
            ("feature=agent".to_owned(), "['team=core','provider=anthropic,model=opus','provider=anthropic']".to_owned()),
            ("total".to_owned(), "[]".to_owned()),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_one_set_never_explain_each_other() {
    // Two features, the same amounts: they share no call.
    let rows: Vec<String> =
        ["feature=a", "feature=b\\\\,x\\\\=1"].iter().map(|scope| row("spike", scope, (10, 10), "warning", (50, 10), false)).collect();
    assert_eq!(incidents("incidents_three", &rows).await.len(), 2);
    // A team that has both is explained by neither.
    let mut rows = rows;
    rows.push(row("spike", "team=core", (10, 10), "warning", (100, 20), false));
    let found = incidents("incidents_four", &rows).await;
    assert_eq!(found.len(), 3, "{found:?}");
}
