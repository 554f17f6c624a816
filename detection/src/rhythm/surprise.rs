//! Entropy: how unpredictable are the deviations? And how many of them were there?

use serde::{Deserialize, Serialize};

use super::memory::Memory;

/// Below this share of the level both amounts are dust.
const DUST_SHARE: f64 = 0.02;
/// What an hour of dust counts: it came as expected, but says little.
const DUST_WEIGHT: f64 = 0.05;
/// No hour counts for more than this many average ones.
const HEAVIEST: f64 = 3.0;
/// A deviation that comes back within this many hours has not ended.
const EPISODE_GAP_H: u8 = 6;
/// Money astray, in average hours, that makes a whole episode of a deviation. Blips in quiet hours are fractions of one.
const WHOLE_EPISODE_H: f64 = 6.0;

/// An amount beside its expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Symbol {
    /// Below half of it.
    Less,
    /// Within a factor of two.
    AsExpected,
    /// Above double.
    More,
}

/// The symbol of an hour (or day) and how much it counts.
pub(crate) fn symbol(actual: f64, expected: f64, level: f64) -> (Symbol, f64) {
    let dust = DUST_SHARE * level;
    let larger = actual.max(expected);
    if larger <= dust {
        return (Symbol::AsExpected, DUST_WEIGHT);
    }
    let ratio = actual.max(dust / 4.0) / expected.max(dust / 4.0);
    let symbol = if ratio < 0.5 {
        Symbol::Less
    } else if ratio > 2.0 {
        Symbol::More
    } else {
        Symbol::AsExpected
    };
    (symbol, (larger / level.max(1e-12)).min(HEAVIEST))
}

/// Remembered weights of the three symbols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Surprise {
    weights: [f64; 3],
}

impl Surprise {
    pub(crate) fn close(&mut self, memory: Memory, symbol: Symbol, weight: f64) {
        for sum in &mut self.weights {
            *sum *= memory.keep();
        }
        self.weights[symbol as usize] += memory.share() * weight;
    }

    /// Shannon entropy of the symbols, 0 (always the same) to 1 (all three alike).
    pub(crate) fn entropy(&self) -> Option<f64> {
        let total: f64 = self.weights.iter().sum();
        if total <= 0.0 {
            return None;
        }
        let shares = self.weights.iter().map(|weight| weight / total).filter(|share| *share > 0.0);
        let nats: f64 = shares.map(|share| -share * share.ln()).sum();
        Some((nats / 3_f64.ln()).max(0.0))
    }
}

/// How many separate deviations there were lately. A job that moved makes two (missing here, extra there), however many hours each takes; chaos makes dozens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episodes {
    /// Decayed with a half-life of 4 days.
    count: f64,
    /// The side of the latest one.
    side: Option<Symbol>,
    /// Money astray in the latest one, currency units.
    astray: f64,
    /// What the latest one has added.
    counted: f64,
    quiet_h: u8,
}

impl Episodes {
    /// `astray` is how far the hour is from its expectation, `level` an average hour.
    pub(crate) fn close_hour(&mut self, symbol: Symbol, astray: f64, level: f64) {
        self.count *= Memory::DAYS_4.keep();
        if symbol == Symbol::AsExpected {
            self.quiet_h = self.quiet_h.saturating_add(1);
            return;
        }
        if self.side != Some(symbol) || self.quiet_h >= EPISODE_GAP_H {
            self.side = Some(symbol);
            self.astray = 0.0;
            self.counted = 0.0;
        }
        self.quiet_h = 0;
        self.astray += astray;
        let grown = (self.astray / (WHOLE_EPISODE_H * level).max(1e-12)).min(1.0).max(self.counted);
        self.count += grown - self.counted;
        self.counted = grown;
    }

    pub(crate) fn count(&self) -> f64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_double_are_still_as_expected() {
        assert_eq!(symbol(5.0, 10.0, 10.0).0, Symbol::AsExpected);
        assert_eq!(symbol(20.0, 10.0, 10.0).0, Symbol::AsExpected);
        assert_eq!(symbol(4.999, 10.0, 10.0).0, Symbol::Less);
        assert_eq!(symbol(20.001, 10.0, 10.0).0, Symbol::More);
    }

    #[test]
    fn two_amounts_of_dust_are_alike_and_count_little() {
        assert_eq!(symbol(0.0, 0.2, 10.0), (Symbol::AsExpected, 0.05));
    }

    #[test]
    fn a_deviation_of_a_day_is_one_episode_and_alternation_is_many() {
        let mut one = Episodes::default();
        let mut many = Episodes::default();
        for hour in 0..24 {
            one.close_hour(Symbol::Less, 30.0, 5.0);
            many.close_hour(if hour % 2 == 0 { Symbol::Less } else { Symbol::More }, 30.0, 5.0);
        }
        assert!((0.8..=1.0).contains(&one.count()), "{}", one.count());
        assert!(many.count() > 20.0, "{}", many.count());
    }

    #[test]
    fn blips_in_quiet_hours_are_fractions_of_an_episode() {
        let mut blips = Episodes::default();
        for hour in 0..24 {
            blips.close_hour(if hour % 2 == 0 { Symbol::Less } else { Symbol::More }, 0.3, 5.0);
        }
        assert!(blips.count() < 0.3, "{}", blips.count());
    }
}
