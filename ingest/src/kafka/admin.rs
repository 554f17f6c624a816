//! Questions about a cluster and its topics, for `check`, the demonstration and the tests. Everything blocks the calling thread,
//! up to a timeout.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ConfigResource, NewTopic as NativeNewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    producer::{BaseProducer, Producer},
};

use super::{KafkaError, trouble::TroubleContext};

/// How often a question is interrupted to hear whether the brokers refuse us.
const LISTEN_EVERY: Duration = Duration::from_millis(500);

/// Administration of one cluster.
pub struct Admin {
    client: AdminClient<DefaultClientContext>,
    /// Hears errors of the connections, for which an administrative client has no ear.
    asker: BaseProducer<TroubleContext>,
    timeout: Duration,
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its partitions' numbers.
    pub partitions: Vec<i32>,
    /// The replicas of the partition that has the fewest.
    pub replication: usize,
}

/// The settings of a topic that Cost Rhythm cares about; `None`: the broker did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicSettings {
    /// `message.timestamp.type`
    pub timestamp_type: Option<String>,
    /// `cleanup.policy`
    pub cleanup_policy: Option<String>,
    /// `max.message.bytes`
    pub max_message_bytes: Option<u64>,
    /// `retention.ms`; -1: for ever.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`, per partition; -1: no limit.
    pub retention_bytes: Option<i64>,
}

/// A topic to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many partitions.
    pub partitions: u32,
    /// How many replicas.
    pub replication: u32,
    /// Its settings, such as `("message.timestamp.type", "LogAppendTime")`.
    pub settings: &'a [(&'a str, &'a str)],
}

impl Admin {
    /// A client for administration. Does not connect yet.
    ///
    /// # Errors
    /// A setting that librdkafka refuses.
    pub fn new(client: &ClientConfig, timeout: Duration) -> Result<Self, KafkaError> {
        let asker = client.create_with_context(TroubleContext::default()).map_err(KafkaError::Client)?;
        Ok(Admin { client: client.create().map_err(KafkaError::Client)?, asker, timeout })
    }

    /// The cluster's id, which names it in snapshots. As the first question it also finds out whether the brokers take us.
    ///
    /// # Errors
    /// [`KafkaError::Authentication`] and [`KafkaError::Untrusted`] as soon as that is known, else [`KafkaError::NoAnswer`].
    pub fn cluster_id(&self) -> Result<String, KafkaError> {
        let begun = Instant::now();
        loop {
            let left = self.timeout.saturating_sub(begun.elapsed());
            if let Some(id) = self.asker.client().fetch_cluster_id(left.min(LISTEN_EVERY)) {
                return Ok(id);
            }
            self.asker.poll(Duration::ZERO);
            if let Some(refusal) = self.asker.context().refusal() {
                return Err(refusal);
            }
            if left.is_zero() {
                return Err(KafkaError::NoAnswer { timeout: self.timeout, reason: self.asker.context().last() });
            }
        }
    }

    /// A topic's partitions; `None` when there is no such topic.
    ///
    /// # Errors
    /// No answer, or no authorisation.
    pub fn topic(&self, topic: &str) -> Result<Option<TopicDescription>, KafkaError> {
        let failed = |reason: String| KafkaError::Topic { topic: topic.to_owned(), reason };
        let metadata = self.client.inner().fetch_metadata(Some(topic), self.timeout).map_err(|error| failed(error.to_string()))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => return Ok(None),
            Some(code) => return Err(failed(code.to_string())),
        }
        let mut partitions: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
        partitions.sort_unstable();
        let replication = found.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
        Ok(Some(TopicDescription { partitions, replication }))
    }

    /// A topic's settings, defaults included.
    ///
    /// # Errors
    /// No answer, no authorisation, no such topic.
    pub fn topic_settings(&self, topic: &str) -> Result<TopicSettings, KafkaError> {
        let failed = |reason: String| KafkaError::Topic { topic: topic.to_owned(), reason };
        let options = AdminOptions::new().request_timeout(Some(self.timeout));
        let asked = [ResourceSpecifier::Topic(topic)];
        let answers = block_on(self.client.describe_configs(&asked, &options)).map_err(|error| failed(error.to_string()))?;
        let Some(answer) = answers.into_iter().next() else { return Err(failed("the broker gave no settings".to_owned())) };
        Ok(settings(&answer.map_err(|code| failed(code.to_string()))?))
    }

    /// Makes topics and waits until they are there.
    ///
    /// # Errors
    /// The first topic that could not be made; one that exists already is such a one.
    pub fn create_topics(&self, topics: &[NewTopic<'_>]) -> Result<(), KafkaError> {
        let wanted: Vec<NativeNewTopic<'_>> = topics.iter().map(native).collect();
        let options = AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout));
        let answers = block_on(self.client.create_topics(&wanted, &options)).map_err(KafkaError::Client)?;
        for answer in answers {
            answer.map_err(|(topic, code)| KafkaError::Topic { topic, reason: code.to_string() })?;
        }
        Ok(())
    }
}

fn native<'a>(topic: &NewTopic<'a>) -> NativeNewTopic<'a> {
    let number = |wanted: u32| i32::try_from(wanted).unwrap_or(i32::MAX);
    let replication = TopicReplication::Fixed(number(topic.replication));
    let made = NativeNewTopic::new(topic.name, number(topic.partitions), replication);
    topic.settings.iter().fold(made, |made, (key, value)| made.set(key, value))
}

fn settings(found: &ConfigResource) -> TopicSettings {
    let text = |key: &str| found.get(key).and_then(|entry| entry.value.clone());
    let number = |key: &str| text(key).and_then(|value| value.parse().ok());
    TopicSettings {
        timestamp_type: text("message.timestamp.type"),
        cleanup_policy: text("cleanup.policy"),
        max_message_bytes: text("max.message.bytes").and_then(|value| value.parse().ok()),
        retention_ms: number("retention.ms"),
        retention_bytes: number("retention.bytes"),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The client's futures are answered by its own thread: no runtime is needed, and none is in the way.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
