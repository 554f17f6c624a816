//! How rare a statistic's value is among its own past: a decaying histogram whose bins are as wide as their values are large.
//!
//! The p-value is the mid-rank of conformal prediction (Vovk et al., "Algorithmic Learning in a Random World"), with three additions: the past decays; beyond the
//! largest value seen it falls by a cubic law, so that twice and ten times the largest differ; and for spend a prior of heavy-tailed standardised values counts as
//! so many points, so that the first hours are judged at all and a short calm past does not make every ripple unheard of.

use serde::{Deserialize, Serialize};

use super::arithmetic::log10;

/// Mantissa bits of a bin's number: 8 bins in an octave, 6.7 to 12.5 % wide.
const BITS: u32 = 3;
/// Bins of a block, and blocks: from 2^-20 to 2^8 (statistics are in standard deviations or the like).
const BLOCK: usize = 16;
const BLOCKS: usize = 14;
/// Number of the first bin: exponent -20 of an IEEE double, with its mantissa bits.
const FIRST: u64 = (1023 - 20) << BITS;
/// Memory in points: a value's weight falls to 37 % after so many.
const MEMORY: f64 = 20_000.0;
/// Weights are brought down to 1 again at this one, long before single precision ends.
const LARGEST_WEIGHT: f64 = 65_536.0;
/// Sizes below count as this one where a ratio is taken.
const LEAST: f64 = 1e-3;
/// Degrees of freedom of the prior, a Student-like tail.
const PRIOR_FREEDOM: f64 = 3.0;

/// What is known before the first value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Prior {
    /// Nothing: silent for so many points.
    WarmUp(u32),
    /// As if so many points of this scale had been seen.
    Points { count: f64, scale: f64 },
}

/// One statistic's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rarity {
    /// Weight of the newest value; grows instead of all others shrinking.
    weight: f64,
    total: f64,
    seen: u32,
    above: Side,
    below: Side,
}

/// Values of one sign, by size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Side {
    /// Largest size, slowly forgotten.
    largest: f64,
    /// Only those that have a value.
    blocks: [Option<Box<Block>>; BLOCKS],
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    sum: f32,
    #[serde(with = "super::packed")]
    bins: [f32; BLOCK],
}

impl Rarity {
    /// -log10 of the probability of a value at least as large, with its sign; 0 while nothing can be said.
    pub(super) fn evidence(&self, value: f64, prior: Prior) -> f64 {
        let size = value.abs();
        let side = if value < 0.0 { &self.below } else { &self.above };
        let (expected, prior_points) = match prior {
            Prior::WarmUp(points) if self.seen < points => return 0.0,
            Prior::WarmUp(_) => (0.0, 0.0),
            Prior::Points { count, scale } => {
                let spread = 1.0 + size * size / (scale * scale * PRIOR_FREEDOM);
                (0.5 * count / (spread * spread.sqrt()), count)
            }
        };
        // the value itself counts as half a point, less beyond the largest seen
        let mut own = if self.seen == 0 { 0.0 } else { 0.5 };
        if size > side.largest && size > LEAST {
            let ratio = side.largest.max(LEAST) / size;
            own *= ratio * ratio * ratio;
        }
        let weight = self.weight.max(1.0);
        let share = (side.beyond(bin(size)) / weight + expected + own) / (self.total / weight + prior_points + 1.0);
        -log10(share).min(0.0)
    }

    /// Remembers a value.
    pub(super) fn learn(&mut self, value: f64) {
        let size = value.abs();
        self.weight = self.weight.max(1.0) * (1.0 + 1.0 / MEMORY);
        self.total += self.weight;
        self.seen = self.seen.saturating_add(1);
        let weight = self.weight;
        let side = if value < 0.0 { &mut self.below } else { &mut self.above };
        side.add(bin(size), weight as f32);
        side.largest = (side.largest * (1.0 - 1.0 / MEMORY)).max(size);
        if weight > LARGEST_WEIGHT {
            self.above.scale(1.0 / weight as f32);
            self.below.scale(1.0 / weight as f32);
            self.total /= weight;
            self.weight = 1.0;
        }
    }
}

impl Side {
    /// Weight of all bins above this one and half of its own: at most `BLOCKS + BLOCK` additions.
    fn beyond(&self, bin: usize) -> f64 {
        let (block, place) = (bin / BLOCK, bin % BLOCK);
        let mut sum: f64 = self.blocks[block + 1..].iter().flatten().map(|block| f64::from(block.sum)).sum();
        if let Some(own) = &self.blocks[block] {
            sum += 0.5 * f64::from(own.bins[place]);
            sum += own.bins[place + 1..].iter().copied().map(f64::from).sum::<f64>();
        }
        sum
    }

    fn add(&mut self, bin: usize, weight: f32) {
        let block = self.blocks[bin / BLOCK].get_or_insert_default();
        block.bins[bin % BLOCK] += weight;
        block.sum += weight;
    }

    fn scale(&mut self, factor: f32) {
        for block in self.blocks.iter_mut().flatten() {
            block.sum *= factor;
            block.bins.iter_mut().for_each(|bin| *bin *= factor);
        }
    }
}

/// The bin of a size: exponent and first bits of the mantissa.
fn bin(size: f64) -> usize {
    let number = (size.to_bits() >> (52 - BITS)).saturating_sub(FIRST);
    (number as usize).min(BLOCK * BLOCKS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Prior = Prior::WarmUp(60);

    #[test]
    fn nothing_is_said_before_the_warm_up() {
        let mut rarity = Rarity::default();
        (0..59).for_each(|_| rarity.learn(1.0));
        assert!(rarity.evidence(100.0, SILENT).abs() < 1e-12);
        rarity.learn(1.0);
        assert!(rarity.evidence(100.0, SILENT) > 1.0);
    }

    #[test]
    fn the_rank_of_evenly_spread_values_is_their_share() {
        let mut rarity = Rarity::default();
        (1..=10_000).for_each(|value| rarity.learn(f64::from(value % 100 + 1) * if value % 2 == 0 { 1.0 } else { -1.0 }));
        // a tenth of the positive half is beyond 90
        assert!((rarity.evidence(90.0, SILENT) - 1.3).abs() < 0.1, "{}", rarity.evidence(90.0, SILENT));
        assert!(rarity.evidence(200.0, SILENT) > rarity.evidence(101.0, SILENT) + 0.5);
    }

    #[test]
    fn a_prior_speaks_from_the_first_value() {
        let prior = Prior::Points { count: 100.0, scale: 1.0 };
        let rarity = Rarity::default();
        assert!(rarity.evidence(20.0, prior) > 2.0);
        assert!(rarity.evidence(0.5, prior) < 0.5);
    }

    #[test]
    fn weights_brought_down_change_no_rank() {
        let mut rarity = Rarity::default();
        (0..250_000_u32).for_each(|value| rarity.learn(f64::from(value % 97)));
        let before = rarity.evidence(90.0, SILENT);
        let factor = 1.0 / rarity.weight;
        rarity.above.scale(factor as f32);
        (rarity.total, rarity.weight) = (rarity.total * factor, 1.0);
        assert!((rarity.evidence(90.0, SILENT) - before).abs() < 1e-5);
    }
}
