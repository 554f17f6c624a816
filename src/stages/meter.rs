//! The meter as a stage: decode, fold, dead letters, rows per event.

use std::collections::BTreeMap;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use ingest::codec::{Decoded, Decoder};
use processor::meter::{Fate, Group, LookAhead, Meter, MeterError, MeterPlace, MeterRules};
use processor::pricing::{PricedEvent, Pricer};
use runtime::invariant::Invariant;
use runtime::io::{Message, OutRecord, OutTopic, Table};
use runtime::stage::StageState;
use runtime::store::Loaded;
use runtime::{Effects, Stage, StageError, Taken};
use schemas::identity_run::IdentityRun;
use schemas::rollup::UsageEventRow;
use schemas::timestamp::DAY_US;
use schemas::{Event, Outcome, Reason, Rejection, Timestamp};
use sinks::clickhouse::rows::{self, Block};

use super::spend_figures::{SpendCounter, SpendFigures};
use super::{StageFactory, StagePlace, dead_letter};

/// Rows per event are handed on in pieces of this size.
const USAGE_ROWS: u32 = 4096;
/// Messages that are decoded before the first of them is folded, so that their folding does not wait for memory.
const GROUP: usize = 64;
/// Bytes of arena after which a group ends early, and the arena is given back.
const ARENA_BYTES: usize = 1 << 20;

/// Makes meters.
pub struct MeterFactory {
    /// The meter's own rules.
    pub rules: MeterRules,
    /// Prices and rates.
    pub pricer: Pricer,
    /// Hash of rules, prices and rates.
    pub rules_hash: String,
    /// Decodes; cloned for every partition.
    pub decoder: Decoder,
    /// Partitions of the partials topic.
    pub shards: i32,
    /// One row per counted event?
    pub usage_events: bool,
    /// So many identities in memory become a run of the next snapshot.
    pub recent_identities: usize,
    /// Where spend and calls are counted for `/metrics`.
    pub figures: SpendFigures,
}

impl MeterFactory {
    fn place(&self, place: &StagePlace) -> MeterPlace {
        MeterPlace { topic: place.topic.clone(), partition: place.partition, inputs: place.partitions, shards: self.shards }
    }

    fn stage(&self, meter: Meter, place: &StagePlace) -> Box<dyn Stage> {
        Box::new(MeterStage {
            meter: meter.sealing_at(self.recent_identities),
            pricer: self.pricer.clone(),
            decoder: self.decoder.clone(),
            arena: Bump::new(),
            ahead: LookAhead::default(),
            topic: place.topic.clone(),
            partition: place.partition,
            usage_events: self.usage_events,
            usage_rows: Block::new(Table::UsageEvents),
            unkeyed: 0,
            revenue_without_rate: 0,
            refused: BTreeMap::new(),
            spend: self.figures.counter(),
        })
    }
}

impl StageFactory for MeterFactory {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn rules(&self) -> String {
        self.rules_hash.clone()
    }

    fn fresh(&self, place: &StagePlace, offset: i64) -> Result<Box<dyn Stage>, StageError> {
        Ok(self.stage(Meter::new(self.rules.clone(), self.place(place), self.pricer.clone(), offset), place))
    }

    fn restore(&self, place: &StagePlace, loaded: &Loaded) -> Result<Box<dyn Stage>, StageError> {
        let restored = Meter::restore(&loaded.body, self.rules.clone(), self.place(place), self.pricer.clone());
        let mut meter = restored.map_err(|error| StageError { code: "CR-1007", text: error.to_string() })?;
        for segment in &loaded.segments {
            meter.restore_segment(segment);
        }
        meter.stored(loaded.runs.clone());
        Ok(self.stage(meter, place))
    }
}

/// Why an event is not folded.
enum NotFolded {
    /// It is to be offered again later.
    Yet(String),
    /// The partition cannot go on.
    Stop(StageError),
}

impl From<StageError> for NotFolded {
    fn from(error: StageError) -> Self {
        NotFolded::Stop(error)
    }
}

/// See the module's documentation.
pub struct MeterStage {
    meter: Meter,
    pricer: Pricer,
    decoder: Decoder,
    arena: Bump,
    ahead: LookAhead,
    topic: String,
    partition: i32,
    usage_events: bool,
    usage_rows: Block,
    /// Messages without a key: their repeats may be missed.
    unkeyed: u64,
    /// Events whose revenue counts 0 for want of an exchange rate.
    revenue_without_rate: u64,
    refused: BTreeMap<Reason, u64>,
    spend: SpendCounter,
}

impl MeterStage {
    /// Decodes a group of messages, looks ahead over its events, folds them in order. `None` of waiting: all were taken.
    fn apply_group(&mut self, messages: &[Message<'_>], arena: &Bump, effects: &mut Effects) -> Result<Taken, StageError> {
        let mut events = ArenaVec::with_capacity_in(messages.len(), arena);
        let mut rejections = ArenaVec::with_capacity_in(messages.len(), arena);
        let mut waits_for = None;
        for message in messages {
            match self.decoder.decode(message, arena) {
                Decoded::Waiting(reason) => {
                    waits_for = Some(reason);
                    break;
                }
                Decoded::Event(event) => {
                    events.push(event);
                    rejections.push(None);
                }
                Decoded::Rejected(rejection) => rejections.push(Some(rejection)),
            }
            if arena.allocated_bytes() > ARENA_BYTES {
                break;
            }
        }
        let mut taken = Taken { messages: rejections.len(), waits_for };
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut group = ahead.over(&events);
        for (number, (message, rejection)) in messages.iter().zip(rejections).enumerate() {
            match rejection {
                None => match self.fold_next(message, &mut group, effects) {
                    Ok(()) => {}
                    Err(NotFolded::Yet(reason)) => {
                        taken = Taken { messages: number, waits_for: Some(reason) };
                        break;
                    }
                    Err(NotFolded::Stop(error)) => return Err(error),
                },
                Some(rejection) => {
                    self.meter.refuse(message.offset, Outcome::Rejected);
                    self.refuse(message, &rejection, effects);
                }
            }
            self.unkeyed += u64::from(message.key.is_none());
            self.take_blocks(effects);
        }
        self.ahead = ahead;
        Ok(taken)
    }

    /// Folds the next event of a group, which is this message's.
    fn fold_next(&mut self, message: &Message<'_>, group: &mut Group<'_, '_>, effects: &mut Effects) -> Result<(), NotFolded> {
        let (event, fate) = self.meter.fold_next(message.offset, message.timestamp, group).map_err(|error| match error {
            error if error.is_passing() => NotFolded::Yet(error.to_string()),
            error => {
                let code = if matches!(error, MeterError::Unreadable(_)) { "CR-1103" } else { "CR-1101" };
                NotFolded::Stop(StageError { code, text: format!("{}/{}: {error}", self.topic, self.partition) })
            }
        })?;
        if let Fate::Counted(priced) = &fate {
            self.revenue_without_rate += u64::from(priced.revenue_without_rate);
            self.spend.count(event, priced);
        }
        match fate {
            Fate::Counted(priced) if self.usage_events => self.put_row(message, event, &priced, effects)?,
            Fate::Counted(_) | Fate::Duplicate => {}
            Fate::Refused(_, rejection) => self.refuse(message, &rejection, effects),
        }
        Ok(())
    }

    fn put_row(&mut self, message: &Message<'_>, event: &Event<'_>, priced: &PricedEvent, effects: &mut Effects) -> Result<(), StageError> {
        let price_version = priced.price_version.map_or_else(String::new, |version| self.pricer.version_text(version));
        let row = UsageEventRow {
            topic: &self.topic,
            partition: self.partition,
            offset: message.offset,
            event,
            cost: priced.priced.cost,
            cost_status: priced.status,
            revenue: priced.priced.revenue,
            price_version: &price_version,
        };
        let written = rows::put_usage_event(&mut self.usage_rows, &row);
        written.map_err(|error| StageError { code: "CR-1102", text: error.to_string() })?;
        if self.usage_rows.rows() >= USAGE_ROWS {
            effects.batches.extend(self.usage_rows.take());
        }
        Ok(())
    }

    fn refuse(&mut self, message: &Message<'_>, rejection: &Rejection, effects: &mut Effects) {
        *self.refused.entry(rejection.reason).or_default() += 1;
        effects.records.push(dead_letter(&self.topic, self.partition, message, rejection));
    }

    fn take_blocks(&mut self, effects: &mut Effects) {
        for block in self.meter.take_blocks() {
            effects.records.push(OutRecord {
                topic: OutTopic::Partials,
                partition: Some(block.shard),
                key: None,
                payload: Some(block.bytes),
                headers: Vec::new(),
            });
        }
    }
}

impl Stage for MeterStage {
    fn apply(&mut self, messages: &[Message<'_>], effects: &mut Effects) -> Result<Taken, StageError> {
        let mut taken = Taken::default();
        while taken.messages < messages.len() && taken.waits_for.is_none() {
            let rest = &messages[taken.messages..];
            let mut arena = std::mem::take(&mut self.arena);
            let group = self.apply_group(&rest[..rest.len().min(GROUP)], &arena, effects)?;
            if arena.allocated_bytes() <= ARENA_BYTES {
                arena.reset();
                self.arena = arena;
            }
            taken = Taken { messages: taken.messages + group.messages, waits_for: group.waits_for };
        }
        Ok(taken)
    }

    fn skip_to(&mut self, offset: i64) {
        self.meter.skip_to(offset);
    }

    fn flush(&mut self, effects: &mut Effects) -> Result<(), StageError> {
        let accounts = self.meter.accounts();
        Invariant::OffsetsAreConserved.require(accounts.is_conserved(), || format!("{}/{}: {accounts:?}", self.topic, self.partition));
        effects.batches.extend(self.usage_rows.take());
        self.spend.hand_over();
        self.meter.flush();
        self.take_blocks(effects);
        Ok(())
    }

    fn idle(&mut self, now: Timestamp) {
        self.meter.idle(now);
    }

    fn position(&self) -> i64 {
        self.meter.accounts().next_offset
    }

    fn state(&mut self) -> Result<StageState, StageError> {
        let body = self.meter.snapshot().map_err(|error| StageError { code: "CR-1007", text: error.to_string() })?;
        let segment = Some(self.meter.take_segment()).filter(|segment| segment.is_sealed || !segment.bytes.is_empty());
        Ok(StageState { body, segment, today: self.meter.watermark().micros() / DAY_US, horizon_days: self.meter.horizon_days() })
    }

    fn wants_snapshot(&self) -> bool {
        self.meter.wants_sealing()
    }

    fn stored(&mut self, runs: Vec<IdentityRun>) {
        self.meter.stored(runs);
    }

    fn gauges(&self) -> Vec<(&'static str, f64)> {
        let accounts = self.meter.accounts();
        let mut gauges = vec![
            ("counted", accounts.counted as f64),
            ("duplicate", accounts.duplicate as f64),
            ("conflict", accounts.conflict as f64),
            ("late", accounts.late as f64),
            ("rejected", accounts.rejected as f64),
            ("skipped", accounts.skipped as f64),
            ("conservation_violated", f64::from(u8::from(!accounts.is_conserved()))),
            ("unkeyed", self.unkeyed as f64),
            ("revenue_without_rate", self.revenue_without_rate as f64),
            ("watermark_seconds", self.meter.watermark().micros() as f64 / 1e6),
            ("cells", self.meter.cells() as f64),
            ("identities", self.meter.identities() as f64),
            ("identities_in_memory", self.meter.identities_in_memory() as f64),
            ("identities_read", self.meter.identities_read() as f64),
            ("memory_bytes", self.meter.bytes() as f64),
        ];
        gauges.extend(self.refused.iter().map(|(reason, count)| (reason.code(), *count as f64)));
        gauges
    }
}
