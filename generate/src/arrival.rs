//! When events happen: a fixed rate, or the hourly shape of a real service over a span.

use schemas::Timestamp;
use schemas::timestamp::HOUR_US;

/// Spreads events over a span, as many to each hour as the shape says.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    start: Timestamp,
    /// Running sums of weights at the ends of pieces of the span.
    ends: Vec<(i64, u64)>,
    events: u64,
}

impl Arrival {
    /// `hourly` are the weights of the hours of two weeks; the span ends where they end.
    pub(crate) fn new(start: Timestamp, span_us: i64, events: u64, hourly: &[u64]) -> Self {
        let pieces = ((span_us + HOUR_US - 1) / HOUR_US).max(1);
        let mut ends = Vec::new();
        let mut sum = 0;
        for piece in 0..pieces {
            let from_end = (pieces - 1 - piece) as usize % hourly.len().max(1);
            let weight = hourly.get(hourly.len().wrapping_sub(1 + from_end)).copied().unwrap_or(1);
            let length_us = HOUR_US.min(span_us - piece * HOUR_US).max(1);
            sum += (weight * length_us.unsigned_abs() / 3_600_000).max(1);
            ends.push((piece * HOUR_US + length_us, sum));
        }
        Arrival { start, ends, events: events.max(1) }
    }

    /// The time of the event with this number.
    pub(crate) fn at(&self, number: u64) -> Timestamp {
        let total = self.ends.last().map_or(1, |(_, sum)| *sum);
        let weight = (u128::from(number.min(self.events - 1)) * u128::from(total) / u128::from(self.events)) as u64;
        let piece = self.ends.partition_point(|(_, sum)| *sum <= weight).min(self.ends.len() - 1);
        let (end_us, end_sum) = self.ends[piece];
        let (start_us, start_sum) = if piece == 0 { (0, 0) } else { self.ends[piece - 1] };
        let within = u128::from(weight - start_sum) * (end_us - start_us).unsigned_abs() as u128 / u128::from(end_sum - start_sum);
        self.start.plus(start_us + within as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_spread_by_weight_and_in_order() {
        let arrival = Arrival::new(Timestamp::from_micros(0), 2 * HOUR_US, 400, &[1, 3]);
        let times: Vec<i64> = (0..400).map(|n| arrival.at(n).micros()).collect();
        assert!(times.is_sorted() && times[399] < 2 * HOUR_US);
        assert_eq!(times.iter().filter(|t| **t < HOUR_US).count(), 100);
    }
}
