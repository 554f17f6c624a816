//! `cost-rhythm dlq list | replay`

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};

use super::producing::{replaying, send};
use super::topic_reader::{headers_of, read_topic};
use super::{ConfigArg, start_logging};
use crate::service::connect;

/// Arguments of `dlq`.
#[derive(clap::Args)]
pub(super) struct DlqArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Print dead letters, one JSON line each, and a count by reason
    List {
        #[command(flatten)]
        config: ConfigArg,
        /// Only this reason
        #[arg(long)]
        reason: Option<String>,
        /// At most so many lines
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Send dead letters to the input topic again: key, value and all headers; a letter that fails again gets new cr_ headers after the old ones
    Replay {
        #[command(flatten)]
        config: ConfigArg,
        /// Only this reason
        #[arg(long)]
        reason: Option<String>,
        /// Say what would be sent, send nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Lists or replays.
///
/// # Errors
/// Kafka cannot be reached, or a record is not acknowledged.
pub(super) fn run(args: &DlqArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::List { config, reason, limit } => list(config, reason.as_deref(), *limit),
        Action::Replay { config, reason, dry_run } => replay(config, reason.as_deref(), *dry_run),
    }
}

/// The last value of a header: those of an earlier failure stand before.
fn last<'h>(headers: &'h [(String, Vec<u8>)], name: &str) -> std::borrow::Cow<'h, str> {
    headers.iter().rev().find(|(key, _)| key == name).map_or_else(Default::default, |(_, value)| String::from_utf8_lossy(value))
}

fn list(config: &ConfigArg, wanted: Option<&str>, limit: usize) -> anyhow::Result<ExitCode> {
    let config = config.load()?;
    start_logging(config.run.log_format, true);
    let client = connect::kafka_client(&config)?;
    let topic = config.kafka.topic(&config.kafka.dead_letters_topic);
    let (mut counts, mut printed) = (BTreeMap::<String, u64>::new(), 0);
    read_topic(&client, &topic, None, &mut |message| {
        let headers = headers_of(message);
        let reason = last(&headers, "cr_reason").into_owned();
        *counts.entry(reason.clone()).or_default() += 1;
        if printed < limit && wanted.is_none_or(|wanted| wanted == reason) {
            printed += 1;
            let line = serde_json::json!({
                "reason": reason,
                "detail": last(&headers, "cr_detail"),
                "topic": last(&headers, "cr_topic"),
                "partition": last(&headers, "cr_partition"),
                "offset": last(&headers, "cr_offset"),
                "time": last(&headers, "cr_time"),
                "key": message.key().map(String::from_utf8_lossy),
                "payload": message.payload().map(|payload| String::from_utf8_lossy(&payload[..payload.len().min(500)]).into_owned()),
            });
            // Whoever reads has seen enough, as `head` does.
            if writeln!(std::io::stdout(), "{line}").is_err() {
                printed = limit;
            }
        }
        Ok(())
    })?;
    for (reason, count) in &counts {
        eprintln!("{count:>10}  {reason}");
    }
    Ok(ExitCode::SUCCESS)
}

fn replay(config: &ConfigArg, wanted: Option<&str>, dry_run: bool) -> anyhow::Result<ExitCode> {
    let config = config.load()?;
    start_logging(config.run.log_format, true);
    let mut client = connect::kafka_client(&config)?;
    let source = config.kafka.topic(&config.kafka.dead_letters_topic);
    let target = config.kafka.topic(&config.kafka.events_topic);
    let reader = client.clone();
    let producer = replaying(&mut client)?;
    let mut sent = 0_u64;
    read_topic(&reader, &source, None, &mut |message| {
        let headers = headers_of(message);
        if wanted.is_some_and(|wanted| wanted != last(&headers, "cr_reason")) {
            return Ok(());
        }
        sent += 1;
        if dry_run {
            return Ok(());
        }
        let kept = headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&target).headers(kept);
        record.key = message.key();
        record.payload = message.payload();
        send(&producer, record)
    })?;
    producer.flush(Duration::from_secs(60))?;
    println!("{sent} dead letters {} to {target}", if dry_run { "would be sent" } else { "sent" });
    Ok(ExitCode::SUCCESS)
}
