//! The recount itself: one message after the other, rule by rule.

use std::collections::{BTreeMap, HashMap};

use crate::avro::Schemas;
use crate::cloudevent;
use crate::open_windows::{Key, OpenWindows};
use crate::pricing::{Price, price};
use crate::{Account, AuditError, Decimal, Event, Granularity, GroupingSet, Measures, Message, Outcome, Rejection, Rules, json, meaning};

/// Largest payload, bytes.
const MAX_PAYLOAD: usize = 1 << 20;

/// Measures by the window's start (seconds since 1970) and key.
pub(crate) type Rows = BTreeMap<(i64, Key), Measures>;

/// Recounts messages; partitions may interleave, the offsets of each ascend.
pub struct Recount<'a> {
    rules: Rules,
    schemas: Schemas<'a>,
    partitions: BTreeMap<i32, Partition>,
    /// Quarter hours, by set.
    cells: Vec<Rows>,
}

#[derive(Default)]
struct Partition {
    account: Account,
    /// Meanings by identity.
    counted: HashMap<u128, u128>,
    newest_us: Option<i64>,
    first_timestamp_ms: Option<i64>,
    windows: OpenWindows,
    dead_letters: BTreeMap<i64, Rejection>,
}

/// What the tables must hold.
#[derive(Debug)]
pub struct Expected {
    pub(crate) sets: Vec<GroupingSet>,
    pub(crate) zone: jiff::tz::TimeZone,
    pub(crate) cells: Vec<Rows>,
    /// By partition.
    pub accounts: BTreeMap<i32, Account>,
    /// By partition and offset.
    pub dead_letters: BTreeMap<(i32, i64), Rejection>,
    /// When the topic no longer holds a partition's beginning: events up to this instant (microseconds since 1970) may have
    /// been lost to the recount, so windows that begin at or before it are known only in part.
    pub partial_until: Option<i64>,
}

impl<'a> Recount<'a> {
    /// `event_schemas` are the schemas that single-object Avro may name; `lookup` asks the registry for an id's schema text
    /// (`Ok(None)`: there is none, or no registry is configured).
    ///
    /// # Errors
    /// [`AuditError::Schema`]
    pub fn new(
        rules: Rules,
        event_schemas: &[&str],
        lookup: impl FnMut(u32) -> Result<Option<String>, String> + 'a,
    ) -> Result<Self, AuditError> {
        let cells = vec![Rows::new(); rules.sets.len()];
        Ok(Recount { schemas: Schemas::new(event_schemas, Box::new(lookup))?, rules, partitions: BTreeMap::new(), cells })
    }

    /// Says at which offset a partition begins, before its first message (else it begins with that).
    pub fn begin(&mut self, partition: i32, first_offset: i64) {
        self.partitions.entry(partition).or_insert_with(|| Partition::starting_at(first_offset));
    }

    /// Says at which offset a partition ends: what follows its last message are control records.
    pub fn end(&mut self, partition: i32, next_offset: i64) {
        self.partitions.entry(partition).or_insert_with(|| Partition::starting_at(next_offset)).account.skip_to(next_offset);
    }

    /// Takes the next message of its partition.
    ///
    /// # Errors
    /// [`AuditError::Order`], [`AuditError::Registry`]. What is wrong with the message is an [`Outcome`].
    pub fn take(&mut self, message: &Message) -> Result<Outcome, AuditError> {
        let partition = self.partitions.entry(message.partition).or_insert_with(|| Partition::starting_at(message.offset));
        if message.offset < partition.account.next_offset {
            let before = partition.account.next_offset - 1;
            return Err(AuditError::Order { partition: message.partition, found: message.offset, before });
        }
        partition.first_timestamp_ms.get_or_insert(message.timestamp_ms);
        let outcome = match read(message, &mut self.schemas)?.and_then(|event| accept(event, message, &self.rules)) {
            Err(rejection) => Outcome::Rejected(rejection),
            Ok((event, price)) => {
                let outcome = partition.judge(&event, self.rules.horizon_us());
                if outcome == Outcome::Counted {
                    partition.count(&event, &price, &self.rules, &mut self.cells);
                }
                outcome
            }
        };
        partition.account.record(message.offset, &outcome);
        let refusal = match &outcome {
            Outcome::Rejected(rejection) => Some(rejection.clone()),
            other => other.reason().map(|reason| Rejection { reason, detail: String::new() }),
        };
        partition.dead_letters.extend(refusal.map(|rejection| (message.offset, rejection)));
        Ok(outcome)
    }

    /// What the tables must hold after these messages.
    pub fn finish(self) -> Expected {
        let cut = self.partitions.values().filter(|p| p.account.first_offset > 0);
        let partial_until =
            cut.filter_map(|p| p.first_timestamp_ms).max().map(|ms| ms.saturating_mul(1000).saturating_add(self.rules.future_us()));
        let accounts = self.partitions.iter().map(|(number, p)| (*number, p.account)).collect();
        let letters = self.partitions.into_iter().flat_map(|(number, p)| p.dead_letters.into_iter().map(move |(at, r)| ((number, at), r)));
        Expected {
            dead_letters: letters.collect(),
            accounts,
            sets: self.rules.sets,
            zone: self.rules.zone,
            cells: self.cells,
            partial_until,
        }
    }
}

/// Decodes and checks a message; the outer error is one of a system outside.
fn read(message: &Message, schemas: &mut Schemas<'_>) -> Result<Result<Event, Rejection>, AuditError> {
    let reject = |reason, detail: &str| Ok(Err(Rejection::new(reason, detail)));
    let Some(payload) = message.payload.as_deref() else { return reject("tombstone", "no payload") };
    let content_type = match cloudevent::header(message, "content-type") {
        Ok(value) => value.unwrap_or_default().to_ascii_lowercase(),
        Err(rejection) => return Ok(Err(rejection)),
    };
    if payload.is_empty() {
        return reject("empty_payload", "0 bytes");
    }
    if payload.len() > MAX_PAYLOAD {
        return reject("too_large", &format!("{} bytes", payload.len()));
    }
    let is_envelope = content_type.starts_with("application/cloudevents+json");
    if content_type.starts_with("application/cloudevents") && !is_envelope {
        return reject("unsupported_cloudevent", &content_type);
    }
    let is_binary_event =
        message.headers.iter().any(|(name, _)| ["ce_specversion", "ce_id", "ce_source", "ce_time"].contains(&name.as_str()));
    let members = match payload {
        [0, ..] => schemas.confluent(payload)?,
        [0xc3, 1, ..] => schemas.single_object(payload),
        [0xef, 0xbb, 0xbf, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => Err(Rejection::new("byte_order_mark", "of UTF-8 or UTF-16")),
        _ => match payload.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') | None => json::object(payload),
            Some(byte) => Err(Rejection::new("unknown_format", format!("begins with the byte {byte:#04x}"))),
        },
    };
    let opened = members.and_then(|members| {
        if is_binary_event && !is_envelope {
            cloudevent::binary(message, members)
        } else if is_envelope || cloudevent::is_structured(&members) {
            cloudevent::structured(members)
        } else {
            Ok(members)
        }
    });
    Ok(opened.and_then(Event::read))
}

/// The checks that need the price book and the record's Kafka timestamp.
fn accept(event: Event, message: &Message, rules: &Rules) -> Result<(Event, Price), Rejection> {
    if event.occurred_at_us > message.timestamp_ms.saturating_mul(1000).saturating_add(rules.future_us()) {
        return Err(Rejection::new("occurred_at_in_future", crate::instant::show(event.occurred_at_us)));
    }
    let price = price(&event, &rules.book, rules.reported_first)?;
    Ok((event, price))
}

impl Partition {
    fn starting_at(offset: i64) -> Self {
        Partition { account: Account::starting_at(offset), ..Partition::default() }
    }

    /// Late, then duplicate or conflict; a counted event takes the id.
    fn judge(&mut self, event: &Event, horizon_us: i64) -> Outcome {
        if self.newest_us.is_some_and(|newest_us| event.occurred_at_us < newest_us.saturating_sub(horizon_us)) {
            return Outcome::Late;
        }
        let meaning = meaning::meaning(event);
        match self.counted.insert(meaning::identity(event), meaning) {
            None => Outcome::Counted,
            Some(first) if first == meaning => Outcome::Duplicate,
            Some(first) => {
                self.counted.insert(meaning::identity(event), first);
                Outcome::Conflict
            }
        }
    }

    /// Adds an event to its rows and moves the horizon.
    fn count(&mut self, event: &Event, price: &Price, rules: &Rules, cells: &mut [Rows]) {
        let quarter_s = event.occurred_at_us.div_euclid(900_000_000) * 900;
        let measures = Measures::of(event, price);
        self.windows.open(quarter_s, self.newest_us, rules.sets.len(), &rules.limits);
        for (number, set) in rules.sets.iter().enumerate() {
            if !set.filter.iter().all(|(name, values)| values.iter().any(|value| value == event.dimension(name))) {
                continue;
            }
            let key: Key = set.key.iter().map(|name| event.dimension(name).to_owned()).collect();
            let key = self.windows.row_of(quarter_s, number, set, key);
            cells[number].entry((quarter_s, key)).and_modify(|sum| sum.add(&measures)).or_insert_with(|| measures.clone());
        }
        if self.newest_us.is_none_or(|newest_us| event.occurred_at_us > newest_us) {
            self.newest_us = Some(event.occurred_at_us);
            self.windows.advance(event.occurred_at_us, &rules.limits);
        }
    }
}

impl Expected {
    /// The rows of one view.
    pub(crate) fn rows(&self, set: usize, granularity: Granularity) -> Rows {
        let mut rows = Rows::new();
        for ((quarter_s, key), measures) in &self.cells[set] {
            let Some(start_s) = granularity.start_s(quarter_s * 1_000_000, &self.zone) else { continue };
            rows.entry((start_s, key.clone())).and_modify(|sum| sum.add(measures)).or_insert_with(|| measures.clone());
        }
        rows
    }

    /// The row of a view by the set's name, the window's start (seconds since 1970) and the values of its dimensions.
    pub fn row(&self, granularity: Granularity, set: &str, start_s: i64, key: &[&str]) -> Option<Measures> {
        let set = self.sets.iter().position(|s| s.name == set)?;
        self.rows(set, granularity).remove(&(start_s, key.iter().map(|k| (*k).to_owned()).collect()))
    }

    /// All rows of a view, by the set's name: window start (seconds since 1970) and dimensions, with their measures.
    pub fn views_of(&self, set: &str, granularity: Granularity) -> impl Iterator<Item = ((i64, Vec<String>), Measures)> {
        let number = self.sets.iter().position(|s| s.name == set);
        number.map(|number| self.rows(number, granularity)).unwrap_or_default().into_iter()
    }

    /// The cost of everything that was counted (of the first grouping set, which holds all events by default).
    pub fn total_cost(&self) -> Decimal {
        let mut total = Decimal::default();
        for measures in self.cells.first().into_iter().flat_map(BTreeMap::values) {
            total += &measures.cost;
        }
        total
    }
}
