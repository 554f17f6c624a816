//! The consumer of one process and stage: its client, its polling thread, its end.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Statistics,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError as ClientError,
};

use super::{AssignmentHandler, ConsumerOptions, KafkaError, reach::Reach, rebalance::GroupContext, unowned};

/// How long the main queue is waited on; bounds how late a wish to stop is seen.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// A group that cannot be left in this time is left without a goodbye: the session timeout then does it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The client, shared by the polling thread and the partitions.
pub(super) struct GroupClient {
    /// `None` only while dropping.
    consumer: Option<BaseConsumer<GroupContext>>,
}

impl std::fmt::Debug for GroupClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupClient")
    }
}

impl GroupClient {
    #[allow(clippy::expect_used, reason = "taken out only by drop")]
    pub(super) fn consumer(&self) -> &BaseConsumer<GroupContext> {
        self.consumer.as_ref().expect("present until dropped")
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.consumer().context().stopping.load(Ordering::SeqCst)
    }
}

impl Drop for GroupClient {
    /// Destroying a client waits for its threads, for as long as these wait for a broker. The last owner may be a worker in the
    /// middle of its work: so it is done elsewhere.
    fn drop(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        consumer.context().close_all();
        if let Err(error) = thread::Builder::new().name("kafka-reaper".to_owned()).spawn(move || drop(consumer)) {
            tracing::warn!(%error, "kafka client destroyed in place");
        }
    }
}

/// A member of a consumer group.
pub struct GroupConsumer;

impl GroupConsumer {
    /// Joins the group. The handler's calls come from the consumer's own threads from now on.
    ///
    /// # Errors
    /// A setting that librdkafka refuses, or a thread that cannot be started. Brokers that cannot be reached are not an error
    /// here: they are told to the handler and waited for.
    pub fn start(options: ConsumerOptions, assignments: impl AssignmentHandler) -> Result<ConsumerHandle, KafkaError> {
        let context = GroupContext::new(&options, Box::new(assignments));
        let consumer: BaseConsumer<GroupContext> = options.native().create_with_context(context).map_err(KafkaError::Client)?;
        let client = Arc::new(GroupClient { consumer: Some(consumer) });
        let context = client.consumer().context().clone();
        // Cannot fail: the context was made above.
        let _ = context.client.set(Arc::downgrade(&client));

        let topics: Vec<&str> = options.topics.iter().map(String::as_str).collect();
        let refused = |error: ClientError| KafkaError::Subscribe { topics: topics.join(", "), reason: error.to_string() };
        client.consumer().subscribe(&topics).map_err(refused)?;

        let topic = options.topics.first().cloned().unwrap_or_default();
        let brokers = options.client.get("bootstrap.servers").unwrap_or_default().to_owned();
        let member = Arc::downgrade(&client);
        let living = move || member.upgrade().filter(|client| !client.is_stopping());
        let reach = Reach::of(format!("consumer of {}", options.group), living, |client| client.consumer().client(), topic, brokers);
        let failed = |error: std::io::Error| KafkaError::Thread(error.to_string());
        if options.group_instance.is_some() {
            let watched = Arc::downgrade(&client);
            thread::Builder::new().name("kafka-unowned".to_owned()).spawn(move || unowned::watch(watched, &options)).map_err(failed)?;
        }
        let (ended, end) = sync_channel(1);
        let thread = thread::Builder::new().name("kafka-group".to_owned());
        let spawned = thread.spawn(move || poll_until_stopped(client, &ended));
        spawned.map_err(failed)?;
        Ok(ConsumerHandle { context, end, reach: Arc::new(reach) })
    }
}

/// A running consumer. Dropping it stops the consumer without waiting.
pub struct ConsumerHandle {
    context: Arc<GroupContext>,
    end: Receiver<()>,
    reach: Arc<Reach>,
}

impl ConsumerHandle {
    /// Gives all partitions up in an orderly way (the handler's `revoked` is called), leaves the group and waits for that, up to
    /// `deadline`. Partitions still held are [`runtime::io::IoError::Lost`] afterwards.
    ///
    /// # Errors
    /// [`KafkaError::CloseTimeout`]; the consumer goes on closing in the background, which does not keep the process alive.
    pub fn close(self, deadline: Duration) -> Result<(), KafkaError> {
        self.context.stopping.store(true, Ordering::SeqCst);
        match self.end.recv_timeout(deadline) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(KafkaError::CloseTimeout(deadline)),
            Err(RecvTimeoutError::Disconnected) => Err(KafkaError::Thread("the polling thread has panicked".to_owned())),
        }
    }

    /// Whether its client reaches the brokers, for a watchdog. Does not keep the client alive.
    pub fn reach(&self) -> Arc<Reach> {
        Arc::clone(&self.reach)
    }

    /// The client's last statistics, if they are switched on.
    pub fn statistics(&self) -> Option<Arc<Statistics>> {
        self.context.statistics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ConsumerHandle {
    fn drop(&mut self) {
        self.context.stopping.store(true, Ordering::SeqCst);
    }
}

fn poll_until_stopped(client: Arc<GroupClient>, ended: &SyncSender<()>) {
    let consumer = client.consumer();
    let context = consumer.context().clone();
    while !client.is_stopping() {
        serve(consumer, POLL_WAIT);
    }
    leave(consumer);
    context.close_all();
    drop(client);
    // Nobody may be waiting any more.
    let _ = ended.try_send(());
}

/// Leaves the group; rebalance callbacks come once more.
fn leave(consumer: &BaseConsumer<GroupContext>) {
    if let Err(error) = consumer.close_queue() {
        tracing::warn!(%error, "kafka group left without a goodbye");
        return;
    }
    let begun = Instant::now();
    while !consumer.closed() && begun.elapsed() < LEAVE_TIMEOUT {
        serve(consumer, Duration::from_millis(20));
    }
}

/// Serves the main queue once.
fn serve(consumer: &BaseConsumer<GroupContext>, wait: Duration) {
    match consumer.poll(wait) {
        None => {}
        // All partitions have queues of their own.
        Some(Ok(stray)) => {
            use rdkafka::Message;
            let error = KafkaError::Fatal(format!("a message of {}[{}] came through the main queue", stray.topic(), stray.partition()));
            consumer.context().client_failed(&error);
        }
        Some(Err(ClientError::PartitionEOF(_))) => {}
        Some(Err(error)) => {
            let fatal = consumer.client().fatal_error();
            let error = match fatal {
                Some((code, text)) => KafkaError::Fatal(format!("{code}: {text}")),
                None => KafkaError::Transient(error.to_string()),
            };
            consumer.context().client_failed(&error);
        }
    }
}
