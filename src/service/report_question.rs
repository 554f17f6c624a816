//! A report's question as the configuration answers it, and who asks it.

use anyhow::bail;
use report::periodic::{Period, ReportQuestion, Share};
use report::{Reader, SetView};
use schemas::Currency;
use sinks::clickhouse::ClickHouse;
use tokio::runtime::Handle;

use crate::config::{Config, Rules};

/// What a report of a period asks.
///
/// # Errors
/// CR-3003: a file that the configuration names, or `report.shares`.
pub fn report_question(config: &Config, rules: Rules, period: Period, currency: Currency) -> anyhow::Result<ReportQuestion> {
    Ok(ReportQuestion {
        period,
        currency,
        sets: set_views(config),
        usage_events: config.clickhouse.usage_events,
        tags: config.report.tags.clone(),
        shares: shares(config)?,
        rolling_budgets: rules.budgets.iter().filter(|budget| budget.window.is_rolling()).map(|budget| budget.name.clone()).collect(),
        book: rules.book,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: config.clickhouse.database.clone(),
    })
}

/// Asks ClickHouse the questions of the crate `report`.
pub fn reader<'a>(server: &'a ClickHouse, handle: &'a Handle) -> Reader<'a> {
    Reader::new(|sql| handle.block_on(server.query_rows(sql, "JSONEachRow")).map_err(|error| error.to_string()))
}

/// The configured grouping sets that count everything and have views.
pub fn set_views(config: &Config) -> Vec<SetView> {
    let sets = config.grouping_sets().into_iter().filter(|set| set.is_published() && set.filter.is_empty());
    sets.map(|set| SetView { key: set.key.iter().map(|dimension| dimension.name()).collect(), name: set.name }).collect()
}

fn shares(config: &Config) -> anyhow::Result<Vec<Share>> {
    let mut shares = Vec::new();
    for (dimension, weights) in &config.report.shares {
        if !["team", "environment"].contains(&dimension.as_str()) && !config.report.tags.contains(dimension) {
            bail!("CR-3003: report.shares.{dimension}: expected team, environment or a tag of report.tags; add it there or take it out");
        }
        let weights: Vec<_> = weights.iter().map(|(name, weight)| (name.clone(), weight.0)).collect();
        if !weights.iter().any(|(_, weight)| weight.units() > 0) {
            bail!("CR-3003: report.shares.{dimension}: all weights are 0; give one more than 0, or take the key out");
        }
        shares.push(Share { dimension: dimension.clone(), weights });
    }
    Ok(shares)
}
