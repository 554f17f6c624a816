//! A broker that wants TLS and a password.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use ingest::kafka::{
    Admin, AssignedPartition, AssignmentHandler, ConsumerOptions, GroupConsumer, KafkaConnection, KafkaError, KafkaPartition, NewTopic,
    Sasl, SaslMechanism, Security, StartAt, Tls, TopicPartition,
};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use runtime::io::LogPartition;
use schemas::Secret;

use crate::broker::Broker;

const PATIENCE: Duration = Duration::from_secs(60);

fn connection(broker: &Broker, password: &str, ca_file: Option<PathBuf>) -> KafkaConnection {
    let sasl = Sasl {
        mechanism: SaslMechanism::ScramSha512,
        username: broker.value("KAFKA_USERNAME"),
        password: Secret::new(password),
        tls: Some(Tls { ca_file, ..Tls::default() }),
    };
    KafkaConnection { security: Security::Sasl(sasl), ..KafkaConnection::plaintext(broker.value("KAFKA_SASL_BROKERS")) }
}

fn trusted(broker: &Broker) -> Option<PathBuf> {
    Some(broker.value("KAFKA_CA_FILE").into())
}

/// Reads all partitions from their beginning; tells what goes wrong.
struct Owner {
    logs: Mutex<mpsc::Sender<KafkaPartition>>,
    errors: Mutex<mpsc::Sender<String>>,
}

impl AssignmentHandler for Owner {
    fn assigned(&self, _: &AssignedPartition) -> StartAt {
        StartAt::Offset(0)
    }

    fn start(&self, log: KafkaPartition) {
        self.logs.lock().unwrap().send(log).ok();
    }

    fn revoked(&self, _: &[TopicPartition], _: bool) {}

    fn failed(&self, error: &KafkaError) {
        self.errors.lock().unwrap().send(format!("{error} {error:?}")).ok();
    }
}

fn join(connection: &KafkaConnection) -> (ingest::kafka::ConsumerHandle, mpsc::Receiver<KafkaPartition>, mpsc::Receiver<String>) {
    let ((logs, their_logs), (errors, their_errors)) = (mpsc::channel(), mpsc::channel());
    let owner = Owner { logs: Mutex::new(logs), errors: Mutex::new(errors) };
    let options = ConsumerOptions::new(connection.client_config().unwrap(), "secured", ["secured"]);
    (GroupConsumer::start(options, owner).unwrap(), their_logs, their_errors)
}

fn refusal(connection: &KafkaConnection) -> KafkaError {
    let begun = Instant::now();
    let error = Admin::new(&connection.client_config().unwrap(), PATIENCE).unwrap().cluster_id().unwrap_err();
    assert!(begun.elapsed() < PATIENCE / 2, "it is said at once, not when patience ends: {:?}", begun.elapsed());
    error
}

#[test]
fn messages_go_and_come_through_tls_with_a_password() {
    let broker = Broker::start_secured();
    let connection = connection(&broker, &broker.value("KAFKA_PASSWORD"), trusted(&broker));
    let client = connection.client_config().unwrap();
    let admin = Admin::new(&client, PATIENCE).unwrap();
    assert!(!admin.cluster_id().unwrap().is_empty());
    admin.create_topics(&[NewTopic { name: "secured", partitions: 1, replication: 1, settings: &[] }]).unwrap();
    let producer: BaseProducer = client.create().unwrap();
    for number in 0..1000_u32 {
        producer.send(BaseRecord::<[u8], [u8]>::to("secured").payload(&number.to_be_bytes())).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let (handle, logs, _) = join(&connection);
    let mut log = logs.recv_timeout(PATIENCE).unwrap();
    let (mut read, begun) = (BTreeMap::new(), Instant::now());
    while read.len() < 1000 {
        assert!(begun.elapsed() < PATIENCE, "{}", read.len());
        log.poll(1024, Duration::from_millis(100), &mut |messages| {
            read.extend(messages.iter().map(|message| (message.offset, message.payload.unwrap().to_vec())));
            messages.len()
        })
        .unwrap();
    }
    assert!(read.into_values().eq((0..1000_u32).map(|number| number.to_be_bytes().to_vec())));
    handle.close(PATIENCE).unwrap();
}

#[test]
fn a_wrong_password_is_an_error_at_once_and_is_not_shown() {
    let broker = Broker::start_secured();
    let wrong = connection(&broker, "hunter2", trusted(&broker));
    let error = refusal(&wrong);
    assert!(matches!(&error, KafkaError::Authentication(_)), "{error:?}");
    let mut texts = vec![format!("{error} {error:?} {wrong:?}")];
    // The consumer goes on trying (the user may be made yet), and says so.
    let (handle, _, errors) = join(&wrong);
    let said = errors.recv_timeout(PATIENCE).unwrap();
    assert!(said.to_lowercase().contains("authentication"), "{said}");
    texts.push(said);
    handle.close(PATIENCE).unwrap();
    assert!(texts.iter().all(|text| !text.contains("hunter2")), "{texts:?}");
}

#[test]
fn an_authority_that_is_not_trusted_is_said_at_once_and_a_broker_that_waits_for_tls_in_time() {
    let broker = Broker::start_secured();
    let error = refusal(&connection(&broker, &broker.value("KAFKA_PASSWORD"), None));
    assert!(matches!(&error, KafkaError::Untrusted(_)), "{error:?}");
    // In plain text to a port that wants TLS: the broker says nothing, and the client library takes that for a slow one.
    let plain = KafkaConnection::plaintext(broker.value("KAFKA_SASL_BROKERS"));
    let error = Admin::new(&plain.client_config().unwrap(), Duration::from_secs(5)).unwrap().cluster_id().unwrap_err();
    assert!(matches!(&error, KafkaError::NoAnswer { .. }) && error.to_string().contains("security settings"), "{error}");
}
