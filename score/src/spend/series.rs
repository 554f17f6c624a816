//! Hourly spend of real clients.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::files;

/// Hours of a series.
pub(super) const HOURS: usize = 336;
/// Clients with fewer hours of spend are left out: there is no rhythm to break.
const LEAST_ACTIVE: usize = 84;

/// One series.
#[derive(Clone, Debug)]
pub struct Spending {
    /// `model/client`, or `model/all`.
    pub name: String,
    /// US dollars of each hour; hours without a row are 0.
    pub hourly: Vec<f64>,
}

/// Reads `servegen_hourly_spend.csv` (plain or gzip; model, client, hour, usd) of the folder.
///
/// # Errors
/// When the file is not there or has another form.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Spending>> {
    let path = files::plain_or_packed(&folder.join("servegen_hourly_spend.csv"))
        .with_context(|| format!("{} has no servegen_hourly_spend.csv", folder.display()))?;
    let text = files::text(&path)?;
    let mut clients: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    let mut models: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        let (model, client, hour, usd) =
            row(line).with_context(|| format!("line {}: expected model,client,hour,usd, found {line:?}", number + 1))?;
        ensure!(hour < HOURS, "line {}: hour {hour} is not below {HOURS}", number + 1);
        clients.entry((model, client)).or_insert_with(|| vec![0.0; HOURS])[hour] += usd;
        models.entry(model).or_insert_with(|| vec![0.0; HOURS])[hour] += usd;
    }
    let active = |hourly: &Vec<f64>| hourly.iter().filter(|usd| **usd > 0.0).count() >= LEAST_ACTIVE;
    let mut series: Vec<Spending> = clients
        .into_iter()
        .filter(|(_, hourly)| active(hourly))
        .map(|((model, client), hourly)| Spending { name: format!("{model}/{client}"), hourly })
        .collect();
    series.extend(models.into_iter().map(|(model, hourly)| Spending { name: format!("{model}/all"), hourly }));
    Ok(series)
}

fn row(line: &str) -> Option<(&str, &str, usize, f64)> {
    let mut fields = line.split(',');
    let row = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
    fields.next().is_none().then_some(row)
}
