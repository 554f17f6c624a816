//! The service: both stages, or one of them, until it is told to stop.

pub mod connect;
pub mod http;
mod incident_sender;
mod intake;
pub mod metrics;
mod once;
pub mod partitions;
pub mod report_question;
mod report_sender;
pub mod senders;
pub mod signals;
mod ticking;
pub mod topics;
mod watchdog;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueEnum;
use console::{ClickHouseAccess, ConsoleOptions, IntakeOptions};
use ingest::kafka::{ConsumerHandle, ConsumerOptions, GroupConsumer, Reach};
use ingest::registry::RegistryState;
use object_store::ObjectStore;
use processor::meter::MeterRules;
use processor::pricing::Pricer;
use rdkafka::ClientConfig;
use runtime::DriverOptions;
use runtime::io::{Clock, SystemClock};
use schemas::Timestamp;
use sinks::clickhouse::{ClickHouse, ClickHouseError, ClickHouseHandle, ClickHouseOptions, ClickHouseSink, Fault, SinkOptions, SinkState};
use sinks::kafka::{OutTopics, Producer, ProducerOptions};
use sinks::metrics::SinkMetrics;
use tokio::runtime::Handle;

use self::connect::Cluster;
use self::http::Reported;
use self::intake::KafkaDoor;
use self::metrics::{Metrics, QueueLevel, Sources, SpendSources};
use self::partitions::{Partitions, Surroundings};
use self::senders::{SenderParts, Senders};
use self::watchdog::Watchdog;
use crate::config::{Config, Rules, micros};
use crate::stages::budget_figures::BudgetFigures;
use crate::stages::spend_figures::SpendFigures;
use crate::stages::{MeterFactory, MonitorFactory, StageFactory};

/// Largest record that is sent, before compression: the partials topic's limit, above that of every other topic.
pub const MESSAGE_MAX_BYTES: u32 = 10_485_760;

/// Between two attempts to make the tables while ClickHouse is away.
const TABLES_RETRY: Duration = Duration::from_secs(5);

/// What is being sent at the end may take so long; the next start does it else.
const SENDERS_END_WITHIN: Duration = Duration::from_secs(2);

/// Which part of the pipeline this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageChoice {
    /// Events to cells.
    Meter,
    /// Cells to rollups and alerts.
    Monitor,
    /// Both.
    All,
}

/// A running service.
pub struct Service {
    stages: Vec<(ConsumerHandle, Partitions)>,
    producer: Producer,
    tables: ClickHouseHandle,
    senders: Option<Senders>,
    watchdog: Watchdog,
    grace: Duration,
    /// Where health and metrics are served.
    pub http: std::net::SocketAddr,
}

/// The ClickHouse server of the configuration.
///
/// # Errors
/// A URL or certificate file that cannot be used.
pub fn clickhouse(config: &Config) -> anyhow::Result<ClickHouse> {
    ClickHouse::new(clickhouse_options(config)).context("CR-3003")
}

fn clickhouse_options(config: &Config) -> ClickHouseOptions {
    let c = &config.clickhouse;
    ClickHouseOptions {
        url: c.url.clone(),
        database: c.database.clone(),
        user: c.username.clone(),
        password: c.password.clone(),
        tls_ca_file: (!c.ca_file.as_os_str().is_empty()).then(|| config.resolve(&c.ca_file)),
        answer_timeout: c.timeout,
        ..ClickHouseOptions::default()
    }
}

/// The routes of the page and its API.
fn console(config: &Config, rules: &Rules, door: Option<KafkaDoor>, reported: &Arc<Reported>) -> anyhow::Result<axum::Router> {
    let c = &config.clickhouse;
    let reported = Arc::clone(reported);
    let server =
        ClickHouse::new(ClickHouseOptions { connect_timeout: console::CONNECT, ..clickhouse_options(config) }).context("CR-3003")?;
    let options = ConsoleOptions {
        clickhouse: ClickHouseAccess { client: server.client().clone(), url: c.url.clone(), database: c.database.clone() },
        time_zone: rules.calendar.zone_name().to_owned(),
        sets: rules.sets.clone(),
        has_usage_events: c.usage_events,
        public_url: config.http.public_url.clone(),
        pipeline: Box::new(move || reported.pipeline_health()),
        intake: door.map(|door| IntakeOptions { door: Box::new(door), token: config.http.events_token.clone() }),
    };
    console::router(options).context("CR-3003")
}

/// Makes or updates the tables; waits for a server that is away, as the running service does.
async fn make_tables(server: &ClickHouse, rules: &Rules, url: &str) -> anyhow::Result<()> {
    loop {
        let Err(error) = make_tables_once(server, rules).await else { return Ok(()) };
        let is_passing = error.fault() == Fault::Passing;
        let error = anyhow::Error::new(error).context(format!("CR-3201: clickhouse.url = {url:?}: the tables cannot be made"));
        if !is_passing {
            return Err(error);
        }
        tracing::warn!("{error:#}; trying again every {} s until it answers", TABLES_RETRY.as_secs());
        tokio::time::sleep(TABLES_RETRY).await;
    }
}

async fn make_tables_once(server: &ClickHouse, rules: &Rules) -> Result<(), ClickHouseError> {
    server.migrate(&rules.sets).await?;
    server.publish_rates(&rules.rates, rules.calendar.zone_name()).await?;
    server.publish_budgets(&rules.budgets.iter().map(|budget| budget.counted(&rules.sets)).collect::<Vec<_>>()).await
}

impl Service {
    /// Starts the chosen stages; `handle` runs the I/O.
    ///
    /// # Errors
    /// What is wrong with the configuration or the servers, and the remedy.
    pub fn start(config: &Config, choice: StageChoice, handle: &Handle) -> anyhow::Result<Self> {
        let rules = Rules::read(config)?;
        let client = connect::kafka(config)?.client_config()?;
        let server = clickhouse(config)?;
        let registry = connect::registry(config)?;
        let cluster = Cluster::ask(config)?;
        handle.block_on(make_tables(&server, &rules, &config.clickhouse.url))?;
        let sink_metrics = SinkMetrics::default();
        let sink_options = SinkOptions {
            linger: config.clickhouse.linger,
            max_batch_rows: u64::from(config.clickhouse.max_batch_rows),
            max_queue_bytes: u64::from(config.clickhouse.queue_mib) << 20,
            ..SinkOptions::default()
        };
        let tables = ClickHouseSink::start(server, sink_options, Arc::new(sink_metrics.clone()), handle);
        // A dead letter is larger than the message it is of; topics bound the size, not the client.
        let producer = Producer::start(&ProducerOptions { message_max_bytes: MESSAGE_MAX_BYTES, ..ProducerOptions::new(client.clone()) })?;
        let decoder = connect::decoder(registry.clone())?;
        let unknown_fields = decoder.unknown_fields().clone();
        let shared = Shared {
            store: connect::state(config, handle)?,
            clock: Arc::new(SystemClock::default()),
            handle: handle.clone(),
            producer: producer.clone(),
            topics: connect::out_topics(config),
            tables: tables.clone(),
            cluster,
            client,
        };
        let rolling = rules.budgets.iter().filter(|budget| budget.window.is_rolling()).map(|budget| budget.name.clone());
        let spend = SpendSources {
            spend: SpendFigures::new(config.metrics.max_models),
            budgets: BudgetFigures::new(config.metrics.max_budget_scopes, rolling),
            now: || Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()),
        };
        let (mut stages, mut monitors) = (Vec::new(), None);
        if choice != StageChoice::Monitor {
            let factory = meter_factory(config, &rules, decoder, shared.cluster.shards, spend.spend.clone())?;
            stages.push(shared.start(config, Box::new(factory), &config.kafka.events_topic, shared.cluster.inputs)?);
        }
        if choice != StageChoice::Meter {
            let factory = MonitorFactory::new(config, &rules).noting(spend.budgets.clone());
            stages.push(shared.start(config, Box::new(factory), &config.kafka.partials_topic, shared.cluster.shards)?);
            monitors = stages.last().map(|(_, partitions)| partitions.clone());
        }
        let senders = monitors.map(|monitors| Senders::start(shared.sender_parts(config, monitors)?)).transpose()?.flatten();
        let watched = tables.clone();
        let owners: Vec<Partitions> = stages.iter().map(|(_, partitions)| partitions.clone()).collect();
        let door = config.http.accept_events.then(|| KafkaDoor::new(config, &shared.client)).transpose()?;
        let mut clients: Vec<Arc<Reach>> = stages.iter().map(|(consumer, _)| consumer.reach()).collect();
        let (topic, brokers) = (config.kafka.topic(&config.kafka.events_topic), config.kafka.brokers.clone());
        let held = producer.clone();
        clients.push(Arc::new(Reach::of("producer".to_owned(), move || Some(held.clone()), Producer::client, topic, brokers)));
        clients.extend(door.as_ref().map(|door| Arc::new(door.reach(config))));
        let watchdog =
            Watchdog::start(owners.clone(), clients, producer.clone(), shared.client.clone()).context("no thread for the watchdog")?;
        let sources = Sources {
            queues: queue_levels(tables.clone(), producer.clone()),
            unknown_fields: Box::new(move || unknown_fields.counts()),
            spend,
            partitions: {
                let owners = owners.clone();
                Box::new(move || owners.iter().flat_map(Partitions::report).collect())
            },
        };
        let reported = Reported {
            stages: owners,
            metrics: Metrics::new(&sink_metrics, sources),
            trouble: Box::new(move || {
                let mut sentences = Vec::new();
                if let SinkState::Down { error, .. } = watched.state() {
                    sentences.push(format!("clickhouse is down, rows are waiting: {error}"));
                }
                if let Some(RegistryState::Silent { .. }) = registry.as_ref().map(ingest::registry::SchemaRegistry::state) {
                    sentences.push("the schema registry is silent: messages with unknown schemas are waiting".to_owned());
                }
                sentences
            }),
        };
        let reported = Arc::new(reported);
        let console = console(config, &rules, door, &reported)?;
        let listening = handle.block_on(http::serve(config.http.listen, reported, console));
        let http = listening.with_context(|| {
            format!("CR-3202: http.listen = {}: another process listens there, or the address is not of this machine", config.http.listen)
        })?;
        tracing::info!(%http, "serving the page, its API below /api/v1/, /healthz /readyz /metrics");
        Ok(Service { stages, producer, tables, senders, watchdog, grace: config.run.shutdown_grace, http })
    }

    /// The stages' partitions.
    pub fn partitions(&self) -> impl Iterator<Item = &Partitions> {
        self.stages.iter().map(|(_, partitions)| partitions)
    }

    /// Why the process cannot go on, if it cannot: producer or a consumer is broken for good, or the connections are dead.
    pub fn broken(&self) -> Option<String> {
        let consumers = || self.partitions().find_map(Partitions::broken);
        self.producer.failure().or_else(consumers).or_else(|| self.watchdog.found())
    }

    /// Ends in order, within the configured grace: finishes the partitions, leaves the groups, drains the queues. Every partition's
    /// last snapshot stands for what was acknowledged; what was not is done again at the next start.
    pub fn stop(self, handle: &Handle) {
        let deadline = Instant::now() + self.grace;
        let left = move || deadline.saturating_duration_since(Instant::now());
        self.watchdog.stop();
        if let Some(senders) = self.senders {
            senders.stop(left().min(SENDERS_END_WITHIN));
        }
        // Both at once: they finish side by side, within one deadline.
        let closing: Vec<_> = self
            .stages
            .into_iter()
            .map(|(consumer, _)| std::thread::spawn(move || consumer.close(deadline.saturating_duration_since(Instant::now()))))
            .collect();
        for thread in closing {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a consumer is still closing at the deadline"),
                Err(_) => tracing::warn!("a consumer's closing thread has panicked"),
            }
        }
        if let Err(left_behind) = handle.block_on(self.tables.shutdown(left())) {
            tracing::warn!(%left_behind, "rows are left to the next start");
        }
        if let Err(error) = self.producer.flush(left()) {
            tracing::warn!(%error, "records are left to the next start");
        }
    }
}

fn queue_levels(tables: ClickHouseHandle, producer: Producer) -> Box<dyn Fn() -> Vec<QueueLevel> + Send + Sync> {
    Box::new(move || {
        vec![
            QueueLevel { queue: "clickhouse", entries: tables.queue_batches(), bytes: Some(tables.queue_bytes()) },
            QueueLevel { queue: "producer", entries: producer.unacknowledged(), bytes: None },
        ]
    })
}

struct Shared {
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    handle: Handle,
    producer: Producer,
    topics: OutTopics,
    tables: ClickHouseHandle,
    cluster: Cluster,
    client: ClientConfig,
}

impl Shared {
    fn sender_parts(&self, config: &Config, monitors: Partitions) -> anyhow::Result<SenderParts> {
        Ok(SenderParts {
            config: config.clone(),
            server: clickhouse(config)?,
            store: Arc::clone(&self.store),
            producer: self.producer.clone(),
            topics: self.topics.clone(),
            monitors,
            handle: self.handle.clone(),
        })
    }

    fn start(
        &self,
        config: &Config,
        factory: Box<dyn StageFactory>,
        topic: &str,
        partitions: i32,
    ) -> anyhow::Result<(ConsumerHandle, Partitions)> {
        let group = format!("{}-{}", config.kafka.group, factory.name());
        let (producer, topics, tables) = (self.producer.clone(), self.topics.clone(), self.tables.clone());
        let owner = Partitions::new(Surroundings {
            factory,
            outbox: Box::new(move || Box::new(producer.outbox(topics.clone()))),
            tables: Box::new(move || Box::new(tables.table_sink())),
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            handle: self.handle.clone(),
            options: DriverOptions {
                flush_interval: config.flush.interval,
                flush_interval_behind: config.flush.interval_behind,
                snapshot_interval: config.state.snapshot_interval,
                idle_after: config.windows.idle_after,
                ..DriverOptions::default()
            },
            log_id: self.cluster.id.clone(),
            partitions,
            // Something is left for the queues behind the drivers.
            grace: config.run.shutdown_grace * 3 / 4,
        });
        let share = config.kafka.fetch_queue_kib / u32::try_from(partitions.max(1)).unwrap_or(1);
        let group_instance = (!config.kafka.instance.is_empty()).then(|| config.kafka.instance.clone());
        let options = ConsumerOptions {
            prefetch_kbytes_per_partition: share.max(1024),
            group_instance,
            session_timeout: config.kafka.session_timeout,
            ..ConsumerOptions::new(self.client.clone(), group, [config.kafka.topic(topic)])
        };
        Ok((GroupConsumer::start(options, owner.clone())?, owner))
    }
}

fn meter_factory(
    config: &Config,
    rules: &Rules,
    decoder: ingest::codec::Decoder,
    shards: i32,
    figures: SpendFigures,
) -> anyhow::Result<MeterFactory> {
    let meter_rules = MeterRules {
        lateness_us: micros(config.windows.lateness),
        retain_us: micros(config.windows.retain),
        horizon_us: micros(config.windows.horizon),
        future_us: micros(config.windows.future),
        max_cells: config.limits.max_cells,
        max_identities: config.limits.max_identities,
        ..MeterRules::new(rules.sets.clone())
    };
    let pricer = Pricer::new(Arc::new(rules.book.clone()), Arc::new(rules.rates.clone()), config.prices.prefer.into());
    Ok(MeterFactory {
        rules_hash: rules.meter_hash(&meter_rules, &pricer),
        rules: meter_rules,
        pricer,
        decoder,
        shards,
        usage_events: config.clickhouse.usage_events,
        recent_identities: config.limits.recent_identities,
        figures,
    })
}
