//! `cost-rhythm audit`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use audit::{Message, Range, Recount, Report};
use ingest::codec::USAGE_EVENT_V1;
use ingest::registry::RegistryClient;
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use tokio::runtime::Runtime;

use super::topic_reader::{Extent, read_topic};
use super::{ConfigArg, io_runtime, start_logging};
use crate::config::{Config, Prefer, Rules};
use crate::service::{clickhouse, connect};

/// Arguments of `audit`.
#[derive(clap::Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only windows that begin at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<jiff::Timestamp>,
    /// Only windows that begin before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<jiff::Timestamp>,
    /// How long to wait until ClickHouse shows all that was in the topic when the audit began
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
    /// How many differences are listed
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Recounts and compares. Exit code 0: equal; 1: not.
///
/// # Errors
/// Kafka, the registry or ClickHouse cannot be asked.
pub(super) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let range = Range { from_s: args.from.map(jiff::Timestamp::as_second), to_s: args.to.map(jiff::Timestamp::as_second) };
    let runtime = io_runtime()?;
    let report = audit(&config, &runtime, range, Duration::from_secs(args.wait), args.limit)?;
    Ok(print(&report))
}

/// Prints a report; the exit code says whether all was equal.
pub(super) fn print(report: &Report) -> ExitCode {
    for difference in &report.listed {
        println!("{difference}");
    }
    if report.differences > report.listed.len() as u64 {
        println!("... and {} more", report.differences - report.listed.len() as u64);
    }
    if report.partial_rows > 0 {
        println!("{} rows were left out: the topic no longer holds all of their events", report.partial_rows);
    }
    if !report.accounts_compared {
        println!("accounts were not compared: the topic no longer holds the beginning of a partition");
    }
    println!("audit: {} rows compared, {} differences", report.rows, report.differences);
    if report.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn audit(config: &Config, runtime: &Runtime, range: Range, wait: Duration, limit: usize) -> anyhow::Result<Report> {
    let server = clickhouse(config)?;
    let query = |sql: &str| runtime.block_on(server.query_rows(sql, "TabSeparated"));
    let client = connect::kafka_client(config)?;
    let topic = config.kafka.topic(&config.kafka.events_topic);
    let registry = connect::registry_options(config).map(|options| RegistryClient::new(&options)).transpose()?;
    let mut recount = new_recount(config, move |id| match &registry {
        None => Ok(None),
        Some(registry) => registry.schema_text(id).map_err(|error| error.to_string()),
    })?;
    eprintln!("audit: reading {topic}");
    let (mut count, mut told) = (0_u64, Instant::now());
    let extents = read_topic(&client, &topic, None, &mut |message| {
        recount.take(&copy_of(message))?;
        count += 1;
        if told.elapsed() > Duration::from_secs(2) {
            eprintln!("audit: {count} messages recounted");
            told = Instant::now();
        }
        Ok(())
    })?;
    for extent in &extents {
        recount.begin(extent.partition, extent.start);
        recount.end(extent.partition, extent.end);
    }
    let expected = recount.finish();
    eprintln!("audit: {count} messages recounted, total cost {} USD; waiting for ClickHouse to show them", expected.total_cost());
    await_accounts(config, &extents, wait, &query)?;
    audit::compare(&expected, &config.clickhouse.database, range, limit, query).context("clickhouse")
}

/// A message of the input topic, as a recount takes it.
pub(super) fn copy_of(message: &BorrowedMessage<'_>) -> Message {
    let headers = message.headers().map(|headers| headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect());
    Message {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

/// A recount by the configuration's rules.
pub(super) fn new_recount<'a>(
    config: &Config,
    lookup: impl FnMut(u32) -> Result<Option<String>, String> + 'a,
) -> anyhow::Result<Recount<'a>> {
    let texts = Rules::price_texts(config)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let configured = config.grouping_sets();
    let sets = configured.iter().map(|set| {
        let key: Vec<&str> = set.key.iter().map(|dimension| dimension.name()).collect();
        let mut plain = audit::GroupingSet::new(&set.name, &key);
        plain.max_series = set.max_series as usize;
        plain
    });
    let mut rules = audit::Rules::new(&texts, &config.windows.time_zone, sets.collect())?;
    rules.reported_first = config.prices.prefer == Prefer::Reported;
    (rules.horizon, rules.future) = (config.windows.horizon, config.windows.future);
    rules.limits = audit::Limits { lateness: config.windows.lateness, retain: config.windows.retain, max_rows: config.limits.max_cells };
    Ok(Recount::new(rules, &[USAGE_EVENT_V1], lookup)?)
}

/// Waits until every offset that was read is in the accounts.
fn await_accounts<E: std::error::Error + Send + Sync + 'static>(
    config: &Config,
    extents: &[Extent],
    wait: Duration,
    query: &impl Fn(&str) -> Result<String, E>,
) -> anyhow::Result<()> {
    let wanted: i64 = extents.iter().filter(|e| e.start == 0).map(|e| e.end).sum();
    let topic = config.kafka.topic(&config.kafka.events_topic);
    let sql = format!("SELECT toInt64(sum(offsets_in)) FROM `{}`.pipeline_accounts WHERE topic = '{topic}'", config.clickhouse.database);
    let begun = Instant::now();
    loop {
        let shown: i64 = query(&sql)?.trim().parse().context("pipeline_accounts")?;
        if shown >= wanted {
            return Ok(());
        }
        if begun.elapsed() > wait {
            bail!(
                "CR-4001: ClickHouse shows {shown} of {wanted} offsets after {} s: is the pipeline running (see /readyz)? A longer --wait may do",
                wait.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    const MINUTES: i64 = 60_000;
    const NOW_MS: i64 = 1_795_342_500_000; // 2026-11-22T10:15:00Z

    fn outcomes(settings: &str) -> (Vec<Option<&'static str>>, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c.toml");
        std::fs::write(&file, settings).unwrap();
        let mut recount = new_recount(&load(Some(&file)).unwrap(), |_| Ok(None)).unwrap();
        // Three minutes ahead of the log, an hour behind, a bit less than three days behind.
        let reasons = [3, -60, -3 * 24 * 60 + 10].iter().zip(0..).map(|(minutes, offset)| {
            let at = jiff::Timestamp::from_millisecond(NOW_MS + minutes * MINUTES).unwrap();
            let event = format!(
                r#"{{"event_id":"{offset}","source":"s","occurred_at":"{at}","kind":"llm","provider":"anthropic","model":"claude-haiku-4-5","input_tokens":1000000,"output_tokens":0,"amount":"7","currency":"USD"}}"#
            );
            let message =
                Message { partition: 0, offset, timestamp_ms: NOW_MS, key: None, payload: Some(event.into_bytes()), headers: Vec::new() };
            recount.take(&message).unwrap().reason()
        });
        (reasons.collect(), recount.finish().total_cost().to_string())
    }

    #[test]
    fn the_recount_goes_by_the_configured_windows_and_preference() {
        assert_eq!(outcomes(""), (vec![None; 3], "3".to_owned()));
        assert_eq!(outcomes("[prices]\nprefer = \"reported\""), (vec![None; 3], "21".to_owned()));
        assert_eq!(outcomes("[windows]\nfuture = \"2m\"").0, [Some("occurred_at_in_future"), None, None]);
        assert_eq!(outcomes("[windows]\nhorizon = \"2d\"").0, [None, None, Some("too_late")]);
    }
}
