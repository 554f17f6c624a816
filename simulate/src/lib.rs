//! The pipeline's own stages and runtime, unchanged, over a simulated Kafka, ClickHouse and object store, with faults at every call.
//!
//! A run is a function of its seed: one thread, one source of choices, no real time. Processes die before, within and after I/O calls, calls
//! fail or lie about failing, queues are full, writes are torn, partitions change hands in order, suddenly, or without their owner knowing (it goes
//! on as a zombie), the wall clock jumps. Invariants are looked at with every record and row; at the end, all views and accounts must equal the
//! independent recount of `audit`, and alerts, budgets and dead letters those of a run without faults.
//!
//! Limits: what is simulated ends at the interfaces of `runtime` (and the object store's): librdkafka, the HTTP client and the real servers are
//! in `tests/`. The schema registry and rows per event are left out.

pub mod dice;
pub mod fault;
mod objects;
mod parts;
mod process;
mod row_reader;
mod run;
mod tables;
mod workload;
mod world;

use std::collections::BTreeMap;

pub use run::{Counts, Left, run};
pub use workload::{Factories, SetUpError, Workload};

use fault::Plan;

/// Different workloads among the seeds.
const WORKLOADS: u64 = 8;
/// Messages of such a workload, and partitions that they are on.
const MESSAGES: (u64, usize) = (150, 3);
/// The small workload that is run once for each crash point: its number, messages and partitions.
const SWEPT: (u64, u64, usize) = (1000, 30, 2);

/// Runs many seeds; keeps the quiet run of each workload to compare with.
pub struct Simulator {
    factories: Factories,
    workloads: BTreeMap<u64, (Workload, Left)>,
}

impl Simulator {
    /// With nothing run yet.
    ///
    /// # Errors
    /// The built-in rules cannot be read.
    pub fn new() -> Result<Self, SetUpError> {
        Ok(Simulator { factories: Factories::new()?, workloads: BTreeMap::new() })
    }

    /// One seed under chaos.
    ///
    /// # Errors
    /// What is wrong; the text names the seed that repeats it.
    pub fn chaos(&mut self, seed: u64) -> Result<Counts, String> {
        self.run((seed % WORKLOADS, MESSAGES.0, MESSAGES.1), seed, Plan::Chaos).map_err(|text| format!("seed {seed}: {text}"))
    }

    /// A crash at each of these points of I/O, on a small workload.
    ///
    /// # Errors
    /// What is wrong; the text names the points.
    pub fn crash_at(&mut self, points: &[u64]) -> Result<Counts, String> {
        let plan = Plan::CrashAt(points.iter().copied().collect());
        self.run(SWEPT, 0, plan).map_err(|text| format!("crash at points {points:?}: {text}"))
    }

    /// I/O calls of an undisturbed run of that workload: crash points are twice as many.
    ///
    /// # Errors
    /// What is wrong with that run.
    pub fn calls(&mut self) -> Result<u64, String> {
        self.run(SWEPT, 0, Plan::CrashAt([].into())).map(|counts| counts.calls)
    }

    fn run(&mut self, (workload, messages, partitions): (u64, u64, usize), seed: u64, plan: Plan) -> Result<Counts, String> {
        if !self.workloads.contains_key(&workload) {
            let made = Workload::generate(workload, messages, partitions).map_err(|error| error.to_string())?;
            let (quiet, _) = run(&made, &self.factories, workload, Plan::Calm)?;
            self.workloads.insert(workload, (made, quiet));
        }
        let Some((workload, quiet)) = self.workloads.get(&workload) else { return Err("no workload".to_owned()) };
        let (left, counts) = run(workload, &self.factories, seed, plan)?;
        if left.alerts != quiet.alerts {
            let (missing, extra) = (quiet.alerts.difference(&left.alerts).next(), left.alerts.difference(&quiet.alerts).next());
            return Err(format!("alerts differ from those of a quiet run: missing {missing:?}, extra {extra:?}"));
        }
        if left.budgets != quiet.budgets {
            return Err(format!("budgets differ from those of a quiet run: {:?}", differing(&left.budgets, &quiet.budgets)));
        }
        if left.usage_events != quiet.usage_events {
            return Err(format!(
                "rows of events differ from those of a quiet run: {:?}",
                differing(&left.usage_events, &quiet.usage_events)
            ));
        }
        if left.hours != quiet.hours {
            return Err(format!(
                "the rhythm differs from that of a quiet run: {} rows, {}, {:?}",
                left.hours.len(),
                quiet.hours.len(),
                differing(&left.hours, &quiet.hours)
            ));
        }
        Ok(counts)
    }
}

/// A row that a quiet run has not, or has otherwise.
fn differing<'a, K: Ord>(left: &'a BTreeMap<K, String>, quiet: &BTreeMap<K, String>) -> Option<(&'a K, &'a String)> {
    left.iter().find(|(key, text)| quiet.get(*key) != Some(*text))
}
