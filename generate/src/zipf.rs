//! Zipf's law with exponent 1: rank k comes 1/k as often as rank 1. Only additions and divisions, so that it is the same on
//! every machine.

use crate::random::Random;

/// Draws ranks.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    /// Running sums of 1/k.
    sums: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(ranks: u32) -> Self {
        let sums = (1..=ranks.max(1)).scan(0.0, |sum, k| {
            *sum += 1.0 / f64::from(k);
            Some(*sum)
        });
        Zipf { sums: sums.collect() }
    }

    /// From 1.
    pub(crate) fn rank(&self, random: &mut Random) -> u32 {
        let total = self.sums.last().copied().unwrap_or(1.0);
        let at = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        self.sums.partition_point(|sum| *sum < at).min(self.sums.len() - 1) as u32 + 1
    }
}
