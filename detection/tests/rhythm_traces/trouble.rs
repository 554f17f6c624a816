//! Made series with one kind of trouble each. The randomness is a small generator of their own, so that every machine makes the same ones.

use detection::rhythm::{Judgement, State};

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in 0..1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, near enough: twelve uniform ones.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }
}

/// A job of `length_h` hours on one weekday over a small base, moved to another weekday after four weeks; seven weeks.
pub(crate) fn moved_weekly_job(from: usize, to: usize, length_h: usize, noise: f64) -> Vec<f64> {
    let mut dice = Dice((from * 100 + to * 10 + length_h) as u64);
    (0..7 * 168)
        .map(|hour| {
            let weekday = if hour < 4 * 168 { from } else { to };
            let runs = hour / 24 % 7 == weekday && hour % 24 < length_h;
            let spend = if runs { 10.0 } else { 0.5 };
            spend * (noise * dice.normal()).exp()
        })
        .collect()
}

/// A clean daily cycle of 60 days with one spike on day 26, at the given hour.
pub(crate) fn spiked(size: f64, hour: usize) -> Vec<f64> {
    let cycle = |at: usize| (-((at as f64 - 14.0) / 4.0).powi(2)).exp() * 10.0 + 0.5;
    (0..60 * 24).map(|at| cycle(at % 24) + if at == 26 * 24 + hour { size } else { 0.0 }).collect()
}

/// A job of one hour on each of the weekdays, at any hour of the day; `weeks` weeks.
pub(crate) fn job_at_any_hour(weekdays: &[usize], weeks: usize, seed: u64) -> Vec<f64> {
    let mut dice = Dice(seed);
    let mut spend = vec![0.0; weeks * 168];
    for week in 0..weeks {
        for weekday in weekdays {
            spend[week * 168 + weekday * 24 + dice.below(24)] = 20.0 * (0.2 * dice.normal()).exp();
        }
    }
    spend
}

/// Spend without any rhythm: lognormal, every hour on its own.
pub(crate) fn chaos(sigma: f64, hours: usize, seed: u64) -> Vec<f64> {
    let mut dice = Dice(seed);
    (0..hours).map(|_| (sigma * dice.normal()).exp()).collect()
}

/// One hour in `every` has spend, of any size.
pub(crate) fn random_bursts(every: usize, hours: usize, seed: u64) -> Vec<f64> {
    let mut dice = Dice(seed);
    (0..hours).map(|_| if dice.below(every) == 0 { -20.0 * (1.0 - dice.uniform()).ln() } else { 0.0 }).collect()
}

/// How many of the judgements have the state.
pub(crate) fn hours_in(judgements: &[Judgement], state: State) -> usize {
    judgements.iter().filter(|judgement| judgement.state == state).count()
}
