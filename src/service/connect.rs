//! Clients as the configuration describes them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ingest::codec::{Decoder, DecoderOptions};
use ingest::kafka::{Admin, KafkaConnection, KafkaError, Sasl, SaslMechanism, Security as KafkaSecurity, Tls};
use ingest::registry::{RegistryOptions, SchemaRegistry};
use object_store::ObjectStore;
use rdkafka::ClientConfig;
use runtime::state_store::{self, StateLocation, StateStoreError};
use sinks::kafka::OutTopics;
use tokio::runtime::Handle;

use crate::config::{Config, Security};

/// How long administrative questions may take.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(15);

/// How the cluster is reached.
///
/// # Errors
/// A SASL mechanism that is not known.
pub fn kafka(config: &Config) -> anyhow::Result<KafkaConnection> {
    let kafka = &config.kafka;
    let tls = || Tls { ca_file: present(&config.resolve(&kafka.ca_file), &kafka.ca_file), ..Tls::default() };
    let sasl = |tls| -> anyhow::Result<Sasl> {
        let mechanism = match kafka.sasl_mechanism.as_str() {
            "PLAIN" => SaslMechanism::Plain,
            "SCRAM-SHA-256" => SaslMechanism::ScramSha256,
            "SCRAM-SHA-512" => SaslMechanism::ScramSha512,
            other => bail!("CR-3003: kafka.sasl_mechanism = {other:?}: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
        };
        Ok(Sasl { mechanism, username: kafka.username.clone(), password: kafka.password.clone(), tls })
    };
    let security = match kafka.security {
        Security::Plaintext => KafkaSecurity::Plaintext,
        Security::Tls => KafkaSecurity::Tls(tls()),
        Security::SaslPlaintext => KafkaSecurity::Sasl(sasl(None)?),
        Security::SaslTls => KafkaSecurity::Sasl(sasl(Some(tls()))?),
    };
    Ok(KafkaConnection {
        security,
        client_id: "cost-rhythm".to_owned(),
        extra: kafka.properties.clone(),
        ..KafkaConnection::plaintext(&kafka.brokers)
    })
}

fn present(resolved: &std::path::Path, configured: &std::path::Path) -> Option<PathBuf> {
    (!configured.as_os_str().is_empty()).then(|| resolved.to_owned())
}

/// A client's settings, once the brokers have answered and taken us: every command begins with it, so that a wrong password is an error and
/// not a wait.
///
/// # Errors
/// As [`kafka`] and [`cluster_id`].
pub fn kafka_client(config: &Config) -> anyhow::Result<ClientConfig> {
    let client = kafka(config)?.client_config()?;
    cluster_id(config, &Admin::new(&client, ADMIN_TIMEOUT)?)?;
    Ok(client)
}

/// What every producer of events needs, so that all of them agree on an event's partition.
pub fn producing_events(client: &mut ClientConfig) -> &mut ClientConfig {
    client.set("enable.idempotence", "true").set("partitioner", "murmur2_random")
}

/// Names of the topics that are written to.
pub fn out_topics(config: &Config) -> OutTopics {
    let kafka = &config.kafka;
    let name = |topic: &str| Arc::from(kafka.topic(topic));
    OutTopics { partials: name(&kafka.partials_topic), dead_letters: name(&kafka.dead_letters_topic), alerts: name(&kafka.alerts_topic) }
}

/// What is known of the cluster before anything starts.
pub struct Cluster {
    /// Its id.
    pub id: String,
    /// Partitions of the input topic.
    pub inputs: i32,
    /// Partitions of the partials topic.
    pub shards: i32,
}

impl Cluster {
    /// Asks the brokers.
    ///
    /// # Errors
    /// No answer, or a topic that is not there, with the command that makes it.
    pub fn ask(config: &Config) -> anyhow::Result<Self> {
        let client = kafka(config)?.client_config()?;
        let admin = Admin::new(&client, ADMIN_TIMEOUT)?;
        let id = cluster_id(config, &admin)?;
        let count = |name: &str| -> anyhow::Result<i32> {
            let topic = config.kafka.topic(name);
            let Some(description) = admin.topic(&topic)? else {
                bail!(
                    "CR-3102: topic {topic:?} does not exist: create it (`cost-rhythm check --create-topics` does), with message.timestamp.type=LogAppendTime"
                );
            };
            Ok(description.partitions.len() as i32)
        };
        for topic in [&config.kafka.dead_letters_topic, &config.kafka.alerts_topic] {
            count(topic)?;
        }
        Ok(Cluster { id, inputs: count(&config.kafka.events_topic)?, shards: count(&config.kafka.partials_topic)? })
    }
}

/// The cluster's id: the first question, which finds out whether the brokers answer and take us.
///
/// # Errors
/// CR-3101, CR-3106, CR-3107, with the keys to look at.
pub fn cluster_id(config: &Config, admin: &Admin) -> anyhow::Result<String> {
    let kafka = &config.kafka;
    admin.cluster_id().map_err(|error| match error {
        KafkaError::Authentication(reason) => anyhow!(
            "CR-3106: kafka.username = {:?}: the brokers refuse it: {reason}; check kafka.username, its password (COST_RHYTHM__KAFKA__PASSWORD or \
             kafka.password_file) and kafka.sasl_mechanism = {:?}",
            kafka.username,
            kafka.sasl_mechanism
        ),
        KafkaError::Untrusted(reason) => anyhow!(
            "CR-3107: kafka.brokers = {:?}: no TLS connection: {reason}; check that kafka.ca_file (PEM; empty: the system's) holds the authority of \
             their certificates, that kafka.brokers names hosts as these do, and kafka.security",
            kafka.brokers
        ),
        error => anyhow!(
            "CR-3101: kafka.brokers = {:?}: no broker answers: {error}; check kafka.brokers, the network and kafka.security",
            kafka.brokers
        ),
    })
}

/// The schema registry, when one is configured.
///
/// # Errors
/// A URL that cannot be used.
pub fn registry(config: &Config) -> anyhow::Result<Option<SchemaRegistry>> {
    registry_options(config).map(|options| SchemaRegistry::start(&options)).transpose().context("CR-3003")
}

/// How the schema registry is reached; `None` when none is configured.
pub fn registry_options(config: &Config) -> Option<RegistryOptions> {
    if config.registry.url.is_empty() {
        return None;
    }
    let mut options = RegistryOptions::new(&config.registry.url);
    options.timeout = config.registry.timeout;
    if !config.registry.username.is_empty() {
        options.user = Some(config.registry.username.clone());
        options.password = config.registry.password.clone();
    }
    Some(options)
}

/// The decoder over that registry.
///
/// # Errors
/// Our own schema cannot be compiled, which a test rules out.
pub fn decoder(registry: Option<SchemaRegistry>) -> anyhow::Result<Decoder> {
    Ok(Decoder::new(DecoderOptions { schemas: Vec::new(), registry })?)
}

/// Where snapshots go: a directory, made if it is not there, or a bucket. Tried out by writing and removing a small object.
///
/// # Errors
/// [`StateStoreError`]: what is wrong with `state.url`, and the remedy.
pub fn state(config: &Config, handle: &Handle) -> Result<Arc<dyn ObjectStore>, StateStoreError> {
    let state = &config.state;
    let location = StateLocation { url: &state.url, base_dir: &config.base_dir, properties: &state.properties };
    let store = state_store::open(&location, environment())?;
    handle.block_on(state_store::probe(&state.url, &*store))?;
    Ok(store)
}

/// The process's variables that are text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
