//! Owner of one stage's partitions: recovers them when the group gives them, drives each on a thread of its own, ends them in order when
//! they are taken away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ingest::kafka::{AssignedPartition, AssignmentHandler, KafkaError, KafkaPartition, StartAt, TopicPartition};
use object_store::ObjectStore;
use runtime::io::{Clock, Outbox, TableSink};
use runtime::object_snapshots::{ObjectSnapshots, SnapshotPlace};
use runtime::snapshot_watch::{SnapshotFigures, SnapshotWatch};
use runtime::status::StatusCell;
use runtime::{Driver, DriverOptions, DriverState, Stage, StageError};
use tokio::runtime::Handle;

use crate::stages::{StageFactory, recover};

/// What every driver of a stage shares.
pub struct Surroundings {
    /// Makes the stages.
    pub factory: Box<dyn StageFactory>,
    /// Makes a driver's outbox.
    pub outbox: Box<dyn Fn() -> Box<dyn Outbox> + Send + Sync>,
    /// Makes a driver's way to the tables.
    pub tables: Box<dyn Fn() -> Box<dyn TableSink> + Send + Sync>,
    /// Snapshots.
    pub store: Arc<dyn ObjectStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For I/O.
    pub handle: Handle,
    /// Pace.
    pub options: DriverOptions,
    /// The cluster's identity.
    pub log_id: String,
    /// Partitions of the stage's log when this instance started.
    pub partitions: i32,
    /// Time to end in order.
    pub grace: Duration,
}

/// A recovered partition whose log is not open yet.
struct Recovered {
    stage: Box<dyn Stage>,
    store: ObjectSnapshots,
}

struct Running {
    stop: Arc<AtomicBool>,
    abandoned: Arc<AtomicBool>,
    status: StatusCell,
    snapshots: SnapshotWatch,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    recovered: HashMap<TopicPartition, Recovered>,
    running: HashMap<TopicPartition, Running>,
    /// Partitions that a person must look at, with the reason.
    refused: HashMap<TopicPartition, String>,
    /// The consumer's own trouble.
    trouble: Option<String>,
    /// The consumer is broken for good.
    broken: Option<String>,
}

/// See the module's documentation.
#[derive(Clone)]
pub struct Partitions {
    around: Arc<Surroundings>,
    state: Arc<Mutex<State>>,
}

/// One partition's condition, for health and metrics.
#[derive(Clone, Debug)]
pub struct PartitionReport {
    /// `meter` or `monitor`.
    pub stage: &'static str,
    /// Which partition.
    pub name: TopicPartition,
    /// Its driver's condition; `None` when it was refused.
    pub status: Option<runtime::DriverStatus>,
    /// What its snapshots are doing.
    pub snapshots: SnapshotFigures,
    /// Why a person must look at it.
    pub refused: Option<String>,
}

impl Partitions {
    /// Owner of no partition yet.
    pub fn new(around: Surroundings) -> Self {
        Partitions { around: Arc::new(around), state: Arc::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The condition of every partition.
    pub fn report(&self) -> Vec<PartitionReport> {
        let state = self.state();
        let stage = self.around.factory.name();
        let running = state.running.iter().map(|(name, running)| PartitionReport {
            stage,
            name: name.clone(),
            status: Some(running.status.get()),
            snapshots: running.snapshots.get(),
            refused: None,
        });
        let refused = state.refused.iter().map(|(name, reason)| PartitionReport {
            stage,
            name: name.clone(),
            status: None,
            snapshots: SnapshotFigures::default(),
            refused: Some(reason.clone()),
        });
        let mut reports: Vec<PartitionReport> = running.chain(refused).collect();
        reports.sort_by(|a, b| a.name.cmp(&b.name));
        reports
    }

    /// Why the consumer is broken for good, if it is: only another one helps.
    pub fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// The consumer's own trouble, if it has any.
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    fn snapshots(&self, name: &TopicPartition) -> ObjectSnapshots {
        let around = &self.around;
        let place = SnapshotPlace {
            stage: around.factory.name().to_owned(),
            topic: name.topic.to_string(),
            partition: name.partition,
            log_id: around.log_id.clone(),
            rules: around.factory.rules(),
        };
        ObjectSnapshots::new(Arc::clone(&around.store), place, Arc::clone(&around.clock), around.handle.clone())
    }

    fn recover(&self, partition: &AssignedPartition) -> Result<(Recovered, i64), StageError> {
        let mut store = self.snapshots(&partition.name);
        let around = &self.around;
        // One that was added since the start.
        let partitions = around.partitions.max(partition.name.partition + 1);
        let (stage, offset) = recover(&*around.factory, &mut store, partition, partitions, &around.log_id)?;
        Ok((Recovered { stage, store }, offset))
    }

    fn spawn(&self, recovered: Recovered, log: KafkaPartition, name: &TopicPartition) -> std::io::Result<Running> {
        let around = Arc::clone(&self.around);
        let snapshots = recovered.store.watch();
        let driver = Driver::new(
            recovered.stage,
            Box::new(log),
            (around.outbox)(),
            (around.tables)(),
            Box::new(recovered.store),
            Arc::clone(&around.clock),
            around.options.clone(),
        );
        let (stop, abandoned, status) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)), driver.status());
        let (stopped, given_up, shown, stage) = (Arc::clone(&stop), Arc::clone(&abandoned), name.clone(), around.factory.name());
        let thread = std::thread::Builder::new().name(format!("{stage}-{}", name.partition)).spawn(move || {
            let grace = || if given_up.load(Ordering::SeqCst) { Duration::ZERO } else { around.grace };
            match driver.run(&stopped, &grace) {
                Ok(()) => tracing::info!(stage, partition = %shown, "ended in order"),
                Err(_) if given_up.load(Ordering::SeqCst) => tracing::info!(stage, partition = %shown, "given up"),
                Err(error) => tracing::error!(stage, partition = %shown, %error, "partition stopped"),
            }
        })?;
        Ok(Running { stop, abandoned, status, snapshots, thread: Some(thread) })
    }
}

impl AssignmentHandler for Partitions {
    fn assigned(&self, partition: &AssignedPartition) -> StartAt {
        match self.recover(partition) {
            Ok((recovered, offset)) => {
                self.state().recovered.insert(partition.name.clone(), recovered);
                StartAt::Offset(offset)
            }
            Err(error) => {
                tracing::error!(stage = self.around.factory.name(), partition = %partition.name, %error, "partition refused");
                self.state().refused.insert(partition.name.clone(), error.to_string());
                StartAt::Refused
            }
        }
    }

    fn start(&self, log: KafkaPartition) {
        let name = log.name().clone();
        let Some(recovered) = self.state().recovered.remove(&name) else { return };
        match self.spawn(recovered, log, &name) {
            Ok(running) => {
                self.state().running.insert(name, running);
            }
            Err(error) => {
                tracing::error!(partition = %name, %error, "no thread for the partition");
                self.state().refused.insert(name, format!("CR-1009: no thread can be started: {error}"));
            }
        }
    }

    fn revoked(&self, partitions: &[TopicPartition], lost: bool) {
        let mut ending = Vec::new();
        {
            let mut state = self.state();
            for name in partitions {
                state.refused.remove(name);
                state.recovered.remove(name);
                if let Some(running) = state.running.remove(name) {
                    running.abandoned.store(lost, Ordering::SeqCst);
                    running.stop.store(true, Ordering::SeqCst);
                    ending.push(running);
                }
            }
        }
        // All of them within one deadline: the group waits.
        let deadline = Instant::now() + if lost { Duration::from_millis(200) } else { self.around.grace };
        for running in &mut ending {
            while running.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            running.abandoned.store(true, Ordering::SeqCst);
        }
    }

    fn failed(&self, error: &KafkaError) {
        let lasting = !matches!(error, KafkaError::Transient(_));
        if lasting {
            tracing::error!(stage = self.around.factory.name(), %error, "kafka consumer failed");
        } else {
            tracing::warn!(stage = self.around.factory.name(), %error, "kafka consumer in trouble");
        }
        let mut state = self.state();
        state.trouble = lasting.then(|| error.to_string());
        if error.needs_another_client() {
            state.broken = Some(error.to_string());
        }
    }
}

impl PartitionReport {
    /// Is a person needed?
    pub fn is_failed(&self) -> Option<String> {
        match (&self.refused, &self.status) {
            (Some(reason), _) => Some(reason.clone()),
            (None, Some(status)) => match &status.state {
                DriverState::Failed(reason) => Some(reason.clone()),
                _ => None,
            },
            (None, None) => None,
        }
    }
}
