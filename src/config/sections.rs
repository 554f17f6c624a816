//! The sections of the configuration file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use processor::monitor::{ActionLimits, GateSettings, WatchRules};
use processor::pricing;
use report::periodic::{PeriodKind, TextFormat};
use schemas::notes::Feedback;
use schemas::{Currency, Dimension, Money, Secret};
use serde::{Deserialize, Deserializer};

/// The whole file. Defaults are in the file that the program carries, `cost-rhythm.toml`, and nowhere else.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Broker and topics.
    pub kafka: KafkaConfig,
    /// Schema registry.
    pub registry: RegistryConfig,
    /// Where rows go.
    pub clickhouse: ClickHouseConfig,
    /// Where snapshots go.
    pub state: StateConfig,
    /// Price books and rates.
    pub prices: PricesConfig,
    /// Budgets.
    pub budgets: BudgetsConfig,
    /// Which alerts are sent.
    pub alerts: AlertsConfig,
    /// What people know.
    pub notes: NotesConfig,
    /// What is unusual.
    pub watch: WatchConfig,
    /// Time.
    pub windows: WindowsConfig,
    /// Memory.
    pub limits: LimitsConfig,
    /// Pace.
    pub flush: FlushConfig,
    /// Page, API, health and metrics.
    pub http: HttpConfig,
    /// Metrics about spend.
    pub metrics: MetricsConfig,
    /// Reports.
    pub report: ReportConfig,
    /// Bills.
    pub reconcile: ReconcileConfig,
    /// The process.
    pub run: RunConfig,
    /// Grouping sets; empty: the defaults.
    #[serde(default)]
    pub grouping_set: Vec<GroupingSetConfig>,
    /// The directory that relative paths are relative to.
    #[serde(skip)]
    pub base_dir: PathBuf,
}

/// `[kafka]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Bootstrap servers.
    pub brokers: String,
    /// Prefix of the consumer groups.
    pub group: String,
    /// Static membership: empty for none.
    pub instance: String,
    /// Before all topic names.
    pub topic_prefix: String,
    /// Input.
    pub events_topic: String,
    /// Internal.
    pub partials_topic: String,
    /// Rejected.
    pub dead_letters_topic: String,
    /// Output.
    pub alerts_topic: String,
    /// How the connection is protected.
    pub security: Security,
    /// With SASL.
    pub sasl_mechanism: String,
    /// With SASL.
    pub username: String,
    /// With SASL; by variable only.
    #[serde(default)]
    pub password: Secret,
    /// With SASL.
    pub password_file: PathBuf,
    /// PEM.
    pub ca_file: PathBuf,
    /// Prefetch, KiB.
    pub fetch_queue_kib: u32,
    /// An instance that has not been heard of for so long is out of the group.
    #[serde(deserialize_with = "duration")]
    pub session_timeout: Duration,
    /// Other librdkafka settings.
    pub properties: BTreeMap<String, String>,
}

/// How a connection to Kafka is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Not at all.
    Plaintext,
    /// TLS.
    Tls,
    /// SASL without TLS.
    SaslPlaintext,
    /// SASL over TLS.
    SaslTls,
}

impl KafkaConfig {
    /// A topic's full name.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.topic_prefix)
    }
}

/// `[registry]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Base URL; empty: none.
    pub url: String,
    /// Basic auth.
    pub username: String,
    /// Basic auth; by variable only.
    #[serde(default)]
    pub password: Secret,
    /// Basic auth.
    pub password_file: PathBuf,
    /// Of one request.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

/// `[clickhouse]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// Base URL.
    pub url: String,
    /// Database.
    pub database: String,
    /// User.
    pub username: String,
    /// By variable only.
    #[serde(default)]
    pub password: Secret,
    /// Password.
    pub password_file: PathBuf,
    /// PEM.
    pub ca_file: PathBuf,
    /// Of one insert.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// How long rows wait for company.
    #[serde(deserialize_with = "duration")]
    pub linger: Duration,
    /// Rows of one insert.
    pub max_batch_rows: u32,
    /// Rows waiting, MiB.
    pub queue_mib: u32,
    /// One row per counted event?
    pub usage_events: bool,
}

/// `[state]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// Directory or URL.
    pub url: String,
    /// Settings of the object store.
    pub properties: BTreeMap<String, String>,
    /// Between snapshots.
    #[serde(deserialize_with = "duration")]
    pub snapshot_interval: Duration,
}

/// `[prices]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricesConfig {
    /// Price books.
    pub books: Vec<PathBuf>,
    /// Exchange rates.
    pub rates: Vec<PathBuf>,
    /// Which cost of an llm event with an amount.
    pub prefer: Prefer,
}

/// Which cost counts when an llm event brings an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// The price book's, if it has one.
    Book,
    /// The amount.
    Reported,
}

impl From<Prefer> for pricing::Prefer {
    fn from(prefer: Prefer) -> Self {
        match prefer {
            Prefer::Book => pricing::Prefer::Book,
            Prefer::Reported => pricing::Prefer::Reported,
        }
    }
}

/// `[budgets]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetsConfig {
    /// Budget files.
    pub files: Vec<PathBuf>,
}

/// `[alerts]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertsConfig {
    /// What becomes of alerts about the past.
    pub historical: Historical,
    /// An alert is about the past when it and its period were over for so long when it arose.
    #[serde(deserialize_with = "duration")]
    pub historical_after: Duration,
    /// Are incidents sent beside alerts: one event for each cause?
    pub incidents: bool,
}

/// What becomes of alerts about the past, which a backfill brings forth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Historical {
    /// They are rows in ClickHouse, and not sent.
    Silence,
    /// They are sent, marked as such.
    Mark,
    /// They are sent as any other.
    Tell,
}

/// `[notes]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotesConfig {
    /// Files of silences and feedback.
    pub files: Vec<PathBuf>,
}

/// `[watch]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchConfig {
    /// Nothing is watched if this is off.
    pub enabled: bool,
    /// Grouping sets that are not watched.
    pub except: Vec<String>,
    /// Series per set and partition of the partials topic.
    pub max_series: usize,
    /// See the file.
    #[serde(deserialize_with = "decimal")]
    pub min_amount: Money,
    /// See the file.
    #[serde(deserialize_with = "decimal")]
    pub min_factor: Money,
    /// See the file.
    pub spike: bool,
    /// See the file.
    pub drop: bool,
    /// 0: the rule is off, here and below.
    #[serde(deserialize_with = "decimal")]
    pub hourly_mean: Money,
    /// See the file.
    #[serde(deserialize_with = "decimal")]
    pub hour_above: Money,
    /// See the file.
    #[serde(deserialize_with = "decimal")]
    pub day_over_day: Money,
    /// See the file.
    #[serde(deserialize_with = "decimal")]
    pub weekly_mean: Money,
    /// See the file.
    pub first_spend: bool,
    /// See the file.
    pub rhythm: bool,
    /// See the file.
    pub below_budget_is_off_pace: bool,
    /// See the file.
    pub actions: ActionLimits,
    /// See the file.
    pub gate: GateSettings,
}

impl WatchConfig {
    /// As the monitor takes them.
    pub fn rules(&self, feedback: &[Feedback]) -> WatchRules {
        let on = |value: Money| (value > Money::ZERO).then_some(value);
        WatchRules {
            except: self.enabled.then(|| self.except.clone()),
            max_series: self.max_series,
            min_amount: self.min_amount,
            min_factor: self.min_factor,
            spike: self.spike,
            drop: self.drop,
            feedback: feedback.to_vec(),
            hourly_mean: on(self.hourly_mean),
            hour_above: on(self.hour_above),
            day_over_day: on(self.day_over_day),
            weekly_mean: on(self.weekly_mean),
            first_spend: self.first_spend,
            rhythm: self.rhythm,
            below_budget_is_off_pace: self.below_budget_is_off_pace,
            actions: self.actions,
            gate: self.gate,
        }
    }
}

/// `[windows]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowsConfig {
    /// Of business days and months.
    pub time_zone: String,
    /// See the file.
    #[serde(deserialize_with = "duration")]
    pub lateness: Duration,
    /// See the file.
    #[serde(deserialize_with = "duration")]
    pub retain: Duration,
    /// See the file.
    #[serde(deserialize_with = "duration")]
    pub horizon: Duration,
    /// See the file.
    #[serde(deserialize_with = "duration")]
    pub future: Duration,
    /// See the file.
    #[serde(deserialize_with = "duration")]
    pub idle_after: Duration,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Series per set, window and partition.
    pub max_series: u32,
    /// Cells per partition.
    pub max_cells: usize,
    /// Identities per partition.
    pub max_identities: usize,
    /// Identities in memory per partition.
    pub recent_identities: usize,
    /// Cells per partition of the partials topic.
    pub monitor_max_cells: usize,
    /// Rows per partition of the partials topic.
    pub monitor_max_rows: usize,
    /// Budget states per partition of the partials topic.
    pub monitor_max_budget_states: usize,
}

/// `[flush]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlushConfig {
    /// At the end of the log.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    /// While catching up.
    #[serde(deserialize_with = "duration")]
    pub interval_behind: Duration,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Under which URL people reach the page; empty: by address or as localhost only.
    pub public_url: String,
    /// Are events taken by `POST /api/v1/events`?
    pub accept_events: bool,
    /// What producers of such events must show; empty: nothing. By variable only.
    #[serde(default)]
    pub events_token: Secret,
    /// The token.
    pub events_token_file: PathBuf,
}

/// `[metrics]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Pairs of provider and model with figures of their own.
    pub max_models: usize,
    /// Scopes of a budget with figures of their own.
    pub max_budget_scopes: usize,
}

/// `[report]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportConfig {
    /// Tags whose values are allocated as well.
    pub tags: Vec<String>,
    /// Who pays for what names nobody: dimension (or tag), value, weight.
    pub shares: BTreeMap<String, BTreeMap<String, Weight>>,
    /// Reports that are sent to the topic of alerts.
    pub schedule: Vec<ReportSchedule>,
}

/// `[reconcile]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileConfig {
    /// Name that is compared under, and what bills and events call the provider.
    pub providers: BTreeMap<String, Vec<String>>,
    /// Likewise for services.
    pub services: BTreeMap<String, Vec<String>>,
}

/// One of `report.schedule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportSchedule {
    /// How long its periods are.
    pub period: PeriodKind,
    /// Sent at the latest so long after a period's end.
    #[serde(deserialize_with = "duration")]
    pub after: Duration,
    /// Of its amounts; left out: US dollars.
    #[serde(default = "dollars")]
    pub currency: Currency,
    /// Of the text beside its JSON; left out: none.
    #[serde(default)]
    pub format: TextFormat,
}

fn dollars() -> Currency {
    Currency::USD
}

/// Decimal text, not below zero.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Weight(#[serde(deserialize_with = "decimal")] pub Money);

/// `[run]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Time to end in order.
    #[serde(deserialize_with = "duration")]
    pub shutdown_grace: Duration,
    /// For people or programs.
    pub log_format: LogFormat,
}

/// Log lines for people or programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text.
    Text,
    /// JSON.
    Json,
}

/// `[[grouping_set]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupingSetConfig {
    /// Name of its views.
    pub name: String,
    /// Dimensions.
    pub key: Vec<Dimension>,
}

/// Decimal text, not below zero.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let text = String::deserialize(deserializer)?;
    let refuse =
        |problem: String| serde::de::Error::custom(format!("{text:?}: {problem}; expected decimal text such as \"12.50\", or \"0\""));
    let money = Money::parse(&text).map_err(|error| refuse(error.to_string()))?;
    if money.is_negative() { Err(refuse("it is negative".to_owned())) } else { Ok(money) }
}

/// Human durations: `"100ms"`, `"15m"`, `"35d"`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        serde::de::Error::custom(format!("{text:?} is no duration: expected a whole number and a unit (ms, s, m, h, d), such as \"15m\""))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(factor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        assert_eq!(parse_duration("35d"), Some(Duration::from_secs(35 * 86_400)));
        assert_eq!(parse_duration("100ms"), Some(Duration::from_millis(100)));
        for text in ["", "5", "m", "-1s", "1.5h", "1 s", "99999999999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }
}
