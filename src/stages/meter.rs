//! The meter as a stage: decode, fold, dead letters, rows per event.

use std::collections::BTreeMap;

use bumpalo::Bump;
use ingest::codec::{Decoded, Decoder};
use processor::meter::{Fate, Meter, MeterPlace, MeterRules};
use processor::pricing::Pricer;
use runtime::invariant::Invariant;
use runtime::io::{Message, OutRecord, OutTopic, RowBatch, Table};
use runtime::stage::{Segment, StageState};
use runtime::store::Loaded;
use runtime::{Applied, Effects, Stage, StageError};
use schemas::rollup::UsageEventRow;
use schemas::timestamp::DAY_US;
use schemas::{Outcome, Reason, Rejection, Timestamp};
use sinks::clickhouse::rows;

use super::{StageFactory, StagePlace, dead_letter};

/// Rows per event are handed on in pieces of this size.
const USAGE_ROWS: u32 = 4096;
/// Bytes of arena after which it is given back.
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
}

impl MeterFactory {
    fn place(&self, place: &StagePlace) -> MeterPlace {
        MeterPlace { topic: place.topic.clone(), partition: place.partition, inputs: place.partitions, shards: self.shards }
    }

    fn stage(&self, meter: Meter, place: &StagePlace) -> Box<dyn Stage> {
        Box::new(MeterStage {
            meter,
            pricer: self.pricer.clone(),
            decoder: self.decoder.clone(),
            arena: Bump::new(),
            topic: place.topic.clone(),
            partition: place.partition,
            usage_events: self.usage_events,
            usage_rows: Vec::new(),
            usage_count: 0,
            unkeyed: 0,
            revenue_without_rate: 0,
            refused: BTreeMap::new(),
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
        Ok(self.stage(meter, place))
    }
}

/// See the module's documentation.
pub struct MeterStage {
    meter: Meter,
    pricer: Pricer,
    decoder: Decoder,
    arena: Bump,
    topic: String,
    partition: i32,
    usage_events: bool,
    usage_rows: Vec<u8>,
    usage_count: u32,
    /// Messages without a key: their repeats may be missed.
    unkeyed: u64,
    /// Events whose revenue counts 0 for want of an exchange rate.
    revenue_without_rate: u64,
    refused: BTreeMap<Reason, u64>,
}

impl MeterStage {
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

    fn hand_on_rows(&mut self, effects: &mut Effects) {
        if self.usage_count > 0 {
            let bytes = std::mem::take(&mut self.usage_rows);
            effects.batches.push(RowBatch { table: Table::UsageEvents, rows: self.usage_count, bytes });
            self.usage_count = 0;
        }
    }
}

impl Stage for MeterStage {
    fn apply(&mut self, message: &Message<'_>, effects: &mut Effects) -> Result<Applied, StageError> {
        let rejection = match self.decoder.decode(message, &self.arena) {
            Decoded::Waiting(reason) => return Ok(Applied::Wait(reason)),
            Decoded::Rejected(rejection) => {
                self.meter.refuse(message.offset, Outcome::Rejected);
                Some(rejection)
            }
            Decoded::Event(event) => {
                let fate = self.meter.fold(message.offset, message.timestamp, &event);
                let fate =
                    fate.map_err(|error| StageError { code: "CR-1101", text: format!("{}/{}: {error}", self.topic, self.partition) })?;
                if let Fate::Counted(priced) = &fate {
                    self.revenue_without_rate += u64::from(priced.revenue_without_rate);
                }
                match fate {
                    Fate::Counted(priced) if self.usage_events => {
                        let price_version = priced.price_version.map_or_else(String::new, |version| self.pricer.version_text(version));
                        let row = UsageEventRow {
                            topic: &self.topic,
                            partition: self.partition,
                            offset: message.offset,
                            event: &event,
                            cost: priced.priced.cost,
                            cost_status: priced.status,
                            revenue: priced.priced.revenue,
                            price_version: &price_version,
                        };
                        let written = rows::put_usage_event(&mut self.usage_rows, &row);
                        written.map_err(|error| StageError { code: "CR-1102", text: error.to_string() })?;
                        self.usage_count += 1;
                        None
                    }
                    Fate::Counted(_) | Fate::Duplicate => None,
                    Fate::Refused(_, rejection) => Some(rejection),
                }
            }
        };
        self.unkeyed += u64::from(message.key.is_none());
        if let Some(rejection) = rejection {
            self.refuse(message, &rejection, effects);
        }
        self.take_blocks(effects);
        if self.usage_count >= USAGE_ROWS {
            self.hand_on_rows(effects);
        }
        if self.arena.allocated_bytes() > ARENA_BYTES {
            self.arena = Bump::new();
        } else {
            self.arena.reset();
        }
        Ok(Applied::Done)
    }

    fn skip_to(&mut self, offset: i64) {
        self.meter.skip_to(offset);
    }

    fn flush(&mut self, effects: &mut Effects) -> Result<(), StageError> {
        let accounts = self.meter.accounts();
        Invariant::OffsetsAreConserved.require(accounts.is_conserved(), || format!("{}/{}: {accounts:?}", self.topic, self.partition));
        self.hand_on_rows(effects);
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
        let (bytes, expires_day) = self.meter.take_segment();
        let segment = (!bytes.is_empty()).then_some(Segment { bytes, expires_day });
        Ok(StageState { body, segment, today: self.meter.watermark().micros() / DAY_US })
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
            ("memory_bytes", self.meter.bytes() as f64),
        ];
        gauges.extend(self.refused.iter().map(|(reason, count)| (reason.code(), *count as f64)));
        gauges
    }
}
