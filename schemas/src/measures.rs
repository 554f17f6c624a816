//! What is summed up for every window and series.

use serde::{Deserialize, Serialize};

use crate::{Event, Kind, Money, Timestamp};

/// The value of a cell or rollup. Sums of counts are 128 bits wide, so that no number of accepted events overflows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measures {
    /// Counted events.
    pub events: u64,
    /// Events of kind `llm`.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Events whose cost is not known.
    pub unpriced_events: u64,
    /// Input tokens outside caches.
    pub uncached_input_tokens: i128,
    /// Input tokens read from a cache.
    pub cache_read_tokens: i128,
    /// Input tokens written to a cache.
    pub cache_write_tokens: i128,
    /// Output tokens without reasoning.
    pub output_tokens: i128,
    /// Reasoning tokens.
    pub reasoning_tokens: i128,
    /// US dollars.
    pub cost: Money,
    /// The part of `cost` that lowers it (credits, negative adjustments): zero or negative, US dollars.
    pub credit: Money,
    /// US dollars.
    pub revenue: Money,
    /// Events with a latency.
    pub latency_count: u64,
    /// Their latencies' sum, milliseconds.
    pub latency_ms_sum: i128,
    /// The largest, milliseconds.
    pub latency_ms_max: u64,
    /// Earliest event time.
    pub first_event_at: Timestamp,
    /// Latest event time.
    pub last_event_at: Timestamp,
}

/// Most events in one cell: 10^11 events of at most 10^9 US dollars are 10^20, the limit of `Decimal(38, 18)`.
pub const MAX_EVENTS: u64 = 90_000_000_000;

/// A sum of money does not fit 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sum of money overflows 128 bits at scale 18")]
pub struct Overflow;

/// A value that should have grown has shrunk: not two values of the same cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cumulative value went down: it was not written by the same rules over the same log")]
pub struct NotLater;

/// What pricing made of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// US dollars; zero when unpriced.
    pub cost: Money,
    /// US dollars.
    pub revenue: Money,
    /// Is the cost unknown?
    pub unpriced: bool,
}

impl Measures {
    /// Of no event: neutral for [`Measures::merge`].
    pub const EMPTY: Measures = Measures {
        events: 0,
        calls: 0,
        errors: 0,
        unpriced_events: 0,
        uncached_input_tokens: 0,
        cache_read_tokens: 0,
        cache_write_tokens: 0,
        output_tokens: 0,
        reasoning_tokens: 0,
        cost: Money::ZERO,
        credit: Money::ZERO,
        revenue: Money::ZERO,
        latency_count: 0,
        latency_ms_sum: 0,
        latency_ms_max: 0,
        first_event_at: Timestamp::from_micros(i64::MAX),
        last_event_at: Timestamp::from_micros(i64::MIN),
    };

    /// Of one event.
    pub fn of(event: &Event<'_>, priced: &Priced) -> Self {
        let tokens = &event.tokens;
        Measures {
            events: 1,
            calls: u64::from(event.kind == Kind::Llm),
            errors: u64::from(event.is_error()),
            unpriced_events: u64::from(priced.unpriced),
            uncached_input_tokens: tokens.uncached_input.into(),
            cache_read_tokens: tokens.cache_read.into(),
            cache_write_tokens: (tokens.cache_write_5m + tokens.cache_write_1h).into(),
            output_tokens: tokens.output.into(),
            reasoning_tokens: tokens.reasoning.into(),
            cost: priced.cost,
            credit: if priced.cost.is_negative() { priced.cost } else { Money::ZERO },
            revenue: priced.revenue,
            latency_count: u64::from(event.latency_ms.is_some()),
            latency_ms_sum: event.latency_ms.unwrap_or(0).into(),
            latency_ms_max: event.latency_ms.unwrap_or(0),
            first_event_at: event.occurred_at,
            last_event_at: event.occurred_at,
        }
    }

    /// Adds what another stands for.
    ///
    /// # Errors
    /// [`Overflow`] of a sum of money; `self` is then unchanged.
    #[inline]
    pub fn merge(&mut self, other: &Measures) -> Result<(), Overflow> {
        for (sum, more) in [(self.cost, other.cost), (self.credit, other.credit), (self.revenue, other.revenue)] {
            sum.checked_add(more).ok_or(Overflow)?;
        }
        self.add_bounded(other);
        Ok(())
    }

    /// Adds one event's measures to a sum of fewer than [`MAX_EVENTS`], which cannot overflow because an event's money is
    /// bounded (10^9 US dollars).
    #[inline]
    pub fn add_bounded(&mut self, other: &Measures) {
        let add = |a: Money, b: Money| Money::from_units(a.units() + b.units());
        self.events += other.events;
        self.calls += other.calls;
        self.errors += other.errors;
        self.unpriced_events += other.unpriced_events;
        self.uncached_input_tokens += other.uncached_input_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.cost = add(self.cost, other.cost);
        self.credit = add(self.credit, other.credit);
        self.revenue = add(self.revenue, other.revenue);
        self.latency_count += other.latency_count;
        self.latency_ms_sum += other.latency_ms_sum;
        self.latency_ms_max = self.latency_ms_max.max(other.latency_ms_max);
        self.first_event_at = self.first_event_at.min(other.first_event_at);
        self.last_event_at = self.last_event_at.max(other.last_event_at);
    }

    /// What was added since `earlier`, an earlier value of the same growing cell: merging it into a total that holds
    /// `earlier` makes the total hold `self`.
    ///
    /// # Errors
    /// [`NotLater`] when a count would go down: then `earlier` is no earlier value of this cell.
    pub fn since(&self, earlier: &Measures) -> Result<Measures, NotLater> {
        Ok(Measures {
            events: self.events.checked_sub(earlier.events).ok_or(NotLater)?,
            calls: self.calls.checked_sub(earlier.calls).ok_or(NotLater)?,
            errors: self.errors.checked_sub(earlier.errors).ok_or(NotLater)?,
            unpriced_events: self.unpriced_events.checked_sub(earlier.unpriced_events).ok_or(NotLater)?,
            uncached_input_tokens: self.uncached_input_tokens - earlier.uncached_input_tokens,
            cache_read_tokens: self.cache_read_tokens - earlier.cache_read_tokens,
            cache_write_tokens: self.cache_write_tokens - earlier.cache_write_tokens,
            output_tokens: self.output_tokens - earlier.output_tokens,
            reasoning_tokens: self.reasoning_tokens - earlier.reasoning_tokens,
            cost: self.cost.checked_sub(earlier.cost).ok_or(NotLater)?,
            credit: self.credit.checked_sub(earlier.credit).ok_or(NotLater)?,
            revenue: self.revenue.checked_sub(earlier.revenue).ok_or(NotLater)?,
            latency_count: self.latency_count.checked_sub(earlier.latency_count).ok_or(NotLater)?,
            latency_ms_sum: self.latency_ms_sum - earlier.latency_ms_sum,
            // Extremes only move outwards, so the newer one serves.
            latency_ms_max: self.latency_ms_max,
            first_event_at: self.first_event_at,
            last_event_at: self.last_event_at,
        })
    }
}

impl Default for Measures {
    fn default() -> Self {
        Self::EMPTY
    }
}
