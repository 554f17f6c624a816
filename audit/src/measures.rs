//! The columns of a view.

use crate::pricing::Price;
use crate::{Decimal, Event, Kind};

/// Sums over events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Counts and sums by [`COUNTS`].
    pub(crate) counts: [i128; COUNTS.len()],
    /// US dollars.
    pub cost: Decimal,
    /// US dollars.
    pub revenue: Decimal,
    /// Largest latency, milliseconds.
    pub latency_ms_max: u64,
    /// Microseconds since 1970.
    pub first_event_at_us: i64,
    /// Microseconds since 1970.
    pub last_event_at_us: i64,
}

/// Columns that are plain sums of whole numbers, in their order in [`Measures`].
pub(crate) const COUNTS: [&str; 11] = [
    "events",
    "calls",
    "errors",
    "unpriced_events",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "latency_count",
    "latency_ms_sum",
];

/// All compared columns with the SQL that makes their text.
pub(crate) const COLUMNS: [(&str, &str); 16] = [
    ("events", "toString(events)"),
    ("calls", "toString(calls)"),
    ("errors", "toString(errors)"),
    ("unpriced_events", "toString(unpriced_events)"),
    ("uncached_input_tokens", "toString(uncached_input_tokens)"),
    ("cache_read_tokens", "toString(cache_read_tokens)"),
    ("cache_write_tokens", "toString(cache_write_tokens)"),
    ("output_tokens", "toString(output_tokens)"),
    ("reasoning_tokens", "toString(reasoning_tokens)"),
    ("latency_count", "toString(latency_count)"),
    ("latency_ms_sum", "toString(latency_ms_sum)"),
    ("latency_ms_max", "toString(latency_ms_max)"),
    ("cost", "toString(cost)"),
    ("revenue", "toString(revenue)"),
    ("first_event_at", "toString(toUnixTimestamp64Micro(first_event_at))"),
    ("last_event_at", "toString(toUnixTimestamp64Micro(last_event_at))"),
];

impl Measures {
    /// Of one event.
    pub(crate) fn of(event: &Event, price: &Price) -> Self {
        let tokens = &event.tokens;
        let yes = |condition: bool| i128::from(condition);
        Measures {
            counts: [
                1,
                yes(event.kind == Kind::Llm),
                yes(event.is_error()),
                yes(price.cost.is_none()),
                tokens.uncached_input.into(),
                tokens.cache_read.into(),
                i128::from(tokens.cache_write_5m) + i128::from(tokens.cache_write_1h),
                tokens.output.into(),
                tokens.reasoning.into(),
                yes(event.latency_ms.is_some()),
                event.latency_ms.unwrap_or(0).into(),
            ],
            cost: price.cost.clone().unwrap_or_default(),
            revenue: price.revenue.clone(),
            latency_ms_max: event.latency_ms.unwrap_or(0),
            first_event_at_us: event.occurred_at_us,
            last_event_at_us: event.occurred_at_us,
        }
    }

    /// Adds what another stands for; both stand for at least one event.
    pub(crate) fn add(&mut self, other: &Measures) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
        self.cost += &other.cost;
        self.revenue += &other.revenue;
        self.latency_ms_max = self.latency_ms_max.max(other.latency_ms_max);
        self.first_event_at_us = self.first_event_at_us.min(other.first_event_at_us);
        self.last_event_at_us = self.last_event_at_us.max(other.last_event_at_us);
    }

    /// A column that is a count or a sum of whole numbers, by its name.
    pub fn count(&self, column: &str) -> Option<i128> {
        COUNTS.iter().position(|name| *name == column).map(|at| self.counts[at])
    }

    /// The text of all columns in the order of [`COLUMNS`].
    pub(crate) fn texts(&self) -> Vec<String> {
        let rest = [
            self.latency_ms_max.to_string(),
            self.cost.to_string(),
            self.revenue.to_string(),
            self.first_event_at_us.to_string(),
            self.last_event_at_us.to_string(),
        ];
        self.counts.iter().map(ToString::to_string).chain(rest).collect()
    }
}
