use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use ingest::kafka::{
    Admin, AssignedPartition, AssignmentHandler, ConsumerHandle, ConsumerOptions, GroupConsumer, KafkaConnection, KafkaError,
    KafkaPartition, NewTopic, Reach, StartAt, TopicPartition,
};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use runtime::io::{IoError, LogPartition};

use crate::broker::Broker;

const PATIENCE: Duration = Duration::from_secs(60);

fn client(broker: &Broker) -> rdkafka::ClientConfig {
    KafkaConnection::plaintext(broker.brokers()).client_config().unwrap()
}

fn create(broker: &Broker, name: &str, partitions: u32, settings: &[(&str, &str)]) {
    let admin = Admin::new(&client(broker), PATIENCE).unwrap();
    admin.create_topics(&[NewTopic { name, partitions, replication: 1, settings }]).unwrap();
}

fn producer(broker: &Broker) -> BaseProducer {
    client(broker).set("linger.ms", "5").set("queue.buffering.max.messages", "1000000").create().unwrap()
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, from: u64, count: u64) {
    for number in from..from + count {
        let (key, value) = (format!("k{number}"), format!("v{number}"));
        let mut record = BaseRecord::<str, str>::to(topic).partition(partition).key(&key).payload(&value);
        if number % 5 == 1 {
            record.payload = None;
        }
        if number % 5 == 2 {
            record.key = None;
        }
        if number % 5 == 3 {
            let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some(&value) });
            record.headers = Some(headers.insert(Header { key: "null", value: None::<&str> }));
        }
        if number % 5 == 4 {
            record.payload = Some("");
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
}

/// Starts at what `starts` holds (0 when it has nothing) and hands the logs to the test.
struct Handler {
    starts: Arc<Mutex<BTreeMap<i32, i64>>>,
    refuse: Option<i32>,
    logs: mpsc::Sender<KafkaPartition>,
    revoked: mpsc::Sender<Vec<i32>>,
    /// Giving partitions up lasts as long as this is held.
    held: Arc<Mutex<()>>,
}

impl AssignmentHandler for Handler {
    fn assigned(&self, partition: &AssignedPartition) -> StartAt {
        let number = partition.name.partition;
        if self.refuse == Some(number) {
            return StartAt::Refused;
        }
        StartAt::Offset(self.starts.lock().unwrap().get(&number).copied().unwrap_or(0))
    }
    fn start(&self, log: KafkaPartition) {
        let _ = self.logs.send(log);
    }
    fn revoked(&self, partitions: &[TopicPartition], _: bool) {
        let _ = self.revoked.send(partitions.iter().map(|name| name.partition).collect());
        drop(self.held.lock().unwrap());
    }
    fn failed(&self, error: &KafkaError) {
        eprintln!("consumer: {error}");
    }
}

struct Member {
    handle: ConsumerHandle,
    logs: mpsc::Receiver<KafkaPartition>,
    revoked: mpsc::Receiver<Vec<i32>>,
}

fn join(broker: &Broker, topic: &str, starts: &Arc<Mutex<BTreeMap<i32, i64>>>, refuse: Option<i32>) -> Member {
    let options = ConsumerOptions::new(client(broker), format!("{topic}-group"), [topic]);
    join_with(options, starts, refuse, &Arc::default())
}

fn join_with(options: ConsumerOptions, starts: &Arc<Mutex<BTreeMap<i32, i64>>>, refuse: Option<i32>, held: &Arc<Mutex<()>>) -> Member {
    let (log_sender, logs) = mpsc::channel();
    let (revoked_sender, revoked) = mpsc::channel();
    let handler = Handler { starts: starts.clone(), refuse, logs: log_sender, revoked: revoked_sender, held: held.clone() };
    let handle = GroupConsumer::start(options, handler).unwrap();
    Member { handle, logs, revoked }
}

fn starts(at: impl IntoIterator<Item = (i32, i64)>) -> Arc<Mutex<BTreeMap<i32, i64>>> {
    Arc::new(Mutex::new(at.into_iter().collect()))
}

/// Polls until the end of the log or an error; returns the offsets.
fn read_to_end(log: &mut KafkaPartition) -> Result<(Vec<i64>, i64), IoError> {
    let begun = Instant::now();
    let mut offsets = Vec::new();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no end after {PATIENCE:?}, {} messages", offsets.len());
        let polled = log.poll(1024, Duration::from_millis(200), &mut |messages| {
            offsets.extend(messages.iter().map(|message| message.offset));
            messages.len()
        })?;
        if polled.at_end {
            return Ok((offsets, polled.position.unwrap()));
        }
    }
}

#[test]
fn a_hundred_thousand_messages_come_in_order_with_keys_headers_and_tombstones() {
    let broker = Broker::shared();
    create(&broker, "plain", 1, &[]);
    let producer = producer(&broker);
    send(&producer, "plain", 0, 0, 100_000);
    producer.flush(PATIENCE).unwrap();

    let member = join(&broker, "plain", &starts([]), None);
    let mut log = member.logs.recv_timeout(PATIENCE).unwrap();
    let mut next = 0;
    let mut broken_off = 0;
    let begun = Instant::now();
    while next < 100_000 {
        assert!(begun.elapsed() < PATIENCE);
        let polled = log.poll(1024, Duration::from_millis(200), &mut |messages| {
            for (number, message) in messages.iter().enumerate() {
                assert_eq!(message.offset, next);
                // Every 777th is not taken the first time: it must come again.
                if next % 777 == 0 && broken_off <= next {
                    broken_off = next + 1;
                    return number;
                }
                let (key, value) = (format!("k{next}"), format!("v{next}"));
                assert_eq!(message.key, (next % 5 != 2).then_some(key.as_bytes()));
                let payload = match next % 5 {
                    1 => None,
                    4 => Some(&b""[..]),
                    _ => Some(value.as_bytes()),
                };
                assert_eq!(message.payload, payload);
                let headers: &[(&str, &[u8])] = &[("ce_id", value.as_bytes()), ("null", b"")];
                assert_eq!(message.headers, if next % 5 == 3 { headers } else { &[] });
                assert!(message.timestamp.micros() > 1_600_000_000_000_000);
                next += 1;
            }
            messages.len()
        });
        assert_eq!(polled.unwrap().position, Some(next));
    }
    assert_eq!(read_to_end(&mut log).unwrap(), (vec![], 100_000));
    assert_eq!(log.lag(), Some(0));
    member.handle.close(PATIENCE).unwrap();
    assert!(matches!(read_to_end(&mut log), Err(IoError::Lost)));
}

#[test]
fn reading_starts_exactly_where_the_handler_says_and_a_refused_partition_is_not_read() {
    let broker = Broker::shared();
    create(&broker, "explicit", 2, &[]);
    let producer = producer(&broker);
    for partition in 0..2 {
        send(&producer, "explicit", partition, 0, 100);
    }
    producer.flush(PATIENCE).unwrap();
    let member = join(&broker, "explicit", &starts([(0, 37)]), Some(1));
    let mut log = member.logs.recv_timeout(PATIENCE).unwrap();
    assert_eq!(log.name().partition, 0);
    assert_eq!(read_to_end(&mut log).unwrap(), ((37..100).collect(), 100));
    assert!(member.logs.try_recv().is_err());
    member.handle.close(PATIENCE).unwrap();
    let mut given_up = member.revoked.recv_timeout(PATIENCE).unwrap();
    given_up.sort_unstable();
    assert_eq!(given_up, [0, 1]);
}

#[test]
fn an_offset_that_the_log_does_not_have_is_fatal_and_stays_so() {
    let broker = Broker::shared();
    create(&broker, "beyond", 1, &[]);
    let member = join(&broker, "beyond", &starts([(0, 1000)]), None);
    let mut log = member.logs.recv_timeout(PATIENCE).unwrap();
    for _ in 0..2 {
        let error = read_to_end(&mut log).unwrap_err();
        assert!(matches!(&error, IoError::Fatal(text) if text.contains("beyond[0]@") && text.contains("retention")), "{error:?}");
    }
    member.handle.close(PATIENCE).unwrap();
}

#[test]
fn aborted_transactions_are_skipped_and_the_position_moves_past_control_records() {
    let broker = Broker::shared();
    create(&broker, "transactions", 1, &[]);
    let producer: BaseProducer = client(&broker).set("transactional.id", "t").create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    for round in 0..4 {
        producer.begin_transaction().unwrap();
        send(&producer, "transactions", 0, round * 10, 10);
        producer.flush(PATIENCE).unwrap();
        match round % 2 {
            0 => producer.commit_transaction(PATIENCE).unwrap(),
            _ => producer.abort_transaction(PATIENCE).unwrap(),
        }
    }
    let member = join(&broker, "transactions", &starts([]), None);
    let mut log = member.logs.recv_timeout(PATIENCE).unwrap();
    // Ten records and a control record per round; the last round is aborted.
    let expected = (0..10).chain(22..32).collect();
    assert_eq!(read_to_end(&mut log).unwrap(), (expected, 44));
    member.handle.close(PATIENCE).unwrap();
}

#[test]
fn members_that_come_and_go_read_every_offset_once_from_where_the_former_owner_stopped() {
    let broker = Broker::shared();
    create(&broker, "shared", 4, &[]);
    let producer = producer(&broker);
    let positions = starts([]);
    let seen: Arc<Mutex<BTreeMap<(i32, i64), u32>>> = Arc::default();
    let run = |member: Member| {
        let (positions, seen) = (positions.clone(), seen.clone());
        let (stop, stopped) = mpsc::channel::<()>();
        let worker = thread::spawn(move || {
            let mut logs = Vec::new();
            while stopped.try_recv().is_err() {
                logs.extend(member.logs.try_iter());
                logs.retain_mut(|log: &mut KafkaPartition| {
                    let partition = log.name().partition;
                    let read = log.poll(100, Duration::from_millis(5), &mut |messages| {
                        for message in messages {
                            *seen.lock().unwrap().entry((partition, message.offset)).or_default() += 1;
                            // A stand-in for the snapshot that travels with the partition.
                            positions.lock().unwrap().insert(partition, message.offset + 1);
                        }
                        messages.len()
                    });
                    !matches!(read.map_err(|error| assert!(matches!(error, IoError::Lost), "{error:?}")), Err(()))
                });
            }
            member.handle.close(PATIENCE).unwrap();
        });
        (stop, worker)
    };
    let wait_for = |total: usize| {
        let begun = Instant::now();
        while seen.lock().unwrap().len() < total {
            assert!(begun.elapsed() < PATIENCE, "{} of {total}", seen.lock().unwrap().len());
            thread::sleep(Duration::from_millis(10));
        }
    };
    let fill = |round: u64| {
        for partition in 0..4 {
            send(&producer, "shared", partition, round * 1000, 1000);
        }
        producer.flush(PATIENCE).unwrap();
        wait_for(usize::try_from((round + 1) * 4000).unwrap());
    };
    let first = run(join(&broker, "shared", &positions, None));
    fill(0);
    let second = run(join(&broker, "shared", &positions, None));
    fill(1);
    first.0.send(()).unwrap();
    first.1.join().unwrap();
    fill(2);
    second.0.send(()).unwrap();
    second.1.join().unwrap();
    // The gates close before the next owner recovers, so that no offset comes twice.
    assert!(seen.lock().unwrap().values().all(|times| *times == 1));
}

/// The member that gave a partition up has to ask the group once more for the others to get it; this one dies before it does, and its successor of the same
/// name gets its former partitions back without a rebalance.
#[test]
fn a_partition_that_was_given_up_by_a_member_that_then_died_is_taken_over() {
    let broker = Broker::shared();
    create(&broker, "orphan", 3, &[]);
    let named = |name: &str| ConsumerOptions {
        group_instance: Some(name.to_owned()),
        unowned_for: Duration::from_secs(3),
        ..ConsumerOptions::new(client(&broker), "orphan-group", ["orphan"])
    };
    let (held, positions) = (Arc::default(), starts([]));
    let died = join_with(named("one"), &positions, None, &held);
    for _ in 0..3 {
        died.logs.recv_timeout(PATIENCE).unwrap();
    }
    let until_the_end = held.lock().unwrap();
    let two = join_with(named("two"), &positions, None, &Arc::default());
    died.revoked.recv_timeout(PATIENCE).unwrap();
    let one = join_with(named("one"), &positions, None, &Arc::default());
    let mut logs: Vec<KafkaPartition> = Vec::new();
    let (mut owned, begun) = (Vec::new(), Instant::now());
    // What the new owner may read: partitions may move once more on the way.
    while owned != [0, 1, 2] {
        assert!(begun.elapsed() < PATIENCE, "only {owned:?} have an owner");
        thread::sleep(Duration::from_millis(50));
        logs.extend([&one, &two].iter().flat_map(|member| member.logs.try_iter()));
        logs.retain_mut(|log| log.poll(1, Duration::ZERO, &mut |_| 0).is_ok());
        owned = logs.iter().map(|log| log.name().partition).collect();
        owned.sort_unstable();
    }
    drop(until_the_end);
    for member in [one, two] {
        member.handle.close(PATIENCE).unwrap();
    }
}

#[test]
fn closing_and_dropping_end_within_their_deadline_fifty_times_in_a_row() {
    let broker = Broker::shared();
    create(&broker, "close", 1, &[]);
    let producer = producer(&broker);
    send(&producer, "close", 0, 0, 100);
    producer.flush(PATIENCE).unwrap();
    for round in 0..50 {
        let member = join(&broker, "close", &starts([]), None);
        if round % 3 == 0 {
            member.handle.close(PATIENCE).unwrap();
            continue;
        }
        let mut log = member.logs.recv_timeout(PATIENCE).unwrap();
        read_to_end(&mut log).unwrap();
        let begun = Instant::now();
        drop(if round % 3 == 1 { Some(log) } else { None });
        member.handle.close(PATIENCE).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_no_message() {
    let broker = Broker::start();
    create(&broker, "outage", 1, &[]);
    let producer = producer(&broker);
    let member = join(&broker, "outage", &starts([]), None);
    let mut log = member.logs.recv_timeout(PATIENCE).unwrap();
    send(&producer, "outage", 0, 0, 1000);
    producer.flush(PATIENCE).unwrap();
    let mut offsets = Vec::new();
    let mut read_until = |count: usize| {
        let begun = Instant::now();
        while offsets.len() < count {
            assert!(begun.elapsed() < PATIENCE * 2, "{}", offsets.len());
            let take = &mut |messages: &[runtime::io::Message<'_>]| {
                offsets.extend(messages.iter().map(|message| message.offset));
                messages.len()
            };
            match log.poll(1024, Duration::from_millis(100), take) {
                Ok(_) | Err(IoError::Transient(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    read_until(500);
    broker.stop();
    send(&producer, "outage", 0, 1000, 1000);
    broker.resume();
    producer.flush(PATIENCE * 2).unwrap();
    read_until(2000);
    assert_eq!(offsets, (0..2000).collect::<Vec<_>>());
    member.handle.close(PATIENCE).unwrap();
}

/// Kills the broker while partitions are recovered.
struct Killing {
    broker: Arc<Broker>,
    failures: mpsc::Sender<(String, bool)>,
}

impl AssignmentHandler for Killing {
    fn assigned(&self, _: &AssignedPartition) -> StartAt {
        self.broker.stop();
        StartAt::Offset(0)
    }
    fn start(&self, _: KafkaPartition) {}
    fn revoked(&self, _: &[TopicPartition], _: bool) {}
    fn failed(&self, error: &KafkaError) {
        let _ = self.failures.send((error.to_string(), error.needs_another_client()));
    }
}

#[test]
fn a_partition_whose_place_cannot_be_looked_up_is_told_as_one_that_needs_another_client() {
    let broker = Arc::new(Broker::start());
    create(&broker, "unknown", 2, &[]);
    let options = ConsumerOptions {
        recovery_threads: 1,
        lookup_timeout: Duration::from_secs(1),
        ..ConsumerOptions::new(client(&broker), "unknown-group", ["unknown"])
    };
    let (sender, failures) = mpsc::channel();
    let handle = GroupConsumer::start(options, Killing { broker: Arc::clone(&broker), failures: sender }).unwrap();
    let told = failures.iter().find(|(_, needs_another_client)| *needs_another_client).unwrap();
    assert!(told.0.starts_with("cannot look up where unknown["), "{told:?}");
    drop(handle);
}

/// As good as one whose brokers were taken from it: it knows none that is there.
#[test]
fn a_client_that_knows_no_broker_finds_them_with_the_bootstrap_servers() {
    let broker = Broker::shared();
    create(&broker, "deaf", 1, &[]);
    let deaf: Arc<BaseProducer> = Arc::new(client(&broker).set("bootstrap.servers", "127.0.0.1:1").create().unwrap());
    let reach =
        Reach::of("producer".to_owned(), move || Some(deaf.clone()), |producer| producer.client(), "deaf".to_owned(), broker.brokers());
    assert!(!reach.is_answered(Duration::from_secs(3)));
    reach.bootstrap_again();
    assert!(reach.is_answered(PATIENCE));
}

#[test]
fn what_check_asks_is_answered() {
    let broker = Broker::shared();
    create(&broker, "asked", 3, &[("message.timestamp.type", "LogAppendTime"), ("max.message.bytes", "70000")]);
    let admin = Admin::new(&client(&broker), PATIENCE).unwrap();
    assert_eq!(admin.topic("asked").unwrap().unwrap().partitions, [0, 1, 2]);
    assert_eq!(admin.topic("not-there").unwrap(), None);
    let settings = admin.topic_settings("asked").unwrap();
    assert_eq!(settings.timestamp_type.as_deref(), Some("LogAppendTime"));
    assert_eq!((settings.max_message_bytes, settings.cleanup_policy.as_deref()), (Some(70_000), Some("delete")));
    assert!(!admin.cluster_id().unwrap().is_empty());
}

/// `cargo test --release -p ingest --test kafka -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn rate_of_batches_against_single_messages() {
    let broker = Broker::start();
    create(&broker, "rate", 1, &[]);
    let producer = producer(&broker);
    let (count, payload) = (1_000_000, vec![b'x'; 500]);
    for _ in 0..count {
        while producer.send(BaseRecord::<[u8], [u8]>::to("rate").partition(0).key(b"key-0001").payload(&payload)).is_err() {
            producer.poll(Duration::from_millis(5));
        }
    }
    producer.flush(PATIENCE).unwrap();
    for round in 0..3 {
        let member = join(&broker, "rate", &starts([]), None);
        let mut log = member.logs.recv_timeout(PATIENCE).unwrap();
        let begun = Instant::now();
        assert_eq!(read_to_end(&mut log).unwrap().0.len(), count);
        let batch = begun.elapsed();
        member.handle.close(PATIENCE).unwrap();
        let mut config = ConsumerOptions::new(client(&broker), "single", ["rate"]).client;
        config.set("group.id", "single").set("auto.offset.reset", "earliest").set("fetch.queue.backoff.ms", "5");
        let single: rdkafka::consumer::BaseConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset("rate", 0, rdkafka::Offset::Beginning).unwrap();
        rdkafka::consumer::Consumer::assign(&single, &list).unwrap();
        let begun = Instant::now();
        let mut seen = 0;
        while seen < count {
            seen += usize::from(single.poll(Duration::from_millis(100)).is_some_and(|message| message.is_ok()));
        }
        let rate = |elapsed: Duration| count as f64 / elapsed.as_secs_f64();
        println!("round {round}: batches {:.0}/s, single messages {:.0}/s", rate(batch), rate(begun.elapsed()));
    }
}
