//! `cost-rhythm check`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use ingest::codec::USAGE_EVENT_V1;
use ingest::kafka::{Admin, NewTopic};
use ingest::registry::{Compatibility, RegistryClient};
use tokio::runtime::Runtime;

use super::{ConfigArg, io_runtime, start_logging};
use crate::config::{Config, Rules};
use crate::service::topics::{TopicPlan, topics};
use crate::service::{clickhouse, connect};

/// Room that a dead letter needs beyond the original message, in bytes.
const HEADER_ROOM: u64 = 64 * 1024;

/// Arguments of `check`.
#[derive(clap::Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Make topics that are missing
    #[arg(long)]
    create_topics: bool,
    /// Partitions of the input and partials topics that are made
    #[arg(long, default_value_t = 6)]
    partitions: u32,
    /// Replicas of topics that are made
    #[arg(long, default_value_t = 1)]
    replication: u32,
    /// Only the configuration and the files it names; connect to nothing
    #[arg(long)]
    offline: bool,
}

/// Findings of a check.
#[derive(Default)]
struct Findings {
    errors: u32,
    warnings: u32,
}

impl Findings {
    fn good(&self, text: &str) {
        println!("ok       {text}");
    }

    fn warn(&mut self, text: &str) {
        self.warnings += 1;
        println!("warning  {text}");
    }

    fn bad(&mut self, text: &str) {
        self.errors += 1;
        println!("error    {text}");
    }
}

/// Looks at everything, says all that is wrong. Exit code 0: nothing; 1: something.
///
/// # Errors
/// The configuration itself cannot be read.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    start_logging(config.run.log_format, true);
    let mut findings = Findings::default();
    findings.good("configuration");
    match Rules::read(&config) {
        Ok(rules) => findings.good(&format!(
            "{} prices, {} rates, {} budgets, {} grouping sets, days in {}",
            rules.book.entries().len(),
            rules.rates.as_slice().len(),
            rules.budgets.len(),
            rules.sets.len(),
            rules.calendar.zone_name()
        )),
        Err(error) => findings.bad(&format!("{error:#}")),
    }
    check_clients(&config, &mut findings);
    if !args.offline {
        if let Err(error) = check_kafka(args, &config, &mut findings) {
            findings.bad(&format!("kafka: {error:#}"));
        }
        check_registry(&config, &mut findings);
        let runtime = io_runtime()?;
        check_state(&config, &runtime, &mut findings);
        check_clickhouse(&config, &runtime, &mut findings);
    }
    println!("{} errors, {} warnings", findings.errors, findings.warnings);
    Ok(if findings.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the clients of the servers find wrong with their settings before they connect.
fn check_clients(config: &Config, findings: &mut Findings) {
    let kafka = connect::kafka(config).and_then(|connection| {
        let checked = connection.client_config().map_err(anyhow::Error::from).and_then(|client| Ok(client.create_native_config()?));
        checked.map(drop).context("CR-3003: kafka.properties")
    });
    let registry = connect::registry_options(config).map(|options| RegistryClient::new(&options).map(drop)).transpose();
    for outcome in [kafka, clickhouse(config).map(drop), registry.map(drop).context("CR-3003")] {
        if let Err(error) = outcome {
            findings.bad(&format!("{error:#}"));
        }
    }
}

/// Of a new topic, one after another, after which every broker is taken to know it.
const SIGHTINGS: u32 = 8;

fn check_kafka(args: &CheckArgs, config: &Config, findings: &mut Findings) -> anyhow::Result<()> {
    let client = connect::kafka(config)?.client_config()?;
    let admin = Admin::new(&client, Duration::from_secs(15))?;
    findings.good(&format!("kafka cluster {} at {}", connect::cluster_id(config, &admin)?, config.kafka.brokers));
    let plans = topics(&config.kafka);
    for plan in &plans {
        let name = &plan.name;
        if admin.topic(name)?.is_none() && args.create_topics {
            create(&admin, args, plan)?;
            await_topic(&admin, name)?;
            findings.good(&format!("topic {name} was made"));
        }
        match admin.topic(name)? {
            None => findings.bad(&format!("topic {name} does not exist: run `cost-rhythm check --create-topics`")),
            Some(topic) => findings.good(&format!("topic {name}: {} partitions, {} replicas", topic.partitions.len(), topic.replication)),
        }
    }
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    if let [events, partials, dead_letters, alerts] = names[..]
        && admin.topic(events)?.is_some()
        && admin.topic(dead_letters)?.is_some()
    {
        check_settings(&admin, [events, partials, dead_letters, alerts], findings)?;
    }
    Ok(())
}

/// A new topic takes a moment to be known by every broker, and each question goes to any of them.
fn await_topic(admin: &Admin, name: &str) -> anyhow::Result<()> {
    let mut in_a_row = 0;
    for _ in 0..100 {
        in_a_row = if admin.topic(name)?.is_some() { in_a_row + 1 } else { 0 };
        if in_a_row == SIGHTINGS {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn create(admin: &Admin, args: &CheckArgs, topic: &TopicPlan) -> anyhow::Result<()> {
    let partitions = topic.partitions.unwrap_or(args.partitions);
    Ok(admin.create_topics(&[NewTopic { name: &topic.name, partitions, replication: args.replication, settings: &topic.settings }])?)
}

fn check_settings(admin: &Admin, names: [&str; 4], findings: &mut Findings) -> anyhow::Result<()> {
    let (events, dead_letters) = (admin.topic_settings(names[0])?, admin.topic_settings(names[2])?);
    if events.timestamp_type.as_deref() != Some("LogAppendTime") {
        findings.warn(&format!(
            "topic {}: message.timestamp.type is {}, so producers' clocks decide what is in the future: set LogAppendTime",
            names[0],
            events.timestamp_type.as_deref().unwrap_or("unknown")
        ));
    }
    if let (Some(input), Some(output)) = (events.max_message_bytes, dead_letters.max_message_bytes)
        && output < input + HEADER_ROOM
    {
        findings.bad(&format!(
            "topic {}: max.message.bytes is {output}, a dead letter may need {}: set it to that",
            names[2],
            input + HEADER_ROOM
        ));
    }
    for (name, settings) in
        [(names[2], &dead_letters), (names[3], &admin.topic_settings(names[3])?), (names[1], &admin.topic_settings(names[1])?)]
    {
        if settings.cleanup_policy.as_deref().is_some_and(|policy| policy.contains("compact")) {
            findings.bad(&format!(
                "topic {name}: cleanup.policy is {}, records would be lost: set delete",
                settings.cleanup_policy.as_deref().unwrap_or_default()
            ));
        }
    }
    Ok(())
}

fn check_registry(config: &Config, findings: &mut Findings) {
    let Some(options) = connect::registry_options(config) else {
        return findings.good("no schema registry configured: Avro in Confluent framing is rejected");
    };
    let subject = format!("{}-value", config.kafka.topic(&config.kafka.events_topic));
    let Ok(client) = RegistryClient::new(&options) else { return };
    match client.probe().and_then(|()| client.compatibility(&subject, USAGE_EVENT_V1)) {
        Ok(Compatibility::Incompatible(reasons)) => {
            findings.warn(&format!("subject {subject} is not compatible with the usage event, version 1: {}", reasons.join("; ")))
        }
        Ok(_) => findings.good(&format!("schema registry at {}", config.registry.url)),
        Err(error) => findings.bad(&format!("schema registry at {}: {error}", config.registry.url)),
    }
}

fn check_state(config: &Config, runtime: &Runtime, findings: &mut Findings) {
    match connect::state(config, runtime.handle()) {
        Ok(_) => findings.good(&format!("state at {}", config.state.url)),
        Err(error) => findings.bad(&error.to_string()),
    }
}

fn check_clickhouse(config: &Config, runtime: &Runtime, findings: &mut Findings) {
    // What cannot be used was found before.
    let Ok(server) = clickhouse(config) else { return };
    match runtime.block_on(server.ping()) {
        // The database is made by the first start.
        Err(error) if error.code() == Some(81) => findings.good(&format!(
            "clickhouse at {}; database {} is not there yet: `run` makes it",
            config.clickhouse.url, config.clickhouse.database
        )),
        Ok(()) => findings.good(&format!("clickhouse at {}", config.clickhouse.url)),
        Err(error) => findings.bad(&format!("clickhouse at {}: {error}", config.clickhouse.url)),
    }
}
