//! The meter: one input partition's events become cumulative 15-minute cells of every grouping set.
//!
//! A pure state machine: what it holds and sends is a function of the log and its rules, never of the clock, of batch sizes or
//! of the moments of flushing. Limits: an identity is known for the horizon (35 days) of event time; a cell is
//! held until its bucket is sealed.

mod bucket_table;
mod cell;
mod dedup;
mod interner;
mod look_ahead;
mod rules;
mod run_filter;
mod series;
mod snapshot;

use hashbrown::HashTable;
use schemas::identity_run::ReadError;
use schemas::measures::{MAX_EVENTS, Priced};
use schemas::partial::{BlockBuilder, BlockHeader};
use schemas::{Accounts, Bucket, Dimension, Event, Outcome, Reason, Rejection, Timestamp};

use self::bucket_table::BucketTable;
use self::cell::Increment;
use self::dedup::{Dedup, Seen};
use self::look_ahead::Prepared;
pub use self::look_ahead::{Group, LookAhead};
pub use self::rules::{MeterPlace, MeterRules};
pub use self::series::shard_of;
use self::series::{Member, SeriesId, SeriesIndex, hash_key};
pub use self::snapshot::{SNAPSHOT_VERSION, SnapshotError};
use crate::pricing::{PriceSlot, PricedEvent, Pricer};

/// Bytes of cells after which a block is sent before the flush is complete.
const BLOCK_BYTES: usize = 512 * 1024;
/// Dead series tolerated before the index is rebuilt.
const DEAD_SERIES: usize = 16_384;

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It is in the cells, with this price.
    Counted(PricedEvent),
    /// It was there before.
    Duplicate,
    /// A dead letter, with this outcome and reason.
    Refused(Outcome, Rejection),
}

/// The event cannot be folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    /// More identities within the horizon than configured.
    #[error("deduplication holds {held} identities, its limit (limits.max_identities): raise the limit, or add partitions")]
    TooManyIdentities {
        /// How many.
        held: usize,
    },
    /// Not before a snapshot has taken identities out of memory.
    #[error("deduplication holds {held} identities in memory: it waits for a snapshot to store them")]
    MemoryFull {
        /// How many.
        held: usize,
    },
    /// Identities that were stored cannot be read.
    #[error("identities cannot be read: {0}")]
    Unreadable(#[from] ReadError),
}

impl MeterError {
    /// May the same event be offered again later?
    pub fn is_passing(&self) -> bool {
        match self {
            MeterError::TooManyIdentities { .. } => false,
            MeterError::MemoryFull { .. } => true,
            MeterError::Unreadable(error) => !error.is_lasting,
        }
    }
}

/// A block for one partition of the partials topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardBlock {
    /// The partition.
    pub shard: i32,
    /// See [`schemas::partial`].
    pub bytes: Vec<u8>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Meter {
    rules: MeterRules,
    place: MeterPlace,
    pricer: Pricer,
    slots: HashTable<([u32; 3], PriceSlot)>,
    price_keys: [interner::Interner; 3],
    accounts: Accounts,
    /// Largest `occurred_at` counted.
    watermark: Timestamp,
    /// Every bucket that ends at or before this is closed by the log: sealing depends on it, so it must not know the clock.
    closed_before: Timestamp,
    /// The same by decisions of the clock (the partition was silent); these are in the blocks and nowhere else.
    idle_before: Timestamp,
    index: SeriesIndex,
    /// Open buckets; few, and the last one is nearly always the one wanted.
    tables: Vec<BucketTable>,
    cells: usize,
    dedup: Dedup,
    builders: Vec<BlockBuilder>,
    /// Finished blocks that nobody has taken yet.
    blocks: Vec<ShardBlock>,
    sealed: Vec<(Bucket, i64)>,
    /// Did anything happen since the last flush?
    unsent: bool,
    scratch: Vec<u8>,
    members: Vec<Member>,
    /// How often the series were numbered anew.
    numbering: u64,
}

impl Meter {
    /// A meter that has read nothing; the log begins at `offset`.
    pub fn new(rules: MeterRules, place: MeterPlace, pricer: Pricer, offset: i64) -> Self {
        let shards = place.shards.max(1) as usize;
        Meter {
            index: SeriesIndex::new(&rules.sets, shards as u32),
            dedup: Dedup::new(rules.horizon_us),
            accounts: Accounts::starting_at(offset),
            watermark: Timestamp::MIN,
            closed_before: Timestamp::MIN,
            idle_before: Timestamp::MIN,
            slots: HashTable::new(),
            price_keys: Default::default(),
            tables: Vec::new(),
            cells: 0,
            builders: (0..shards).map(|_| BlockBuilder::default()).collect(),
            blocks: Vec::new(),
            sealed: Vec::new(),
            unsent: false,
            scratch: Vec::new(),
            members: Vec::new(),
            numbering: 0,
            rules,
            place,
            pricer,
        }
    }

    /// What became of every offset so far.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The largest event time counted.
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Cells in memory.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Identities held, in memory and in runs.
    pub fn identities(&self) -> usize {
        self.dedup.len()
    }

    /// Those in memory.
    pub fn identities_in_memory(&self) -> usize {
        self.dedup.in_memory()
    }

    /// How many identities were read from runs so far.
    pub fn identities_read(&self) -> u64 {
        self.dedup.reads()
    }

    /// Days after which an identity no longer counts.
    pub fn horizon_days(&self) -> i64 {
        self.dedup.horizon_days()
    }

    /// So many identities in memory are sealed by the next snapshot, and become a run; at first none ever are. Changes no result.
    #[must_use]
    pub fn sealing_at(mut self, identities: usize) -> Self {
        self.dedup.seal_at(identities);
        self
    }

    /// Are there so many identities in memory that a snapshot should be taken soon?
    pub fn wants_sealing(&self) -> bool {
        self.dedup.wants_sealing()
    }

    /// Bytes in memory, about.
    pub fn bytes(&self) -> usize {
        self.dedup.bytes() + self.index.bytes() + self.tables.iter().map(BucketTable::bytes).sum::<usize>()
    }

    /// Accounts for a message that is no event: a dead letter (`Rejected`) or none of a producer's (`Skipped`).
    pub fn refuse(&mut self, offset: i64, outcome: Outcome) {
        self.accounts.record(offset, outcome);
        self.unsent = true;
    }

    /// Accounts for a gap in the log: no message has an offset below this one any more.
    pub fn skip_to(&mut self, offset: i64) {
        if offset > self.accounts.next_offset {
            self.accounts.skip_to(offset);
            self.unsent = true;
        }
    }

    /// Folds one event.
    ///
    /// # Errors
    /// [`MeterError`]; the event is then not accounted for.
    pub fn fold(&mut self, offset: i64, log_time: Timestamp, event: &Event<'_>) -> Result<Fate, MeterError> {
        let fingerprint = event.fingerprint(&mut self.scratch);
        self.fold_prepared(offset, log_time, event, &Prepared::fingerprint_alone(fingerprint))
    }

    /// Folds the next event of a group, and says which it was. What becomes of it is the same as in [`Meter::fold`], whatever was folded
    /// in between; but the memory that the events after it need is on its way meanwhile. A group is folded by one meter.
    ///
    /// # Errors
    /// [`MeterError`]; the event is then not accounted for, and is still the next.
    ///
    /// # Panics
    /// When all events of the group were folded.
    pub fn fold_next<'g, 'b>(
        &mut self,
        offset: i64,
        log_time: Timestamp,
        group: &mut Group<'g, 'b>,
    ) -> Result<(&'g Event<'b>, Fate), MeterError> {
        self.look_ahead(group);
        let (event, prepared) = group.turn(self.numbering);
        let fate = self.fold_prepared(offset, log_time, event, &prepared)?;
        group.next += 1;
        Ok((event, fate))
    }

    fn fold_prepared(&mut self, offset: i64, log_time: Timestamp, event: &Event<'_>, prepared: &Prepared<'_>) -> Result<Fate, MeterError> {
        if self.dedup.len() >= self.rules.max_identities {
            return Err(MeterError::TooManyIdentities { held: self.dedup.len() });
        }
        if self.dedup.is_full() {
            return Err(MeterError::MemoryFull { held: self.dedup.in_memory() });
        }
        let fate = self.judge(offset, log_time, event, prepared)?;
        let outcome = match &fate {
            Fate::Counted(_) => Outcome::Counted,
            Fate::Duplicate => Outcome::Duplicate,
            Fate::Refused(outcome, _) => *outcome,
        };
        self.accounts.record(offset, outcome);
        self.unsent = true;
        if outcome == Outcome::Counted && event.occurred_at > self.watermark {
            self.advance(event.occurred_at);
        }
        self.compact_index();
        Ok(fate)
    }

    /// The checks in the contract's order: rejected, late, then duplicate or conflict.
    fn judge(&mut self, offset: i64, log_time: Timestamp, event: &Event<'_>, prepared: &Prepared<'_>) -> Result<Fate, MeterError> {
        let fingerprint = prepared.fingerprint;
        if event.occurred_at > log_time.plus(self.rules.future_us) {
            let detail = format!(
                "occurred_at is {}, more than {} s after the record's Kafka timestamp {log_time}: check the producer's clock",
                event.occurred_at,
                self.rules.future_us / 1_000_000
            );
            return Ok(Fate::Refused(Outcome::Rejected, Rejection::new(Reason::OccurredAtInFuture, detail)));
        }
        let slot = self.price_slot(event);
        let priced = match self.pricer.price(slot, event) {
            Ok(priced) => priced,
            Err(rejection) => return Ok(Fate::Refused(Outcome::Rejected, rejection)),
        };
        if event.occurred_at < self.watermark.plus(-self.rules.horizon_us) {
            let detail = format!(
                "occurred_at is {}, more than {} days before the partition's newest event {}: such events are not counted, send an adjustment with a present time",
                event.occurred_at,
                self.rules.horizon_us / 86_400_000_000,
                self.watermark
            );
            return Ok(Fate::Refused(Outcome::Late, Rejection::new(Reason::TooLate, detail)));
        }
        let meaning = event.meaning(&mut self.scratch);
        match self.dedup.look_up(fingerprint, meaning, self.watermark)? {
            Seen::Same => return Ok(Fate::Duplicate),
            Seen::Other => {
                let detail = format!(
                    "an event with source {:?} and event_id {:?} but another meaning was counted before: give every event its own id; to correct one, send an adjustment",
                    shortened(event.source),
                    shortened(event.event_id)
                );
                return Ok(Fate::Refused(Outcome::Conflict, Rejection::new(Reason::Conflict, detail)));
            }
            Seen::New => {}
        }
        if let Err(rejection) = self.count(offset, event, &priced.priced, prepared.members) {
            return Ok(Fate::Refused(Outcome::Rejected, rejection));
        }
        self.dedup.insert(fingerprint, meaning, event.occurred_at);
        Ok(Fate::Counted(priced))
    }

    /// The price slot of the event's provider, model and tier; the pricer is asked once per triple.
    fn price_slot(&mut self, event: &Event<'_>) -> PriceSlot {
        let names = [Dimension::Provider, Dimension::Model, Dimension::Tier].map(|dimension| event.dimension(dimension));
        let mut key = [0; 3];
        for position in 0..3 {
            key[position] = self.price_keys[position].intern(names[position]);
        }
        let hash = hash_key(&key);
        if let Some((_, slot)) = self.slots.find(hash, |(known, _)| *known == key) {
            return *slot;
        }
        // Bounded against a flood of invented model names: the cache starts anew.
        if self.slots.len() >= 100_000 {
            self.slots.clear();
            self.price_keys = Default::default();
            return self.price_slot(event);
        }
        let slot = self.pricer.resolve(names[0], names[1], names[2]);
        self.slots.insert_unique(hash, (key, slot), |(key, _)| hash_key(key));
        slot
    }

    /// Adds the event to the cells of its series. `members`: these series, if they are known already.
    fn count(&mut self, offset: i64, event: &Event<'_>, priced: &Priced, members: Option<&[Member]>) -> Result<(), Rejection> {
        let increment = Increment::of(event, priced);
        let table = self.table_of(Bucket::of(event.occurred_at), offset);
        if self.tables[table].events >= MAX_EVENTS {
            return Err(Rejection::new(Reason::SumOverflow, "the window holds as many events as can be summed exactly: add partitions"));
        }
        self.tables[table].events += 1;
        let mut own = std::mem::take(&mut self.members);
        let members = members.unwrap_or_else(|| {
            self.index.of_event(event, &mut own);
            &own
        });
        for member in members {
            if !self.tables[table].count_known(member.series, offset + 1, &increment) {
                let cell = self.new_cell(table, usize::from(member.set), member.series);
                self.tables[table].count(cell, offset + 1, &increment);
            }
        }
        self.members = own;
        Ok(())
    }

    /// A cell for a series that has none: its own, or beyond the set's limit that of all others.
    fn new_cell(&mut self, table: usize, set: usize, series: SeriesId) -> usize {
        let over_limit = self.tables[table].series_per_set[set] >= self.rules.sets[set].max_series;
        let series = if over_limit { self.index.other(set) } else { series };
        if let Some(cell) = self.tables[table].find(series) {
            return cell;
        }
        self.cells += 1;
        self.tables[table].add(series, set)
    }

    /// The open table of a bucket; the last one first, because events come nearly in order.
    #[inline]
    fn table_of(&mut self, bucket: Bucket, offset: i64) -> usize {
        if let Some(found) = self.tables.iter().rposition(|table| table.bucket == bucket) {
            return found;
        }
        if self.cells >= self.rules.max_cells {
            self.seal_oldest();
        }
        let seal_at = bucket.end().max(self.watermark).plus(self.rules.retain_us);
        self.tables.push(BucketTable::new(bucket, offset, seal_at, self.rules.sets.len()));
        self.tables.len() - 1
    }

    /// Moves the watermark. When that closes buckets, everything is sent as it stands at this offset, so that what the
    /// monitor holds when it learns of the closing is the closing value.
    fn advance(&mut self, watermark: Timestamp) {
        self.watermark = watermark;
        let closed_before = Bucket::of(watermark.plus(-self.rules.lateness_us)).start();
        if closed_before <= self.closed_before {
            return;
        }
        self.closed_before = closed_before;
        self.send_dirty();
        self.seal(|table| table.seal_at <= watermark);
        self.finish_flush();
        self.dedup.sweep(watermark);
    }

    fn seal(&mut self, due: impl Fn(&BucketTable) -> bool) {
        let sealed = &mut self.sealed;
        let cells = &mut self.cells;
        self.tables.retain(|table| {
            let goes = due(table);
            if goes {
                sealed.push((table.bucket, table.generation));
                *cells -= table.len();
            }
            !goes
        });
    }

    fn seal_oldest(&mut self) {
        if let Some(oldest) = self.tables.iter().map(|table| table.bucket).min() {
            self.send_dirty();
            self.seal(|table| table.bucket == oldest);
            self.finish_flush();
        }
    }

    /// The partition has been silent at its end until `now`: closes what a running stream would have closed. The caller
    /// decides by the wall clock; the decision is in the block that this sends.
    pub fn idle(&mut self, now: Timestamp) {
        let closed_before = Bucket::of(now.plus(-self.rules.lateness_us)).start();
        if closed_before > self.closed_before.max(self.idle_before) {
            self.idle_before = closed_before;
            self.unsent = true;
            self.flush();
        }
    }

    /// Makes blocks of everything that changed since the last flush.
    pub fn flush(&mut self) {
        if self.unsent {
            self.send_dirty();
            self.finish_flush();
        }
    }

    /// The blocks made so far, in the order in which they must be sent.
    pub fn take_blocks(&mut self) -> std::vec::Drain<'_, ShardBlock> {
        self.blocks.drain(..)
    }

    fn send_dirty(&mut self) {
        let header = header(&self.place, self.accounts, self.closed_before.max(self.idle_before), false, Vec::new());
        let (index, builders, blocks) = (&self.index, &mut self.builders, &mut self.blocks);
        for table in &mut self.tables {
            let (bucket, generation) = (table.bucket, table.generation);
            table.flush(self.accounts.next_offset, |cell, measures| {
                let shard = index.shard(cell.series);
                let builder = &mut builders[shard];
                builder.push(index.set_name(cell.series), index.values(cell.series), bucket, generation, cell.version, measures);
                if builder.len() >= BLOCK_BYTES {
                    blocks.push(ShardBlock { shard: shard as i32, bytes: builder.finish(&header) });
                }
            });
        }
    }

    /// The last block of a flush, for every shard.
    fn finish_flush(&mut self) {
        let sealed = std::mem::take(&mut self.sealed);
        for (shard, builder) in self.builders.iter_mut().enumerate() {
            let header = header(&self.place, self.accounts, self.closed_before.max(self.idle_before), true, sealed.clone());
            self.blocks.push(ShardBlock { shard: shard as i32, bytes: builder.finish(&header) });
        }
        self.unsent = false;
    }

    /// Numbers the living series anew when most are dead: their window was sealed, or they were over a limit and never had a cell.
    fn compact_index(&mut self) {
        if self.index.len() <= 2 * self.cells + DEAD_SERIES {
            return;
        }
        self.numbering += 1;
        let fresh = self.index.emptied();
        let old = std::mem::replace(&mut self.index, fresh);
        let index = &mut self.index;
        let tables = std::mem::take(&mut self.tables);
        self.tables =
            tables.into_iter().map(|table| table.renumbered(|series| index.of_texts(old.set_of(series), old.values(series)))).collect();
    }
}

fn header<'a>(
    place: &'a MeterPlace,
    accounts: Accounts,
    closed_before: Timestamp,
    is_last: bool,
    sealed: Vec<(Bucket, i64)>,
) -> BlockHeader<'a> {
    BlockHeader {
        topic: &place.topic,
        partition: place.partition,
        inputs: place.inputs,
        shards: place.shards,
        is_last,
        accounts,
        closed_before,
        sealed,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
