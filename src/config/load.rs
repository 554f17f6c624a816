//! Reading the configuration: defaults, then the file, then the environment; then the rules between keys.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Toml};
use figment::value::Value;

use schemas::{GroupingSet, Money, Secret};

use super::{Config, Security};

/// The file with every default.
const DEFAULTS: &str = include_str!("../../cost-rhythm.toml");

/// A run is made of at most 64 times as many, and counts them in 32 bits.
const MAX_RECENT_IDENTITIES: usize = 50_000_000;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is not there or cannot be read.
    #[error("CR-3001: {key} {path}: cannot be read: {reason}")]
    Unreadable {
        /// Which key or option names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// Syntax, an unknown key, a wrong type.
    #[error("CR-3002: {0}")]
    Invalid(String),
    /// Keys that do not go together.
    #[error("CR-3003: {key} = {value}: {remedy}")]
    Inconsistent {
        /// Which key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// Reads the configuration; without a file, the defaults and the environment.
///
/// # Errors
/// [`ConfigError`]
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let read = |path: &Path| {
        let unreadable = |reason| ConfigError::Unreadable { key: "--config", path: path.to_owned(), reason };
        std::fs::read_to_string(path).map_err(unreadable)
    };
    let text = file.map(read).transpose()?.unwrap_or_default();
    let mut config = from_text(&text, file)?;
    config.base_dir = file.and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    read_secrets(&mut config)?;
    check(&config)?;
    Ok(config)
}

/// The configuration of a file's text, the defaults and the environment; the rules between keys are not checked, and no other file is read.
///
/// # Errors
/// [`ConfigError::Invalid`]
pub fn from_text(text: &str, file: Option<&Path>) -> Result<Config, ConfigError> {
    refuse_secrets(text, file.unwrap_or(Path::new("configuration")))?;
    let figment = Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(text)).merge(Env::prefixed("COST_RHYTHM__").split("__"));
    figment.extract().map_err(|error| ConfigError::Invalid(explain(&figment, &error, file)))
}

/// Each fault: where it stands (the file, or a variable), its key, its value, and what was expected.
fn explain(figment: &Figment, error: &figment::Error, file: Option<&Path>) -> String {
    let faults = error.clone().into_iter().map(|fault| {
        let key = fault.path.join(".");
        let is_variable = fault.metadata.as_ref().is_some_and(|metadata| metadata.name.contains("environment"));
        let place = if is_variable {
            format!("COST_RHYTHM__{}", key.replace('.', "__").to_uppercase())
        } else {
            file.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string())
        };
        // A value of a wrong type is in the text of its kind; what else is refused says so itself, without the value.
        let value = match (&fault.kind, figment.find_value(&key)) {
            (Kind::Message(_), Ok(Value::String(_, text))) => format!(" = {text:?}"),
            _ => String::new(),
        };
        let key = if key.is_empty() { key } else { format!(" {key}{value}:") };
        format!("{place}:{key} {}", fault.kind)
    });
    format!("{} (all keys and their defaults are in cost-rhythm.toml)", faults.collect::<Vec<_>>().join("; "))
}

/// A secret in the file would end up in a repository.
fn refuse_secrets(text: &str, path: &Path) -> Result<(), ConfigError> {
    let table: toml::Table = text.parse().map_err(|error| ConfigError::Invalid(format!("{}: {error}", path.display())))?;
    for (section, value) in &table {
        if let Some(key) = ["password", "events_token"].iter().find(|key| value.get(key).is_some()) {
            let variable = format!("COST_RHYTHM__{section}__{key}").to_uppercase();
            return Err(ConfigError::Invalid(format!(
                "{}: {section}.{key}: secrets do not belong in this file: set {variable} or {section}.{key}_file",
                path.display()
            )));
        }
    }
    Ok(())
}

fn read_secrets(config: &mut Config) -> Result<(), ConfigError> {
    let base = config.base_dir.clone();
    for (key, file, secret) in [
        ("kafka.password_file", &config.kafka.password_file, &mut config.kafka.password),
        ("registry.password_file", &config.registry.password_file, &mut config.registry.password),
        ("clickhouse.password_file", &config.clickhouse.password_file, &mut config.clickhouse.password),
        ("http.events_token_file", &config.http.events_token_file, &mut config.http.events_token),
    ] {
        if !file.as_os_str().is_empty() {
            let path = base.join(file);
            let text = std::fs::read_to_string(&path).map_err(|reason| ConfigError::Unreadable { key, path, reason })?;
            *secret = Secret::new(text.trim_end_matches(['\n', '\r']));
        }
    }
    Ok(())
}

/// The rules between keys.
fn check(config: &Config) -> Result<(), ConfigError> {
    let fail = |key, value: String, remedy| Err(ConfigError::Inconsistent { key, value, remedy });
    let (windows, kafka) = (&config.windows, &config.kafka);
    if config.run.shutdown_grace >= config.kafka.session_timeout {
        return fail(
            "run.shutdown_grace",
            format!("{:?}", config.run.shutdown_grace),
            "must be below kafka.session_timeout, or partitions are given away while they are being finished",
        );
    }
    if windows.retain < windows.lateness {
        return fail("windows.retain", format!("{:?}", windows.retain), "must not be shorter than windows.lateness");
    }
    if windows.horizon.as_secs() % 86_400 != 0 || windows.horizon.is_zero() {
        return fail("windows.horizon", format!("{:?}", windows.horizon), "must be a whole number of days");
    }
    if windows.horizon < windows.retain {
        return fail("windows.horizon", format!("{:?}", windows.horizon), "must not be shorter than windows.retain");
    }
    if config.flush.interval > config.flush.interval_behind {
        return fail("flush.interval", format!("{:?}", config.flush.interval), "must not be longer than flush.interval_behind");
    }
    let mut topics = [&kafka.events_topic, &kafka.partials_topic, &kafka.dead_letters_topic, &kafka.alerts_topic];
    topics.sort();
    if let Some(pair) = topics.windows(2).find(|pair| pair[0] == pair[1]) {
        return fail("kafka.*_topic", pair[0].clone(), "every topic needs a name of its own");
    }
    if matches!(kafka.security, Security::SaslPlaintext | Security::SaslTls) && (kafka.username.is_empty() || kafka.password.is_empty()) {
        return fail(
            "kafka.security",
            format!("{:?}", kafka.security),
            "needs kafka.username and COST_RHYTHM__KAFKA__PASSWORD or kafka.password_file",
        );
    }
    let http = &config.http;
    if !http.events_token.reveal().bytes().all(|b| b.is_ascii_graphic()) {
        return fail(
            "http.events_token",
            "(secret)".to_owned(),
            "must be letters, digits and signs of ASCII without white space, or no header can show it",
        );
    }
    if http.accept_events && http.events_token.is_empty() && !http.listen.ip().is_loopback() {
        return fail(
            "http.accept_events",
            "true".to_owned(),
            "needs COST_RHYTHM__HTTP__EVENTS_TOKEN or http.events_token_file where http.listen is no loopback address: else anybody could add to the spend",
        );
    }
    if let Some(secret) = config.state.properties.keys().find(|key| is_secret(key)) {
        return fail(
            "state.properties",
            secret.clone(),
            "is a secret, which does not belong here: set the variable that the store's own tools read, such as AWS_SECRET_ACCESS_KEY",
        );
    }
    if kafka.brokers.trim().is_empty() {
        return fail("kafka.brokers", format!("{:?}", kafka.brokers), "must be HOST:PORT, or several with commas between them");
    }
    let legal =
        |name: &str| !name.is_empty() && name.len() <= 249 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if let Some(name) = topics.iter().map(|name| kafka.topic(name)).find(|name| !legal(name)) {
        let remedy = "a topic's name, with kafka.topic_prefix before it, has 1 to 249 letters, digits, '.', '_' and '-'";
        return fail("kafka.*_topic", format!("{name:?}"), remedy);
    }
    let zeros = [
        ("limits.max_series", config.limits.max_series == 0),
        ("limits.recent_identities", config.limits.recent_identities == 0),
        ("clickhouse.max_batch_rows", config.clickhouse.max_batch_rows == 0),
        ("flush.interval", config.flush.interval.is_zero()),
    ];
    if let Some((key, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
        return fail(key, "0".to_owned(), "must be more than 0");
    }
    if config.limits.recent_identities > MAX_RECENT_IDENTITIES {
        return fail("limits.recent_identities", config.limits.recent_identities.to_string(), "must be at most 50000000");
    }
    let watch = &config.watch;
    if let Some(name) =
        watch.except.iter().find(|name| !config.grouping_sets().iter().chain(&GroupingSet::defaults()).any(|set| set.name == **name))
    {
        return fail("watch.except", format!("{name:?}"), "is no grouping set: leave it out, or name one of those that are configured");
    }
    for (key, factor) in
        [("watch.hourly_mean", watch.hourly_mean), ("watch.day_over_day", watch.day_over_day), ("watch.weekly_mean", watch.weekly_mean)]
    {
        if factor > Money::ZERO && factor <= Money::from_whole(1) {
            return fail(
                key,
                factor.to_string(),
                "must be a factor above 1, such as \"1.5\" for half as much again, or \"0\" to switch the rule off",
            );
        }
    }
    let mut names: Vec<&str> = config.grouping_set.iter().map(|set| set.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return fail("grouping_set.name", pair[0].to_owned(), "stands twice: every grouping set needs a name of its own");
    }
    let twice = |set: &&super::GroupingSetConfig| (1..set.key.len()).any(|at| set.key[..at].contains(&set.key[at]));
    if let Some(set) = config.grouping_set.iter().find(twice) {
        return fail("grouping_set.key", format!("{:?}", set.key), "names a dimension twice: name each once");
    }
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if let Some(set) = config.grouping_set.iter().find(|set| !plain(&set.name) || set.key.len() > schemas::grouping::MAX_KEY) {
        return fail(
            "grouping_set.name",
            set.name.clone(),
            "must be lower-case letters, digits and _, with at most 8 dimensions in its key",
        );
    }
    Ok(())
}

/// Is this setting of an object store one that opens it?
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let parts = ["secret", "password", "token", "sas", "account_key", "master_key", "service_account_key", "credential"];
    parts.iter().any(|part| key.contains(part)) || key.ends_with("access_key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path))
    }

    #[test]
    fn the_shipped_file_holds_every_default() {
        let config = load(None).unwrap();
        assert_eq!(config.kafka.brokers, "127.0.0.1:9092");
        assert_eq!(config.grouping_sets().len(), 12);
    }

    #[test]
    fn a_key_of_the_file_wins_over_the_default() {
        assert_eq!(with("[kafka]\nbrokers = \"b:1\"").unwrap().kafka.brokers, "b:1");
    }

    #[test]
    fn settings_of_the_object_store_are_taken_as_they_are() {
        let config = with("[state]\nurl = \"s3://b/p\"\nproperties = { aws_region = \"eu-north-1\", aws_access_key_id = \"id\" }").unwrap();
        assert_eq!(config.state.properties["aws_region"], "eu-north-1");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_remedy() {
        for (text, named) in [
            ("[kafka]\nbroker = \"x\"", "broker"),
            ("[kafka]\nbrokers = 7", "brokers"),
            ("[windows]\nretain = \"1 hour\"", "retain"),
            ("[windows]\nretain = \"1s\"", "windows.retain"),
            ("[windows]\nhorizon = \"36h\"", "windows.horizon"),
            ("[run]\nshutdown_grace = \"60s\"", "run.shutdown_grace"),
            ("[kafka]\nalerts_topic = \"usage-events\"", "usage-events"),
            ("[kafka]\nsecurity = \"sasl_tls\"", "kafka.username"),
            ("[clickhouse]\npassword = \"x\"", "COST_RHYTHM__CLICKHOUSE__PASSWORD"),
            ("[[grouping_set]]\nname = \"A b\"\nkey = []", "grouping_set.name"),
            ("[[grouping_set]]\nname = \"x\"\nkey = [\"colour\"]", "colour"),
            ("[state]\nproperties = { aws_secret_access_key = \"x\" }", "AWS_SECRET_ACCESS_KEY"),
            ("[state]\nproperties = { azure_storage_account_key = \"x\" }", "azure_storage_account_key"),
            ("[kafka]\nbrokers = \" \"", "kafka.brokers"),
            ("[kafka]\ntopic_prefix = \"\u{fc} \"", "kafka.topic_prefix"),
            ("[windows]\nlateness = \"7\"", "windows.lateness = \"7\""),
            ("[http]\nlisten = \"here\"", "http.listen = \"here\""),
            ("[http]\nevents_token = \"x\"", "COST_RHYTHM__HTTP__EVENTS_TOKEN"),
            ("[http]\naccept_events = true\nlisten = \"0.0.0.0:8080\"", "http.events_token_file"),
            ("[clickhouse]\npassword_file = \"none\"", "clickhouse.password_file"),
            ("[clickhouse]\nmax_batch_rows = 0", "clickhouse.max_batch_rows"),
            ("[flush]\ninterval = \"0s\"", "flush.interval"),
            ("[limits]\nrecent_identities = 0", "limits.recent_identities"),
            ("[limits]\nrecent_identities = 60000000", "at most 50000000"),
            ("[[grouping_set]]\nname = \"x\"\nkey = [\"user_id\", \"user_id\"]", "grouping_set.key"),
            ("[kafka", "c.toml"),
        ] {
            let error = with(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text:?}: {error}");
        }
    }

    #[test]
    fn secrets_never_print() {
        let mut config = load(None).unwrap();
        config.kafka.password = Secret::new("hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
