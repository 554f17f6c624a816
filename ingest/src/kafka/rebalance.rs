//! Taking partitions over and giving them up, inside librdkafka's rebalance callback.
//!
//! rdkafka's own `rebalance` assigns at once, at the committed offset. Here, in this order, on the group's polling thread:
//!
//! **Assigned**: look up committed offsets and ends of the log; let the handler recover (in parallel); split the partition's queue
//! off; `incremental_assign` with exactly the offset the handler gave; hand the log over. Splitting before assigning means that no
//! message ever takes the way through the main queue. A refused partition is simply left out of `incremental_assign`: it
//! stays with this member in the group's eyes, and nothing is fetched (a paused one would be, once).
//!
//! **Revoked**: let the handler stop its drivers, who may still snapshot and commit (`incremental_unassign` waits for commits
//! that are under way); close the gates, so that no old reader can steal from a later assignment; `incremental_unassign`; only then may the
//! coordinator give the partitions to others. **Lost**: the gates close first, as the partitions may already be read elsewhere.

use std::{
    collections::HashMap,
    ffi::CString,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode},
};
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::{
    AssignedPartition, AssignmentHandler, ConsumerOptions, KafkaError, KafkaPartition, StartAt, TopicPartition, group::GroupClient,
    native_queue::NativeQueue, partition::Gate, rare_log::RareLog,
};

/// One request of a look-up.
const LOOKUP_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts.
const LOOKUP_BACKOFF: Duration = Duration::from_millis(200);

/// What librdkafka calls back into.
pub(super) struct GroupContext {
    handler: Box<dyn AssignmentHandler>,
    lookup_timeout: Duration,
    recovery_threads: usize,
    gates: Mutex<HashMap<TopicPartition, Arc<Gate>>>,
    /// Set once the client exists, which it does not yet when its context is made.
    pub(super) client: OnceLock<Weak<GroupClient>>,
    pub(super) stopping: AtomicBool,
    pub(super) statistics: Mutex<Option<Arc<Statistics>>>,
    commit_log: RareLog,
    error_log: RareLog,
}

/// A partition that was recovered and is about to be assigned.
struct Recovered {
    name: TopicPartition,
    c_topic: CString,
    start: i64,
    gate: Arc<Gate>,
}

impl GroupContext {
    pub(super) fn new(options: &ConsumerOptions, handler: Box<dyn AssignmentHandler>) -> Self {
        GroupContext {
            handler,
            lookup_timeout: options.lookup_timeout,
            recovery_threads: options.recovery_threads.max(1),
            gates: Mutex::default(),
            client: OnceLock::new(),
            stopping: AtomicBool::new(false),
            statistics: Mutex::default(),
            commit_log: RareLog::new(Duration::from_secs(30)),
            error_log: RareLog::new(Duration::from_secs(5)),
        }
    }

    pub(super) fn commit_refused(&self, error: &ClientError) {
        if let Some(held_back) = self.commit_log.due() {
            tracing::warn!(%error, held_back, "offset not committed; it is advisory, the next one stands for it");
        }
    }

    /// An error of the client as a whole.
    pub(super) fn client_failed(&self, error: &KafkaError) {
        if let Some(held_back) = self.error_log.due() {
            tracing::warn!(%error, held_back, "kafka consumer");
        }
        self.handler.failed(error);
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let names = names(partitions);
        let recovered = match self.committed(consumer, &names) {
            Ok(committed) => self.recover(consumer, &names, &committed),
            Err(error) => {
                self.client_failed(&error);
                Vec::new()
            }
        };
        let mut list = TopicPartitionList::with_capacity(recovered.len());
        for one in &recovered {
            if let Err(error) = list.add_partition_offset(&one.name.topic, one.name.partition, Offset::Offset(one.start)) {
                self.client_failed(&KafkaError::Assign(format!("{}: {error}", one.name)));
            }
        }
        if let Err(error) = consumer.incremental_assign(&list) {
            self.client_failed(&KafkaError::Assign(error.to_string()));
            return;
        }
        let Some(client) = self.client.get().and_then(Weak::upgrade) else { return };
        for Recovered { name, c_topic, start, gate } in recovered {
            self.gates.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), gate.clone());
            tracing::info!(partition = %name, start, "partition taken over");
            self.handler.start(KafkaPartition::new(name, c_topic, start, gate, client.clone()));
        }
    }

    /// Recovers all partitions, a few at a time. Those that are refused or cannot be looked up are missing in the result.
    fn recover(&self, consumer: &BaseConsumer<Self>, names: &[TopicPartition], committed: &HashMap<TopicPartition, i64>) -> Vec<Recovered> {
        let next = AtomicUsize::new(0);
        let recovered = Mutex::new(Vec::with_capacity(names.len()));
        let work = || {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.recover_one(consumer, name, committed.get(name).copied()) {
                    Ok(Some(one)) => recovered.lock().unwrap_or_else(PoisonError::into_inner).push(one),
                    Ok(None) => tracing::error!(partition = %name, "partition refused: it is not read until somebody acts"),
                    Err(error) => self.client_failed(&error),
                }
            }
        };
        let helpers = self.recovery_threads.min(names.len()).saturating_sub(1);
        thread::scope(|scope| {
            for _ in 0..helpers {
                // Without a helper this thread does its work too.
                if let Err(error) = thread::Builder::new().name("kafka-recovery".to_owned()).spawn_scoped(scope, work) {
                    tracing::warn!(%error, "recovery goes on with fewer threads");
                }
            }
            work();
        });
        recovered.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn recover_one(
        &self,
        consumer: &BaseConsumer<Self>,
        name: &TopicPartition,
        committed: Option<i64>,
    ) -> Result<Option<Recovered>, KafkaError> {
        let ends = || consumer.fetch_watermarks(&name.topic, name.partition, LOOKUP_REQUEST_TIMEOUT);
        let (log_start, log_end) = self.look_up(name, ends)?;
        let assigned = AssignedPartition { name: name.clone(), committed, log_start, log_end };
        let StartAt::Offset(start) = self.handler.assigned(&assigned) else { return Ok(None) };
        let c_topic = CString::new(&*name.topic).map_err(|error| KafkaError::Assign(format!("{name}: {error}")))?;
        let Some(queue) = NativeQueue::split(consumer.client(), &c_topic, name.partition) else {
            return Err(KafkaError::Assign(format!("{name}: the client has no queue for it")));
        };
        Ok(Some(Recovered { name: name.clone(), c_topic, start, gate: Arc::new(Gate::new(queue)) }))
    }

    fn committed(&self, consumer: &BaseConsumer<Self>, names: &[TopicPartition]) -> Result<HashMap<TopicPartition, i64>, KafkaError> {
        let Some(first) = names.first() else { return Ok(HashMap::new()) };
        let found = self.look_up(first, || {
            let mut list = TopicPartitionList::with_capacity(names.len());
            for name in names {
                list.add_partition(&name.topic, name.partition);
            }
            let list = consumer.committed_offsets(list, LOOKUP_REQUEST_TIMEOUT)?;
            for element in list.elements() {
                element.error()?;
            }
            Ok(list)
        })?;
        let known = found.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((TopicPartition { topic: element.topic().into(), partition: element.partition() }, offset)),
            _ => None,
        });
        Ok(known.collect())
    }

    /// Asks until there is an answer, the consumer is being closed, or time is up.
    fn look_up<T>(&self, name: &TopicPartition, ask: impl Fn() -> KafkaResult<T>) -> Result<T, KafkaError> {
        let begun = Instant::now();
        loop {
            let error = match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if begun.elapsed() >= self.lookup_timeout || self.stopping.load(Ordering::SeqCst) {
                return Err(KafkaError::Lookup {
                    topic: name.topic.to_string(),
                    partition: name.partition,
                    timeout: self.lookup_timeout,
                    reason: error.to_string(),
                });
            }
            thread::sleep(LOOKUP_BACKOFF);
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let names = names(partitions);
        let lost = consumer.assignment_lost();
        tracing::info!(partitions = names.len(), lost, "partitions given up");
        if lost {
            self.close_gates(&names);
        }
        self.handler.revoked(&names, lost);
        let started = self.close_gates(&names);
        let mut list = TopicPartitionList::with_capacity(started.len());
        for name in &started {
            list.add_partition(&name.topic, name.partition);
        }
        self.forget(&started);
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::warn!(%error, "giving up the whole assignment instead");
            if let Err(error) = consumer.unassign() {
                self.client_failed(&KafkaError::Assign(error.to_string()));
            }
        }
    }

    /// Closes the gates of those that were started, and says which these are.
    fn close_gates(&self, names: &[TopicPartition]) -> Vec<TopicPartition> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let started = names.iter().filter(|name| {
            gates.get(name).is_some_and(|gate| {
                gate.close();
                true
            })
        });
        started.cloned().collect()
    }

    fn forget(&self, names: &[TopicPartition]) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            gates.remove(name);
        }
    }

    /// Nothing may be read any more: the client is going away.
    pub(super) fn close_all(&self) {
        for (_, gate) in self.gates.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            gate.close();
        }
    }
}

fn names(partitions: &TopicPartitionList) -> Vec<TopicPartition> {
    let name = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| TopicPartition {
        topic: element.topic().into(),
        partition: element.partition(),
    };
    partitions.elements().into_iter().map(name).collect()
}

impl ConsumerContext for GroupContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: Code, partitions: &mut TopicPartitionList) {
        match event {
            Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, partitions),
            _ => self.revoke(consumer, partitions),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            Ok(()) | Err(ClientError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => self.commit_refused(&error),
        }
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Debug => tracing::debug!(facility, "librdkafka: {text}"),
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => tracing::info!(facility, "librdkafka: {text}"),
            // Even its worst lines are about connections that come back; what needs a person comes as an error.
            _ => tracing::warn!(facility, "librdkafka: {text}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(statistics));
    }
}
