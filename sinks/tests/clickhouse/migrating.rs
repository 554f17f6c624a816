use schemas::GroupingSet;
use sinks::clickhouse::{ClickHouse, ClickHouseError};

use crate::server::{database, options, text};

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_end_with_one_record_per_migration() {
    let sets = GroupingSet::defaults();
    let servers: Vec<ClickHouse> = (0..4).map(|_| ClickHouse::new(options("together")).unwrap()).collect();
    let runs: Vec<_> = servers
        .iter()
        .cloned()
        .map(|server| {
            let sets = sets.clone();
            tokio::spawn(async move { server.migrate(&sets).await })
        })
        .collect();
    for run in runs {
        run.await.unwrap().unwrap();
    }
    assert_eq!(
        text(&servers[0], "SELECT groupConcat(',')(version) FROM (SELECT version FROM schema_migrations FINAL ORDER BY version)").await,
        "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
    );
    let again = servers[0].migrate(&sets).await.unwrap();
    assert!(again.applied.is_empty() && again.views.is_empty(), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_set_changes_its_views_and_no_other() {
    let server = database("changed_set").await;
    let mut sets = GroupingSet::defaults();
    sets[3].key.push(schemas::Dimension::Team);
    let migrated = server.migrate(&sets).await.unwrap();
    assert_eq!(
        migrated.views,
        ["quarter_hour_by_service", "hourly_by_service", "daily_by_service", "monthly_by_service", "spend_of", "scopes"]
    );
    assert_eq!(text(&server, "SELECT service, team FROM hourly_by_service").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_a_newer_program_migrated_is_refused() {
    let server = database("newer").await;
    server.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (99, '0099_future', 1)").await.unwrap();
    let error = server.migrate(&GroupingSet::defaults()).await.unwrap_err();
    assert!(matches!(error, ClickHouseError::NewerDatabase { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("or a newer one"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_edited_after_it_ran_is_refused() {
    let server = database("edited").await;
    server.execute("ALTER TABLE schema_migrations UPDATE checksum = 1 WHERE version = 2 SETTINGS mutations_sync = 2").await.unwrap();
    let error = server.migrate(&GroupingSet::defaults()).await.unwrap_err();
    assert!(matches!(error, ClickHouseError::ChangedMigration { version: 2, .. }), "{error}");
}
