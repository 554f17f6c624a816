//! One run: processes come, go, die and live on as zombies over a world that gets in their way, until everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use schemas::timestamp::{DAY_US, HOUR_US};

use crate::dice::Dice;
use crate::fault::{Faults, Plan};
use crate::process::Process;
use crate::workload::{Factories, SHARDS, Workload};
use crate::world::{Input, Shared, World};

/// Turns with faults, by the messages of the workload.
const TURNS_PER_MESSAGE: usize = 25;
/// Rounds without change after which everything is at rest.
const ROUNDS_OF_REST: usize = 60;
/// Rounds until then, at most.
const ROUNDS: usize = 20_000;
const GRACE: Duration = Duration::from_secs(20);

/// What a run left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Id, level and state of every alert.
    pub alerts: BTreeSet<(String, String, String)>,
    /// Budget rows by budget, scope and start.
    pub budgets: BTreeMap<(String, String, u32), String>,
    /// Rows of rhythms, projections and anomalies by what they are about and their hour.
    pub hours: BTreeMap<(String, u32), String>,
    /// Rows of counted events by partition and offset.
    pub usage_events: BTreeMap<(i32, i64), String>,
    /// Partition, offset and reason of every dead letter.
    pub dead_letters: BTreeSet<(i32, i64, String)>,
}

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// I/O calls that a fault could have hit.
    pub calls: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Calls that failed, or lied about failing.
    pub failures: u64,
    /// Partitions that changed hands, orderly or not.
    pub moves: u64,
    /// Owners that went on after losing a partition.
    pub zombies: u64,
}

/// A run in progress.
struct Run<'a> {
    world: Shared,
    store: Arc<InMemory>,
    factories: &'a Factories,
    processes: Vec<Process>,
    owners: BTreeMap<(Input, i32), Option<usize>>,
    counts: Counts,
    refused: Option<String>,
}

/// Runs a workload under a plan and checks all but what needs another run to compare with.
///
/// # Errors
/// What is wrong, in words; the caller knows the seed.
pub fn run(workload: &Workload, factories: &Factories, seed: u64, plan: Plan) -> Result<(Left, Counts), String> {
    // Faults end when most of the work is done.
    let turns = TURNS_PER_MESSAGE * workload.messages();
    let world = World::new(Dice::new(seed), Faults::new(plan), workload.end_us + HOUR_US, workload.events.clone(), SHARDS);
    let inputs = (0..workload.events.len() as i32).map(|partition| (Input::Events, partition));
    let owners = inputs.chain((0..SHARDS as i32).map(|shard| (Input::Partials, shard))).map(|key| (key, None)).collect();
    let mut run = Run {
        world: Shared::new(world),
        store: Arc::new(InMemory::new()),
        factories,
        processes: Vec::new(),
        owners,
        counts: Counts::default(),
        refused: None,
    };
    for _ in 0..turns {
        run.turn()?;
    }
    run.end_chaos();
    run.come_to_rest(Duration::from_millis(20))?;
    // Everything closes, so that nothing waits to be judged: the partitions have been silent for long, much later.
    run.world.lock().now_us += 60 * DAY_US;
    run.come_to_rest(Duration::from_secs(2))?;
    let calls = run.world.lock().faults.calls;
    run.world.lock().faults.end();
    run.finish()?;
    let left = run.check(workload)?;
    let faults = &run.world.lock().faults;
    Ok((left, Counts { calls, crashes: run.counts.crashes + faults.crashes, failures: faults.failures, ..run.counts }))
}

impl Run<'_> {
    fn turn(&mut self) -> Result<(), String> {
        let (choice, is_chaos) = {
            let mut world = self.world.lock();
            let passed = Duration::from_millis(1 + world.dice.below(15) as u64);
            world.monotonic += passed;
            world.now_us += passed.as_micros() as i64;
            (world.dice.below(1000), world.faults.is_chaos())
        };
        self.bury();
        self.assign()?;
        match choice {
            0..=9 if is_chaos => self.disturb()?,
            0..=120 => {
                let process = self.choose(self.processes.len());
                self.processes[process].clock.run_tasks();
            }
            121..=350 => self.world.lock().progress(),
            _ => self.step(),
        }
        Ok(())
    }

    fn choose(&self, among: usize) -> usize {
        self.world.lock().dice.below(among)
    }

    fn step(&mut self) {
        let process = self.choose(self.processes.len());
        let owned = self.processes[process].owned.len();
        if owned > 0 {
            let at = self.choose(owned);
            self.processes[process].step(at);
        }
    }

    /// Dead processes are gone, and with them what only they knew.
    fn bury(&mut self) {
        let world = self.world.clone();
        self.processes.retain(|process| world.lock().is_alive(process.id));
        for ((input, partition), owner) in &mut self.owners {
            let still_owns = |id: usize| self.processes.iter().any(|process| process.id == id && process.owns(*input, *partition));
            *owner = owner.filter(|id| still_owns(*id));
        }
    }

    /// Gives partitions without an owner to somebody.
    fn assign(&mut self) -> Result<(), String> {
        if self.processes.is_empty() {
            self.start()?;
        }
        let free: Vec<(Input, i32)> = self.owners.iter().filter(|(_, owner)| owner.is_none()).map(|(key, _)| *key).collect();
        for key in free {
            let process = self.choose(self.processes.len());
            self.give(key, process);
        }
        Ok(())
    }

    fn give(&mut self, (input, partition): (Input, i32), process: usize) {
        // A process that held it as a zombie is told before it gets it again.
        self.processes[process].owned.retain(|owned| (owned.input, owned.partition) != (input, partition));
        let taker = &mut self.processes[process];
        match taker.assign(self.factories, input, partition) {
            Ok(()) => {
                self.owners.insert((input, partition), Some(taker.id));
            }
            // Tried again later. What a person would have to look at stays, and shows as a run that does not come to rest.
            Err(reason) => self.refused = Some(reason),
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let process = Process::start(&self.world, &self.store).map_err(|error| error.to_string())?;
        self.processes.push(process);
        Ok(())
    }

    /// Something that is nobody's I/O call.
    fn disturb(&mut self) -> Result<(), String> {
        match self.choose(7) {
            0 if self.processes.len() < 3 => self.start()?,
            1 => {
                let process = self.choose(self.processes.len());
                let id = self.processes[process].id;
                self.world.lock().kill(id);
                self.counts.crashes += 1;
            }
            2 => {
                let mut world = self.world.lock();
                let jump = world.dice.below(3 * HOUR_US as usize) as i64 - HOUR_US;
                world.now_us += jump;
            }
            _ => self.hand_over()?,
        }
        Ok(())
    }

    /// A rebalance: a partition goes from its owner to another process, in order, suddenly, or without the owner knowing.
    fn hand_over(&mut self) -> Result<(), String> {
        if self.processes.len() < 2 {
            return self.start();
        }
        let owned: Vec<_> = self.owners.iter().filter_map(|(key, owner)| owner.map(|owner| (*key, owner))).collect();
        if owned.is_empty() {
            return Ok(());
        }
        let (key, owner) = owned[self.choose(owned.len())];
        let Some(from) = self.processes.iter().position(|process| process.id == owner) else { return Ok(()) };
        let to = (from + 1 + self.choose(self.processes.len() - 1)) % self.processes.len();
        let at = self.processes[from].owned.iter().position(|owned| (owned.input, owned.partition) == key);
        self.counts.moves += 1;
        match (self.choose(3), at) {
            // In order, unless something gets in the way.
            (0, Some(at)) => drop(self.processes[from].finish(at, GRACE)),
            // Told, and gone at its next poll.
            (1, _) => self.processes[from].lose(key.0, key.1),
            // Not told: it goes on until it dies or the faults end.
            _ => self.counts.zombies += 1,
        }
        if self.world.lock().is_alive(self.processes[to].id) {
            self.give(key, to);
        }
        Ok(())
    }

    /// Chaos ends; a planned crash may still come.
    fn end_chaos(&mut self) {
        self.world.lock().faults.end_chaos();
        // Zombies learn what has happened.
        for process in &mut self.processes {
            let (id, owners) = (process.id, &self.owners);
            process.owned.retain(|owned| owners.get(&(owned.input, owned.partition)) == Some(&Some(id)));
        }
    }

    /// Goes on until nothing changes any more for [`ROUNDS_OF_REST`] rounds of this length.
    fn come_to_rest(&mut self, round: Duration) -> Result<(), String> {
        let (mut at_rest, mut last) = (0, Vec::new());
        for _ in 0..ROUNDS {
            self.bury();
            self.assign()?;
            for process in &mut self.processes {
                for at in (0..process.owned.len()).rev() {
                    process.step(at);
                }
                process.clock.run_tasks();
            }
            let state = {
                let mut world = self.world.lock();
                world.monotonic += round;
                for _ in 0..30 {
                    world.progress();
                }
                let mut state: Vec<i64> = world.partials.iter().map(|log| log.len() as i64).collect();
                state.push(i64::from(world.is_quiet()));
                state.extend(world.events.iter().map(|log| log.len() as i64));
                state
            };
            let statuses: Vec<_> = self
                .processes
                .iter()
                .flat_map(|process| &process.owned)
                .map(|owned| (owned.input, owned.partition, owned.status.get()))
                .collect();
            let is_done = statuses.len() == self.owners.len()
                && statuses.iter().all(|(input, partition, status)| {
                    let end = self.world.lock().log(*input, *partition).len() as i64;
                    status.position == end && status.snapshot_offset == Some(end)
                });
            at_rest = if is_done && state == last && self.world.lock().is_quiet() { at_rest + 1 } else { 0 };
            last = state;
            if at_rest >= ROUNDS_OF_REST {
                return Ok(());
            }
        }
        let statuses: Vec<_> = self.processes.iter().flat_map(|process| &process.owned).map(|owned| owned.status.get()).collect();
        Err(format!("it does not come to rest; refused: {:?}; owners {:?}; {statuses:#?}", self.refused, self.owners))
    }

    /// All end in order, within their grace.
    fn finish(&mut self) -> Result<(), String> {
        for process in &mut self.processes {
            while !process.owned.is_empty() {
                process.finish(0, GRACE)?;
            }
        }
        Ok(())
    }

    fn check(&self, workload: &Workload) -> Result<Left, String> {
        let world = self.world.lock();
        if let Some((invariant, found)) = world.violations.first() {
            return Err(format!("{} broken invariants, the first: {}: {found}", world.violations.len(), invariant.name()));
        }
        let expected = workload.recount().map_err(|error| error.to_string())?;
        let answer = |sql: &str| world.tables.answer(sql);
        let report = audit::compare(&expected, "simulated", audit::Range::default(), 5, answer).map_err(|error| error.to_string())?;
        if !report.is_equal() || !report.accounts_compared {
            let listed: Vec<String> = report.listed.iter().map(ToString::to_string).collect();
            return Err(format!("{} of {} rows differ from the recount:\n{}", report.differences, report.rows, listed.join("\n")));
        }
        let left = Left {
            alerts: world.alerts.iter().map(alert_of).collect(),
            budgets: world.tables.budgets().into_iter().map(|(key, text)| (key.clone(), text.to_owned())).collect(),
            hours: world.tables.hours().clone(),
            usage_events: world.tables.usage_events().clone(),
            dead_letters: world.dead_letters.iter().map(letter_of).collect(),
        };
        let wanted: BTreeSet<_> = expected
            .dead_letters
            .iter()
            .map(|((partition, offset), rejection)| (*partition, *offset, rejection.reason.to_owned()))
            .collect();
        if left.dead_letters != wanted {
            let (missing, extra) = (wanted.difference(&left.dead_letters).next(), left.dead_letters.difference(&wanted).next());
            return Err(format!("dead letters differ from the recount: missing {missing:?}, extra {extra:?}"));
        }
        let (sent, written): (BTreeSet<&str>, BTreeSet<&str>) =
            (left.alerts.iter().map(|(id, ..)| id.as_str()).collect(), world.tables.alerts().keys().map(String::as_str).collect());
        if sent != written {
            return Err(format!("{} alerts on the topic, {} in the table", sent.len(), written.len()));
        }
        let (rows, counted) = (left.usage_events.len(), world.tables.counted());
        if rows as u64 != counted {
            return Err(format!("{counted} events are counted, and {rows} have a row"));
        }
        Ok(left)
    }
}

fn alert_of(record: &runtime::io::OutRecord) -> (String, String, String) {
    let event: serde_json::Value = record.payload.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&event["id"]), text(&event["data"]["level"]), text(&event["data"]["state"]))
}

fn letter_of(record: &runtime::io::OutRecord) -> (i32, i64, String) {
    // A replayed dead letter has older headers of these names before the new ones.
    let header = |name: &str| {
        let value = record.headers.iter().rfind(|(found, _)| found == name).map(|(_, value)| value.as_slice());
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    (header("cr_partition").parse().unwrap_or(-1), header("cr_offset").parse().unwrap_or(-1), header("cr_reason"))
}
