//! A cell's sums, narrow: what 64 bits hold. So a cell takes three cache lines, and adding to it a few instructions.

use schemas::measures::Priced;
use schemas::tokens::MAX_TOKENS;
use schemas::{Bucket, Event, Kind, Measures, Money, Timestamp};

use super::series::SeriesId;

/// Events after which narrow sums must be carried over into wide ones.
pub(super) const CARRY_EVENTS: u32 = 1 << 20;

/// Most of one kind of tokens, or of milliseconds, that one event has: a disjoint count is made of four reported ones at most.
const MOST: i64 = 4 * MAX_TOKENS;
const _: () = assert!(MOST.checked_mul(CARRY_EVENTS as i64).is_some(), "64 bits hold what is summed between two carries");

/// Uncached input, cache read, cache write, output and reasoning tokens, and milliseconds of latency.
type Counts = [i64; 6];

/// What one event adds to each of its cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Increment {
    /// Microseconds since its bucket's start.
    at: u32,
    calls: u32,
    errors: u32,
    unpriced_events: u32,
    latency_count: u32,
    counts: Counts,
    cost: i128,
    credit: i128,
    revenue: i128,
}

impl Increment {
    pub(super) fn of(event: &Event<'_>, priced: &Priced) -> Self {
        let tokens = &event.tokens;
        Increment {
            // A bucket's 900 seconds are fewer microseconds than 2^32.
            at: (event.occurred_at.micros() - Bucket::of(event.occurred_at).start().micros()) as u32,
            calls: u32::from(event.kind == Kind::Llm),
            errors: u32::from(event.is_error()),
            unpriced_events: u32::from(priced.unpriced),
            latency_count: u32::from(event.latency_ms.is_some()),
            counts: [
                tokens.uncached_input,
                tokens.cache_read,
                tokens.cache_write_5m + tokens.cache_write_1h,
                tokens.output,
                tokens.reasoning,
                event.latency_ms.unwrap_or(0).cast_signed(),
            ],
            cost: priced.cost.units(),
            credit: priced.cost.units().min(0),
            revenue: priced.revenue.units(),
        }
    }
}

/// The sums of one series in one bucket, of at most [`CARRY_EVENTS`] events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) series: SeriesId,
    /// Input offset after the last event in it; 0 before the first.
    pub(super) version: i64,
    pub(super) events: u32,
    calls: u32,
    errors: u32,
    unpriced_events: u32,
    latency_count: u32,
    /// Microseconds since the bucket's start.
    first_event_at: u32,
    last_event_at: u32,
    counts: Counts,
    latency_ms_max: u64,
    cost: i128,
    credit: i128,
    revenue: i128,
}

impl Cell {
    /// Of no event that is in these sums.
    pub(super) const fn empty(series: SeriesId, version: i64) -> Self {
        Cell {
            series,
            version,
            events: 0,
            calls: 0,
            errors: 0,
            unpriced_events: 0,
            latency_count: 0,
            first_event_at: u32::MAX,
            last_event_at: 0,
            counts: [0; 6],
            latency_ms_max: 0,
            cost: 0,
            credit: 0,
            revenue: 0,
        }
    }

    /// The same sums for a series that was numbered anew.
    pub(super) const fn numbered(self, series: SeriesId) -> Self {
        Cell { series, ..self }
    }

    /// Adds an event, for which there must be room.
    #[inline]
    pub(super) fn add(&mut self, version: i64, event: &Increment) {
        self.version = version;
        self.events += 1;
        self.calls += event.calls;
        self.errors += event.errors;
        self.unpriced_events += event.unpriced_events;
        self.latency_count += event.latency_count;
        self.first_event_at = self.first_event_at.min(event.at);
        self.last_event_at = self.last_event_at.max(event.at);
        for (sum, more) in self.counts.iter_mut().zip(event.counts) {
            *sum += more;
        }
        self.latency_ms_max = self.latency_ms_max.max(event.counts[5].cast_unsigned());
        self.cost += event.cost;
        // Most events have neither.
        if event.credit != 0 || event.revenue != 0 {
            self.credit += event.credit;
            self.revenue += event.revenue;
        }
    }

    /// The sums as they are published.
    pub(super) fn measures(&self, bucket: Bucket) -> Measures {
        if self.events == 0 {
            return Measures::EMPTY;
        }
        let [uncached_input, cache_read, cache_write, output, reasoning, latency_ms] = self.counts.map(i128::from);
        Measures {
            events: self.events.into(),
            calls: self.calls.into(),
            errors: self.errors.into(),
            unpriced_events: self.unpriced_events.into(),
            uncached_input_tokens: uncached_input,
            cache_read_tokens: cache_read,
            cache_write_tokens: cache_write,
            output_tokens: output,
            reasoning_tokens: reasoning,
            cost: Money::from_units(self.cost),
            credit: Money::from_units(self.credit),
            revenue: Money::from_units(self.revenue),
            latency_count: self.latency_count.into(),
            latency_ms_sum: latency_ms,
            latency_ms_max: self.latency_ms_max,
            first_event_at: bucket.start().plus(self.first_event_at.into()),
            last_event_at: bucket.start().plus(self.last_event_at.into()),
        }
    }

    /// A cell of these sums; `None` when they are those of more than [`CARRY_EVENTS`] events, or otherwise too wide for it.
    pub(super) fn of_measures(series: SeriesId, version: i64, wide: &Measures, bucket: Bucket) -> Option<Self> {
        let events = u32::try_from(wide.events).ok().filter(|events| (1..=CARRY_EVENTS).contains(events))?;
        let count = |count: u64| u32::try_from(count).ok().filter(|count| *count <= events);
        let most = MOST.unsigned_abs() * u64::from(events);
        let sum = |sum: i128| i64::try_from(sum).ok().filter(|sum| sum.unsigned_abs() <= most);
        let at = |at: Timestamp| u32::try_from(at.micros() - bucket.start().micros()).ok();
        Some(Cell {
            series,
            version,
            events,
            calls: count(wide.calls)?,
            errors: count(wide.errors)?,
            unpriced_events: count(wide.unpriced_events)?,
            latency_count: count(wide.latency_count)?,
            first_event_at: at(wide.first_event_at)?,
            last_event_at: at(wide.last_event_at)?,
            counts: [
                sum(wide.uncached_input_tokens)?,
                sum(wide.cache_read_tokens)?,
                sum(wide.cache_write_tokens)?,
                sum(wide.output_tokens)?,
                sum(wide.reasoning_tokens)?,
                sum(wide.latency_ms_sum)?,
            ],
            latency_ms_max: wide.latency_ms_max,
            cost: wide.cost.units(),
            credit: wide.credit.units(),
            revenue: wide.revenue.units(),
        })
    }
}
