//! Options of the consumer, with every default.

use std::time::Duration;

use rdkafka::ClientConfig;

/// How often a client asks for the topics' partitions. librdkafka's own default of five minutes would leave new partitions unread for so long: an instance
/// with a name that is restarted gets its old partitions back without a rebalance.
const METADATA_INTERVAL: &str = "topic.metadata.refresh.interval.ms";
/// The key of a member's name.
pub(super) const INSTANCE: &str = "group.instance.id";

/// How one stage of one process reads.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// What every client of the cluster shares; see `KafkaConnection::client_config`.
    pub client: ClientConfig,
    /// The consumer group.
    pub group: String,
    /// Its topics.
    pub topics: Vec<String>,
    /// Static membership: a name that stays the same over restarts of this instance (and is unique in the group), so that a
    /// restart within `session_timeout` moves no partition. `None`: dynamic membership.
    pub group_instance: Option<String>,
    /// With a name: a partition that no member has owned for so long is given away anew; see `kafka/unowned.rs`.
    pub unowned_for: Duration,
    /// Fetched ahead per partition, at most, in kibibytes. One fetch response may stand above it.
    pub prefetch_kbytes_per_partition: u32,
    /// Fetched ahead per partition, at most, in messages.
    pub prefetch_messages_per_partition: u32,
    /// One partition's share of a fetch response, in bytes. A larger first message is fetched all the same.
    pub partition_fetch_max_bytes: u32,
    /// One fetch response, in bytes.
    pub fetch_max_bytes: u32,
    /// The longest a broker waits for the first byte.
    pub fetch_wait: Duration,
    /// How soon a partition whose prefetch was full is fetched again (librdkafka's own default of 1 s would starve a fast reader).
    pub fetch_backoff: Duration,
    /// A member that has not been heard of for so long is out of the group.
    pub session_timeout: Duration,
    /// A rebalance, recovery included, must be through in this time.
    pub max_poll_interval: Duration,
    /// How long to look for committed offsets and ends of the log before an assigned partition is given up as unreadable. Below
    /// `max_poll_interval`.
    pub lookup_timeout: Duration,
    /// How many partitions are recovered at the same time.
    pub recovery_threads: usize,
    /// Statistics of the client are made so often; `None`: never.
    pub statistics_interval: Option<Duration>,
}

impl ConsumerOptions {
    /// The defaults.
    pub fn new(client: ClientConfig, group: impl Into<String>, topics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        ConsumerOptions {
            client,
            group: group.into(),
            topics: topics.into_iter().map(Into::into).collect(),
            group_instance: None,
            unowned_for: Duration::from_secs(30),
            prefetch_kbytes_per_partition: 8 * 1024,
            prefetch_messages_per_partition: 100_000,
            partition_fetch_max_bytes: 1024 * 1024,
            fetch_max_bytes: 16 * 1024 * 1024,
            fetch_wait: Duration::from_millis(100),
            fetch_backoff: Duration::from_millis(5),
            session_timeout: Duration::from_secs(45),
            max_poll_interval: Duration::from_secs(300),
            lookup_timeout: Duration::from_secs(60),
            recovery_threads: 4,
            statistics_interval: None,
        }
    }

    pub(super) fn native(&self) -> ClientConfig {
        let millis = |duration: Duration| duration.as_millis().to_string();
        let mut config = self.client.clone();
        config
            .set("group.id", &self.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            // Off: reading an end-of-partition event in a batch moves librdkafka's own position one too far (rd_kafka_q_serve_rkmessages
            // adds 1 to its offset as to a message's), and the next rebalance would fetch from beyond the end.
            .set("enable.partition.eof", "false")
            .set("check.crcs", "true")
            .set("queued.max.messages.kbytes", self.prefetch_kbytes_per_partition.to_string())
            .set("queued.min.messages", self.prefetch_messages_per_partition.to_string())
            .set("max.partition.fetch.bytes", self.partition_fetch_max_bytes.to_string())
            .set("fetch.max.bytes", self.fetch_max_bytes.to_string())
            .set("fetch.wait.max.ms", millis(self.fetch_wait))
            .set("fetch.queue.backoff.ms", millis(self.fetch_backoff))
            .set("session.timeout.ms", millis(self.session_timeout))
            .set("max.poll.interval.ms", millis(self.max_poll_interval.max(self.session_timeout)))
            .set("statistics.interval.ms", self.statistics_interval.map_or("0".to_owned(), millis));
        if config.get(METADATA_INTERVAL).is_none() {
            config.set(METADATA_INTERVAL, "30000");
        }
        if let Some(instance) = &self.group_instance {
            config.set(INSTANCE, instance);
        }
        config
    }
}
