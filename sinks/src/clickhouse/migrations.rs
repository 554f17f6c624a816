//! Tables and views: numbered files that run in order, once, and are recorded; then the views that depend on the grouping sets.
//!
//! Several instances may start at once: every statement can run twice, and the record keeps one row per version. A file
//! that has run anywhere is never edited; a change is a new file.

use std::collections::HashMap;

use schemas::GroupingSet;

use super::client::ClickHouse;
use super::error::ClickHouseError;
use super::views::{View, rollup_views, scope_views};

struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(Migration { version: $version, name: $name, sql: include_str!(concat!("../../migrations/", $name, ".sql")) }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations![
    1 "0001_rollups",
    2 "0002_usage_events",
    3 "0003_budgets_and_alerts",
    4 "0004_accounts",
    5 "0005_rhythm",
    6 "0006_reference",
    7 "0007_spend",
    8 "0008_analysts",
    9 "0009_rhythm_and_budgets",
    10 "0010_focus",
    11 "0011_retention",
    12 "0012_pace_and_silences",
    13 "0013_incidents",
    14 "0014_incidents_since",
    15 "0015_incidents_by_number",
];

const RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, checksum UInt64, program String, \
                      applied_at DateTime('UTC') DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY version";

/// What a run of the migrations did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Names of the files that ran now.
    pub applied: Vec<&'static str>,
    /// Names of the views that were made or changed now.
    pub views: Vec<String>,
}

impl ClickHouse {
    /// Brings the database to what this program needs, and makes the views of the grouping sets.
    ///
    /// # Errors
    /// [`ClickHouseError::NewerDatabase`], [`ClickHouseError::ChangedMigration`], or what the server says.
    pub async fn migrate(&self, sets: &[GroupingSet]) -> Result<Migrated, ClickHouseError> {
        let mut views = rollup_views(sets)?;
        views.extend(scope_views(sets, self.database()));
        self.execute_outside(&format!("CREATE DATABASE IF NOT EXISTS `{}`", self.database())).await?;
        self.execute(RECORD).await?;
        let recorded = self.recorded().await?;
        self.refuse_newer(&recorded)?;
        let mut migrated = Migrated::default();
        for migration in MIGRATIONS {
            let checksum = fnv(migration.sql.as_bytes());
            match recorded.get(&migration.version) {
                Some(found) if *found == checksum => continue,
                Some(_) => {
                    return Err(ClickHouseError::ChangedMigration { database: self.database().to_owned(), version: migration.version });
                }
                None => {}
            }
            for statement in statements(migration.sql) {
                // Views with parameters are called as functions, whose names the server does not complete when it stores a view.
                self.execute(&statement.replace("{database}", &format!("`{}`", self.database()))).await?;
            }
            self.record(migration, checksum).await?;
            migrated.applied.push(migration.name);
        }
        // Another instance, newer than this one, may have migrated meanwhile.
        self.refuse_newer(&self.recorded().await?)?;
        migrated.views = self.make_views(&views).await?;
        Ok(migrated)
    }

    async fn recorded(&self) -> Result<HashMap<u32, u64>, ClickHouseError> {
        let text = self.query_rows("SELECT version, any(checksum) FROM schema_migrations GROUP BY version", "TabSeparated").await?;
        let rows = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(rows.filter_map(|(version, checksum)| Some((version.parse().ok()?, checksum.parse().ok()?))).collect())
    }

    fn refuse_newer(&self, recorded: &HashMap<u32, u64>) -> Result<(), ClickHouseError> {
        let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
        match recorded.keys().copied().max() {
            Some(found) if found > known => Err(ClickHouseError::NewerDatabase { database: self.database().to_owned(), found, known }),
            _ => Ok(()),
        }
    }

    async fn record(&self, migration: &Migration, checksum: u64) -> Result<(), ClickHouseError> {
        let program = env!("CARGO_PKG_VERSION");
        let (version, name) = (migration.version, migration.name);
        let values = format!("({version}, '{name}', {checksum}, '{program}')");
        self.execute(&format!("INSERT INTO schema_migrations (version, name, checksum, program) VALUES {values}")).await
    }

    /// Leaves alone what is as it should be; views of sets that are no longer configured stay: their history is right.
    pub(crate) async fn make_views(&self, views: &[View]) -> Result<Vec<String>, ClickHouseError> {
        let sql = "SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine = 'View'";
        let text = self.query_rows(sql, "TabSeparated").await?;
        let marks: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('\t')).collect();
        let mut made = Vec::new();
        for view in views {
            if marks.get(view.name.as_str()).copied() != Some(view.mark().as_str()) {
                self.execute(&view.statement()).await?;
                made.push(view.name.clone());
            }
        }
        Ok(made)
    }
}

/// The statements of a file: each ends with a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

/// FNV-1a: stable across versions and machines, because it is stored.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_each_other_and_stand_in_the_names() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version as usize, index + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
        }
    }

    #[test]
    fn every_statement_may_run_twice() {
        for migration in MIGRATIONS {
            assert!(migration.sql.ends_with(";\n"), "{}", migration.name);
            for statement in statements(migration.sql) {
                let code: Vec<&str> = statement.lines().filter(|line| !line.is_empty() && !line.starts_with("--")).collect();
                let safe = ["CREATE TABLE IF NOT EXISTS", "CREATE OR REPLACE VIEW"].iter().any(|start| code[0].starts_with(start))
                    || (code[0].starts_with("ALTER TABLE")
                        && ["MODIFY TTL", "ADD COLUMN IF NOT EXISTS"].iter().any(|what| code[0].contains(what)));
                assert!(safe, "{}: {}", migration.name, code[0]);
            }
        }
    }
}
