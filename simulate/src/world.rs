//! Everything outside the processes: topics, groups' offsets, tables, time, and what is under way between them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use object_store::ObjectMeta;
use runtime::invariant::Invariant;
use runtime::io::{OutRecord, OutTopic, RowBatch, Table};
use schemas::partial::Block;
use schemas::{Bucket, Measures};

use crate::dice::Dice;
use crate::fault::{Fault, Faults};
use crate::tables::{Tables, Violation};

/// A process, by its number; numbers are not used again.
pub(crate) type ProcessId = usize;

/// A record of a topic; `None` in a log is an offset without a message (control records, aborted transactions).
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Key.
    pub(crate) key: Option<Vec<u8>>,
    /// Value.
    pub(crate) payload: Option<Vec<u8>>,
    /// Headers.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// When the log took it, microseconds since 1970.
    pub(crate) timestamp_us: i64,
}

/// A log partition's records, by offset.
pub(crate) type LogData = Vec<Option<Arc<Record>>>;

/// The two logs that stages read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Input {
    /// `usage-events`, read by meters.
    Events,
    /// `rollup-partials`, read by monitors.
    Partials,
}

/// A record that the producer has taken and the log has not.
struct Flying {
    outbox: usize,
    seq: usize,
    record: OutRecord,
}

/// What one driver has handed over, and what of it has arrived.
#[derive(Default)]
struct Handed {
    process: ProcessId,
    arrived: Vec<bool>,
}

impl Handed {
    fn acknowledged(&self) -> u64 {
        self.arrived.iter().take_while(|arrived| **arrived).count() as u64
    }
}

/// A cell's place in the log of partial cells.
type CellPlace = (String, Vec<String>, Bucket, i32, i64, i64);

/// See the module's documentation.
pub(crate) struct World {
    /// All choices of the run.
    pub(crate) dice: Dice,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// Wall clock, microseconds since 1970.
    pub(crate) now_us: i64,
    /// Monotonic clock.
    pub(crate) monotonic: Duration,
    /// `usage-events`, by partition.
    pub(crate) events: Vec<LogData>,
    /// `rollup-partials`, by partition.
    pub(crate) partials: Vec<LogData>,
    /// `usage-events-dlq`.
    pub(crate) dead_letters: Vec<OutRecord>,
    /// How many partitions were taken over so far.
    pub(crate) owners: u64,
    /// `cost-alerts`.
    pub(crate) alerts: Vec<OutRecord>,
    /// What the groups have committed.
    pub(crate) committed: BTreeMap<(Input, i32), i64>,
    /// ClickHouse.
    pub(crate) tables: Tables,
    /// Broken invariants.
    pub(crate) violations: Vec<Violation>,
    alive: Vec<bool>,
    flights: BTreeMap<(ProcessId, u8, i32), VecDeque<Flying>>,
    outboxes: Vec<Handed>,
    sinks: Vec<Handed>,
    inserts: BTreeMap<usize, VecDeque<(usize, RowBatch)>>,
    cells: HashMap<CellPlace, Measures>,
    letters: HashMap<Vec<(String, Vec<u8>)>, OutRecord>,
    alert_ids: HashMap<String, Vec<u8>>,
    /// What was listed last, by directory.
    listings: HashMap<String, Vec<ObjectMeta>>,
}

/// The world as all parts of all processes see it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// A world that only these own.
    pub(crate) fn new(world: World) -> Self {
        Shared(Arc::new(Mutex::new(world)))
    }

    /// One at a time; the simulation has one thread.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// An empty one with logs of these many partitions.
    pub(crate) fn new(dice: Dice, faults: Faults, now_us: i64, events: Vec<LogData>, shards: usize) -> Self {
        World {
            dice,
            faults,
            now_us,
            monotonic: Duration::ZERO,
            events,
            partials: vec![LogData::new(); shards],
            dead_letters: Vec::new(),
            owners: 0,
            alerts: Vec::new(),
            committed: BTreeMap::new(),
            tables: Tables::default(),
            violations: Vec::new(),
            alive: Vec::new(),
            flights: BTreeMap::new(),
            outboxes: Vec::new(),
            sinks: Vec::new(),
            inserts: BTreeMap::new(),
            cells: HashMap::new(),
            letters: HashMap::new(),
            alert_ids: HashMap::new(),
            listings: HashMap::new(),
        }
    }

    /// What a process is shown of a directory of the object store: in chaos now and then what was listed there before.
    pub(crate) fn show(&mut self, directory: &str, listed: Vec<ObjectMeta>) -> Vec<ObjectMeta> {
        let before = self.listings.insert(directory.to_owned(), listed.clone());
        let is_stale = self.faults.is_chaos() && self.dice.per_mille(200);
        before.filter(|_| is_stale).unwrap_or(listed)
    }

    /// A new process.
    pub(crate) fn start_process(&mut self) -> ProcessId {
        self.alive.push(true);
        self.alive.len() - 1
    }

    /// Does it run?
    pub(crate) fn is_alive(&self, process: ProcessId) -> bool {
        self.alive[process]
    }

    /// A log.
    pub(crate) fn log(&self, input: Input, partition: i32) -> &LogData {
        match input {
            Input::Events => &self.events[partition as usize],
            Input::Partials => &self.partials[partition as usize],
        }
    }

    /// Decides what happens to an I/O call of a process; a dead one's calls have no effect.
    pub(crate) fn call(&mut self, process: ProcessId, may_fail: bool) -> Fault {
        if !self.alive[process] {
            return Fault::CrashBefore;
        }
        self.faults.next(&mut self.dice, may_fail)
    }

    /// Ends a process as `kill -9` does. What it had under way arrives, or does not, or in part.
    pub(crate) fn kill(&mut self, process: ProcessId) {
        if !std::mem::replace(&mut self.alive[process], false) {
            return;
        }
        for (_, flight) in self.flights.iter_mut().filter(|((of, ..), _)| *of == process) {
            // Records of one partition stay in order: nothing is missing between those that arrive.
            let arriving = self.dice.below(flight.len() + 1);
            flight.truncate(arriving);
        }
        let sinks: Vec<usize> = self.inserts.keys().copied().filter(|sink| self.sinks[*sink].process == process).collect();
        for sink in sinks {
            let waiting = self.inserts.remove(&sink).unwrap_or_default();
            for (seq, batch) in waiting {
                // Accounts are sent only when everything before them is durable.
                let is_under_way = batch.table != Table::Accounts || self.sinks[sink].acknowledged() == seq as u64;
                if is_under_way {
                    let rows = self.dice.below(batch.rows as usize + 1) as u32;
                    let wrong = self.tables.insert(&batch, rows);
                    self.violations.extend(wrong);
                }
            }
        }
    }

    /// A driver's way to the topics.
    pub(crate) fn open_outbox(&mut self, process: ProcessId) -> usize {
        self.outboxes.push(Handed { process, arrived: Vec::new() });
        self.outboxes.len() - 1
    }

    /// A driver's way to the tables.
    pub(crate) fn open_sink(&mut self, process: ProcessId) -> usize {
        self.sinks.push(Handed { process, arrived: Vec::new() });
        self.sinks.len() - 1
    }

    /// Takes a record over.
    pub(crate) fn fly(&mut self, outbox: usize, record: OutRecord) {
        let handed = &mut self.outboxes[outbox];
        let seq = handed.arrived.len();
        handed.arrived.push(false);
        let key = (handed.process, record.topic as u8, record.partition.unwrap_or(0));
        self.flights.entry(key).or_default().push_back(Flying { outbox, seq, record });
    }

    /// Takes rows over.
    pub(crate) fn insert(&mut self, sink: usize, batch: RowBatch) {
        let handed = &mut self.sinks[sink];
        let seq = handed.arrived.len();
        handed.arrived.push(false);
        self.inserts.entry(sink).or_default().push_back((seq, batch));
    }

    /// Records that the log has acknowledged.
    pub(crate) fn records_acknowledged(&self, outbox: usize) -> u64 {
        self.outboxes[outbox].acknowledged()
    }

    /// Batches that the tables have acknowledged.
    pub(crate) fn batches_acknowledged(&self, sink: usize) -> u64 {
        self.sinks[sink].acknowledged()
    }

    /// Records handed over and not acknowledged.
    pub(crate) fn records_under_way(&self, outbox: usize) -> usize {
        self.outboxes[outbox].arrived.len() - self.outboxes[outbox].acknowledged() as usize
    }

    /// Is nothing under way?
    pub(crate) fn is_quiet(&self) -> bool {
        self.flights.values().all(VecDeque::is_empty) && self.inserts.values().all(VecDeque::is_empty)
    }

    /// Something that is under way arrives, if anything is.
    pub(crate) fn progress(&mut self) {
        if self.dice.per_mille(500) {
            self.deliver();
        } else {
            self.apply();
        }
    }

    fn deliver(&mut self) {
        let flying: Vec<_> = self.flights.iter().filter(|(_, flight)| !flight.is_empty()).map(|(key, _)| *key).collect();
        if flying.is_empty() {
            return;
        }
        let key = flying[self.dice.below(flying.len())];
        let Some(Flying { outbox, seq, record }) = self.flights.get_mut(&key).and_then(VecDeque::pop_front) else { return };
        self.outboxes[outbox].arrived[seq] = true;
        self.append(record);
    }

    fn append(&mut self, record: OutRecord) {
        match record.topic {
            OutTopic::Partials => {
                self.check_cells(record.payload.as_deref().unwrap_or_default());
                let partition = record.partition.unwrap_or(0) as usize;
                let OutRecord { key, payload, headers, .. } = record;
                self.partials[partition].push(Some(Arc::new(Record { key, payload, headers, timestamp_us: self.now_us })));
            }
            OutTopic::DeadLetters => {
                let place: Vec<_> =
                    record.headers.iter().filter(|(name, _)| matches!(name.as_str(), "cr_partition" | "cr_offset")).cloned().collect();
                let held = self.letters.entry(place).or_insert_with(|| record.clone());
                if *held != record {
                    self.violations.push((Invariant::PlaceNamesOneDeadLetter, format!("{held:?} and {record:?}")));
                }
                self.dead_letters.push(record);
            }
            OutTopic::Alerts => {
                let payload = record.payload.clone().unwrap_or_default();
                let event: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
                let id = event["id"].as_str().unwrap_or_default().to_owned();
                let held = self.alert_ids.entry(id).or_insert_with(|| payload.clone());
                if *held != payload {
                    let (held, found) = (String::from_utf8_lossy(held), String::from_utf8_lossy(&payload));
                    self.violations.push((Invariant::AlertIdNamesOneAlert, format!("{held} and {found}")));
                }
                self.alerts.push(record);
            }
        }
    }

    fn check_cells(&mut self, payload: &[u8]) {
        let Ok(block) = Block::read(payload) else {
            self.violations.push((Invariant::RowsAreWhole, "a block that cannot be read".to_owned()));
            return;
        };
        if !block.header.accounts.is_conserved() {
            self.violations.push((Invariant::OffsetsAreConserved, format!("{:?}", block.header.accounts)));
        }
        let (cells, violations, input) = (&mut self.cells, &mut self.violations, block.header.partition);
        let read = block.for_each_cell(|cell| {
            let values = cell.values.iter().map(|value| (*value).to_owned()).collect();
            let place = (cell.set.to_owned(), values, cell.bucket, input, cell.generation, cell.version);
            let held = cells.entry(place).or_insert(cell.measures);
            if *held != cell.measures {
                violations.push((Invariant::VersionNamesOneCell, format!("{cell:?} and {held:?}")));
            }
        });
        if read.is_err() {
            self.violations.push((Invariant::RowsAreWhole, "a block whose cells cannot be read".to_owned()));
        }
    }

    fn apply(&mut self) {
        let waiting: Vec<usize> = self.inserts.iter().filter(|(_, batches)| !batches.is_empty()).map(|(sink, _)| *sink).collect();
        if waiting.is_empty() {
            return;
        }
        let sink = waiting[self.dice.below(waiting.len())];
        let acknowledged = self.sinks[sink].acknowledged();
        let Some(batches) = self.inserts.get_mut(&sink) else { return };
        // In any order, but accounts after everything before them.
        let at = self.dice.below(batches.len());
        let (seq, batch) = &batches[at];
        if batch.table == Table::Accounts && *seq as u64 != acknowledged {
            return;
        }
        let wrong = self.tables.insert(batch, batch.rows);
        self.violations.extend(wrong);
        // The answer may be lost, and the insert is then repeated.
        if self.faults.is_chaos() && self.dice.per_mille(50) {
            return;
        }
        self.sinks[sink].arrived[*seq] = true;
        batches.remove(at);
    }
}
