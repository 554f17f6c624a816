//! `cost-rhythm reprice`: what was counted, by the prices that the book has now.

mod correction;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use processor::pricing::Pricer;
use rdkafka::producer::{BaseRecord, Producer};
use report::Reader;
use report::status::sha256;
use schemas::Timestamp;
use schemas::timestamp::HOUR_US;
use serde_json::json;

use self::correction::{Looked, ScopeSum, event_json, look};
use self::rows::{Corrected, EventRow};
use super::producing::{replaying, send};
use super::status::write_whole;
use super::{ConfigArg, io_runtime, start_logging};
use crate::config::{Config, Rules, micros};
use crate::service::report_question::reader;
use crate::service::{clickhouse, connect};

/// Scopes of one dimension that are printed; the audit entry has all.
const SHOWN: usize = 15;
/// The dimensions whose scopes are shown.
const SCOPES: [&[&str]; 6] = [&["provider", "model"], &["team"], &["environment"], &["project"], &["feature"], &["task_type"]];
/// Corrections this close to the horizon may be late when they arrive, microseconds.
const MARGIN_US: i64 = HOUR_US;

/// Arguments of `reprice`.
#[derive(clap::Args)]
pub(super) struct RepriceArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Calls that occurred at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: jiff::Timestamp,
    /// and before this time, which must be past
    #[arg(long, value_name = "TIME")]
    to: jiff::Timestamp,
    /// Send corrections to the input topic; without it, only say what would change
    #[arg(long, requires = "audit")]
    write: bool,
    /// Say what would change, send nothing: the default
    #[arg(long, conflicts_with = "write")]
    dry_run: bool,
    /// Write what was found and done to this file
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
}

/// Looks at every call of the time, and corrects it if told to.
///
/// # Errors
/// ClickHouse or Kafka cannot be used, or the time cannot be corrected.
pub(super) fn run(args: &RepriceArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let time = |at: jiff::Timestamp| Timestamp::from_micros(at.as_microsecond());
    let (from, to) = (time(args.from), time(args.to));
    let now = time(jiff::Timestamp::now());
    if from >= to || to > now {
        bail!("CR-3003: --from {from} --to {to}: expected a time that is over: from before to, to not after now");
    }
    if !config.clickhouse.usage_events {
        bail!("CR-6201: clickhouse.usage_events is off: which calls there were is not known; only calls with rows can be priced anew");
    }
    if let Some(file) = args.audit.as_ref().filter(|file| file.exists()) {
        bail!("CR-6203: --audit {}: there is such a file, and audit entries are not written over: choose another name", file.display());
    }
    let (server, runtime) = (clickhouse(&config)?, io_runtime()?);
    let reader = reader(&server, runtime.handle());
    let reprice = Reprice::new(&config, &reader, (from, to))?;
    let found = reprice.look(&mut |_, _| Ok(()))?;
    print(&found);
    let entry = |sent| {
        json!({"format": "cost-rhythm-reprice/1", "version": env!("CARGO_PKG_VERSION"), "at": now.to_string(), "sent": sent, "from": from.to_string(),
        "to": to.to_string(), "database": config.clickhouse.database, "price_book": format!("{:032x}", reprice.book_hash), "corrections": found.total.events,
        "corrections_sha256": found.hash, "before": found.total.before.to_string(), "after": found.total.after.to_string(), "scopes": found.scopes_json(), "left_out": found.left})
    };
    let save = |file: &Path, sent: bool| write_whole(file, &(serde_json::to_string_pretty(&entry(sent))? + "\n"));
    if let Some(file) = &args.audit {
        save(file, false)?;
    }
    match (&args.audit, args.write && found.total.events > 0) {
        (Some(file), true) => {
            let sent = reprice.send(&config)?;
            if sent.hash != found.hash {
                bail!(
                    "CR-6202: events have changed while corrections were sent; what was sent stands in usage_events with ids reprice-...: look again with --dry-run"
                );
            }
            save(file, true)?;
            println!("{} corrections were sent; the audit entry is {}", sent.total.events, file.display());
        }
        _ => println!("nothing was sent"),
    }
    Ok(ExitCode::SUCCESS)
}

struct Reprice<'a> {
    reader: &'a Reader<'a>,
    pricer: Pricer,
    book_hash: u128,
    corrected: HashMap<(String, String), Corrected>,
    /// Events before are late now: their correction would be a dead letter.
    horizon: Timestamp,
    range: (Timestamp, Timestamp),
}

/// What was found.
#[derive(Default)]
struct Found {
    total: ScopeSum,
    /// By dimension and value.
    scopes: BTreeMap<String, ScopeSum>,
    same: u64,
    left: BTreeMap<&'static str, u64>,
    /// Of all ids and amounts, in order.
    hash: String,
}

impl<'a> Reprice<'a> {
    fn new(config: &Config, reader: &'a Reader<'a>, range: (Timestamp, Timestamp)) -> anyhow::Result<Self> {
        let rules = Rules::read(config)?;
        let book_hash = rules.book.content_hash();
        let horizon_us = micros(config.windows.horizon);
        let newest = rows::newest(reader)?;
        Ok(Reprice {
            reader,
            pricer: Pricer::new(Arc::new(rules.book), Arc::new(rules.rates), config.prices.prefer.into()),
            book_hash,
            corrected: rows::corrected(reader, range.0)?,
            horizon: Timestamp::from_micros(newest.micros().saturating_sub(horizon_us).saturating_add(MARGIN_US)),
            range,
        })
    }

    fn look(&self, take: &mut dyn FnMut(&EventRow, &correction::Correction) -> anyhow::Result<()>) -> anyhow::Result<Found> {
        let mut found = Found::default();
        let mut lines = String::new();
        rows::calls(self.reader, self.range, &mut |row| {
            let key = (row.source.clone(), row.event_id.clone());
            match look(row, self.corrected.get(&key).copied().unwrap_or_default(), &self.pricer) {
                Looked::Same => found.same += 1,
                Looked::Left(why) => *found.left.entry(why).or_default() += 1,
                Looked::Other(_) if Timestamp::from_micros(row.occurred_us) < self.horizon => {
                    *found.left.entry("it is older than windows.horizon: a correction of it would be late").or_default() += 1;
                }
                Looked::Other(correction) => {
                    found.add(row, &correction);
                    lines += &format!("{} {}\n", correction.event_id, correction.difference);
                    // The hash of the lines so far stands for them, so that memory stays bounded.
                    if lines.len() > 1 << 16 {
                        lines = sha256(lines.as_bytes()) + "\n";
                    }
                    take(row, &correction)?;
                }
            }
            Ok(())
        })?;
        found.hash = sha256(lines.as_bytes());
        Ok(found)
    }

    fn send(&self, config: &Config) -> anyhow::Result<Found> {
        let topic = config.kafka.topic(&config.kafka.events_topic);
        let mut client = connect::kafka_client(config)?;
        let producer = replaying(&mut client)?;
        let found = self.look(&mut |row, correction| {
            let payload = event_json(row, correction, self.book_hash).to_string();
            send(&producer, BaseRecord::to(&topic).key(correction.event_id.as_bytes()).payload(payload.as_bytes()))
        })?;
        producer
            .flush(Duration::from_secs(60))
            .context("not every correction was acknowledged: send again, what has arrived is recognised")?;
        Ok(found)
    }
}

impl Found {
    fn add(&mut self, row: &EventRow, correction: &correction::Correction) {
        self.total.add(correction);
        for key in SCOPES {
            let values: Vec<&str> = key.iter().map(|name| row.dimension(name)).collect();
            let shown = if values.iter().all(|value| value.is_empty()) { "(not given)".to_owned() } else { values.join(" / ") };
            self.scopes.entry(format!("{} {shown}", key.last().unwrap_or(&""))).or_default().add(correction);
        }
    }

    fn scopes_json(&self) -> serde_json::Value {
        let scope = |(name, sum): (&String, &ScopeSum)| {
            json!({"scope": name, "events": sum.events, "before": sum.before.to_string(), "after": sum.after.to_string(),
            "difference": sum.difference().to_string()})
        };
        self.scopes.iter().map(scope).collect()
    }
}

fn print(found: &Found) {
    let line = |name: &str, sum: &ScopeSum| {
        println!("{name}: {} calls, {} -> {} USD, difference {}", sum.events, sum.before, sum.after, sum.difference());
    };
    line("total", &found.total);
    let mut by_dimension: BTreeMap<&str, Vec<(&String, &ScopeSum)>> = BTreeMap::new();
    for (name, sum) in &found.scopes {
        by_dimension.entry(name.split(' ').next().unwrap_or_default()).or_default().push((name, sum));
    }
    for scopes in by_dimension.values_mut() {
        scopes.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.difference().units().unsigned_abs()));
        for (name, sum) in scopes.iter().take(SHOWN) {
            line(name, sum);
        }
        if scopes.len() > SHOWN {
            println!("... and {} more; --audit FILE has all", scopes.len() - SHOWN);
        }
    }
    println!("{} calls cost the same", found.same);
    for (why, count) in &found.left {
        println!("{count} calls are left as they are: {why}");
    }
}
