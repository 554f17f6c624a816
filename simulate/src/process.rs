//! A process of the service: its drivers, its tasks, its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cost_rhythm::stages::{StageFactory, recover};
use ingest::kafka::{AssignedPartition, TopicPartition};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use runtime::object_snapshots::{ObjectSnapshots, SnapshotPlace};
use runtime::status::StatusCell;
use runtime::{Driver, DriverOptions};
use tokio::runtime::Builder;

use crate::objects::SimObjects;
use crate::parts::{SimClock, SimLog, SimOutbox, SimTables};
use crate::workload::Factories;
use crate::world::{Input, ProcessId, Shared};

const LOG_ID: &str = "simulated";

/// A partition and its driver.
pub(crate) struct Owned {
    /// Which log.
    pub(crate) input: Input,
    /// Which partition.
    pub(crate) partition: i32,
    /// Set when the process is told that the partition is another's.
    pub(crate) lost: Arc<AtomicBool>,
    /// Its driver.
    pub(crate) driver: Driver,
    /// What it says of itself.
    pub(crate) status: StatusCell,
}

/// See the module's documentation.
pub(crate) struct Process {
    /// Its number.
    pub(crate) id: ProcessId,
    /// Its clock and tasks.
    pub(crate) clock: Arc<SimClock>,
    /// Its partitions; a zombie holds some that have another owner by now.
    pub(crate) owned: Vec<Owned>,
    world: Shared,
    objects: Arc<dyn ObjectStore>,
}

impl Process {
    /// A new one without partitions.
    ///
    /// # Errors
    /// The system gives no runtime.
    pub(crate) fn start(world: &Shared, store: &Arc<InMemory>) -> std::io::Result<Self> {
        let id = world.lock().start_process();
        let tasks = Arc::new(Builder::new_current_thread().enable_time().start_paused(true).build()?);
        let clock = Arc::new(SimClock { world: world.clone(), tasks });
        let objects = Arc::new(SimObjects { store: Arc::clone(store), world: world.clone(), process: id });
        Ok(Process { id, clock, owned: Vec::new(), world: world.clone(), objects })
    }

    /// Does it own this partition, as far as it knows?
    pub(crate) fn owns(&self, input: Input, partition: i32) -> bool {
        self.owned.iter().any(|owned| (owned.input, owned.partition) == (input, partition))
    }

    /// Recovers a partition and begins to drive it, as the service does when its group gives it one.
    ///
    /// # Errors
    /// Why it cannot: the store does not answer, or the partition is refused.
    pub(crate) fn assign(&mut self, factories: &Factories, input: Input, partition: i32) -> Result<(), String> {
        let (factory, topic): (&Arc<dyn StageFactory>, _) = match input {
            Input::Events => (&factories.meter, "usage-events"),
            Input::Partials => (&factories.monitor, "rollup-partials"),
        };
        let (log_end, partitions, committed, owner) = {
            let mut world = self.world.lock();
            world.owners += 1;
            let partitions = match input {
                Input::Events => world.events.len(),
                Input::Partials => world.partials.len(),
            };
            (
                world.log(input, partition).len() as i64,
                partitions as i32,
                world.committed.get(&(input, partition)).copied(),
                // In no order, as random ones are.
                (world.owners ^ (world.owners >> 2)).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            )
        };
        let place = SnapshotPlace {
            stage: factory.name().to_owned(),
            topic: topic.to_owned(),
            partition,
            log_id: LOG_ID.to_owned(),
            rules: factory.rules(),
        };
        let handle = self.clock.tasks.handle().clone();
        let mut store = ObjectSnapshots::new(Arc::clone(&self.objects), place, self.clock.clone(), handle).owned_by(owner);
        let name = TopicPartition { topic: topic.into(), partition };
        let assigned = AssignedPartition { name, committed, log_start: 0, log_end };
        let recovered = recover(&**factory, &mut store, &assigned, partitions, LOG_ID);
        let (stage, position) = recovered.map_err(|error| error.to_string())?;
        let lost = Arc::new(AtomicBool::new(false));
        let (outbox, sink) = {
            let mut world = self.world.lock();
            (world.open_outbox(self.id), world.open_sink(self.id))
        };
        let (world, process) = (self.world.clone(), self.id);
        let log = SimLog { world: world.clone(), process, input, partition, position, lost: Arc::clone(&lost) };
        let options = DriverOptions { batch: 16, snapshot_interval: Duration::from_millis(400), ..DriverOptions::default() };
        let driver = Driver::new(
            stage,
            Box::new(log),
            Box::new(SimOutbox { world: world.clone(), process, outbox }),
            Box::new(SimTables { world, process, sink }),
            Box::new(store),
            self.clock.clone(),
            options,
        );
        let status = driver.status();
        self.owned.push(Owned { input, partition, lost, driver, status });
        Ok(())
    }

    /// One turn of a driver's loop; one that ends is gone.
    pub(crate) fn step(&mut self, at: usize) {
        if self.owned[at].driver.step().is_err() {
            self.owned.swap_remove(at);
        }
    }

    /// Tells it that a partition is another's now.
    pub(crate) fn lose(&mut self, input: Input, partition: i32) {
        for owned in self.owned.iter().filter(|owned| (owned.input, owned.partition) == (input, partition)) {
            owned.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Ends a partition in order.
    ///
    /// # Errors
    /// What was not done in time.
    pub(crate) fn finish(&mut self, at: usize, grace: Duration) -> Result<(), String> {
        self.owned.swap_remove(at).driver.finish(grace).map_err(|error| error.to_string())
    }
}
