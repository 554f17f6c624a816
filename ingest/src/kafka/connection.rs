//! How to reach a cluster: the settings that every client of it shares.

use std::{collections::BTreeMap, path::PathBuf};

use rdkafka::ClientConfig;
use schemas::Secret;

use super::KafkaError;

/// TLS towards the brokers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities that brokers' certificates are checked against; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client's own certificate, for mutual TLS.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the certificate's key.
    pub key_file: Option<PathBuf>,
    /// Password of the key file.
    pub key_password: Option<Secret>,
}

/// How the password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// The password itself; only sensible inside TLS.
    Plain,
    /// SCRAM-SHA-256
    ScramSha256,
    /// SCRAM-SHA-512
    ScramSha512,
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// The mechanism.
    pub mechanism: SaslMechanism,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// Inside TLS or, when `None`, in the open.
    pub tls: Option<Tls>,
}

/// How client and brokers trust each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    #[default]
    Plaintext,
    /// TLS, with a client certificate or without.
    Tls(Tls),
    /// A password, inside TLS or not.
    Sasl(Sasl),
}

/// How to reach a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaConnection {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// The name under which the brokers know this client (logs, quotas).
    pub client_id: String,
    /// Trust.
    pub security: Security,
    /// Any other librdkafka setting, except those that Cost Rhythm's guarantees rest on.
    pub extra: BTreeMap<String, String>,
}

/// What the guarantees rest on, and what has an option of its own.
const OWNED_KEYS: &[&str] = &[
    "acks",
    "auto.commit.enable",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "client.id",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.poll.interval.ms",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "queued.max.messages.kbytes",
    "request.required.acks",
    "retries",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "statistics.interval.ms",
    "test.mock.num.brokers",
    "transactional.id",
];

impl KafkaConnection {
    /// A plaintext connection without further settings.
    pub fn plaintext(brokers: impl Into<String>) -> Self {
        KafkaConnection { brokers: brokers.into(), client_id: "cost-rhythm".to_owned(), ..Self::default() }
    }

    /// The settings that every client of this cluster starts from: consumers, producers (the `sinks` crate takes this value as
    /// it is) and administration. Its `Debug` hides passwords.
    ///
    /// # Errors
    /// [`KafkaError::Setting`] when `brokers` is empty or `extra` has a key that is ours.
    pub fn client_config(&self) -> Result<ClientConfig, KafkaError> {
        if self.brokers.trim().is_empty() {
            return Err(refused("bootstrap.servers", "expected host:port[,host:port], found nothing"));
        }
        if let Some(key) = self.extra.keys().find(|key| OWNED_KEYS.contains(&key.as_str())) {
            return Err(refused(key, "is set by cost-rhythm itself: remove it, or use the option of its own if there is one"));
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("client.id", &self.client_id);
        // An outage ends when the broker is back, not when the longest backoff (10 s by default) has passed.
        config.set("reconnect.backoff.max.ms", "2000");
        for (key, value) in &self.extra {
            config.set(key, value);
        }
        self.security.apply(&mut config);
        Ok(config)
    }
}

impl Security {
    fn apply(&self, config: &mut ClientConfig) {
        match self {
            Security::Plaintext => {
                config.set("security.protocol", "plaintext");
            }
            Security::Tls(tls) => {
                config.set("security.protocol", "ssl");
                tls.apply(config);
            }
            Security::Sasl(sasl) => sasl.apply(config),
        }
    }
}

impl Sasl {
    fn apply(&self, config: &mut ClientConfig) {
        let mechanism = match self.mechanism {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        config.set("sasl.mechanisms", mechanism).set("sasl.username", &self.username).set("sasl.password", self.password.reveal());
        match &self.tls {
            None => {
                config.set("security.protocol", "sasl_plaintext");
            }
            Some(tls) => {
                config.set("security.protocol", "sasl_ssl");
                tls.apply(config);
            }
        }
    }
}

impl Tls {
    fn apply(&self, config: &mut ClientConfig) {
        let files = [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ];
        for (key, file) in files {
            if let Some(file) = file {
                config.set(key, file.to_string_lossy());
            }
        }
        if let Some(password) = &self.key_password {
            config.set("ssl.key.password", password.reveal());
        }
    }
}

fn refused(key: &str, reason: &str) -> KafkaError {
    KafkaError::Setting { key: key.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_a_guarantee_rests_on_is_refused_by_name() {
        let mut connection = KafkaConnection::plaintext("localhost:9092");
        connection.extra.insert("enable.auto.commit".to_owned(), "true".to_owned());
        let error = connection.client_config().unwrap_err().to_string();
        assert!(error.contains("enable.auto.commit"), "{error}");
    }

    #[test]
    fn passwords_are_never_printed() {
        let sasl = Sasl {
            mechanism: SaslMechanism::ScramSha512,
            username: "meter".to_owned(),
            password: Secret::new("hunter2"),
            tls: Some(Tls { key_password: Some(Secret::new("hunter3")), ..Tls::default() }),
        };
        let connection = KafkaConnection { security: Security::Sasl(sasl), ..KafkaConnection::plaintext("localhost:9092") };
        let config = connection.client_config().unwrap();
        assert_eq!(config.get("sasl.password"), Some("hunter2"));
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        let printed = format!("{connection:?} {config:?}");
        assert!(!printed.contains("hunter"), "{printed}");
    }

    #[test]
    fn every_security_setting_is_understood_by_the_client_library() {
        let sasl = |mechanism| Security::Sasl(Sasl { mechanism, username: "u".into(), password: Secret::new("p"), tls: None });
        let all = [
            Security::Plaintext,
            Security::Tls(Tls::default()),
            sasl(SaslMechanism::Plain),
            sasl(SaslMechanism::ScramSha256),
            sasl(SaslMechanism::ScramSha512),
        ];
        for security in all {
            let connection = KafkaConnection { security, ..KafkaConnection::plaintext("localhost:1") };
            let client: Result<rdkafka::producer::BaseProducer, _> = connection.client_config().unwrap().create();
            assert!(client.is_ok(), "{connection:?}: {:?}", client.err());
        }
    }
}
