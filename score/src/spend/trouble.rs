//! Trouble that is added to a series.
//!
//! Sizes are ratios to what the series usually spends: a thing twice as large as usual is hard to tell from an ordinary busy hour, one ten times as large is not.

use super::series::HOURS;
use crate::random::Random;

/// Earliest hour of trouble: methods have had five days.
const EARLIEST: usize = 120;
/// Troubles of each kind and series.
const REPEATS: usize = 12;
/// A series has off-hours when its four quietest hours of day have less than this share of its busiest hour.
const QUIET_SHARE: f64 = 0.5;
const DAY: usize = 24;
const WEEK: usize = 168;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One hour 2 to 8 times the usual spend on top.
    Spike,
    /// A loop: from a third to one and a half times the usual spend on top, 40 % more each hour, for 8 hours.
    Runaway,
    /// 4 hours at the level of the busiest time of day (0.6 to 1.4 of it), at the quietest.
    OffHours,
    /// Growth to 1.7 to 4 times over two days, which stays.
    Ramp,
    /// All spend 1.6 to 4 times from one hour on.
    Step,
}

/// All kinds.
pub const KINDS: [Kind; 5] = [Kind::Spike, Kind::Runaway, Kind::OffHours, Kind::Ramp, Kind::Step];

impl Kind {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Spike => "single spike",
            Kind::Runaway => "runaway",
            Kind::OffHours => "off-hours",
            Kind::Ramp => "ramp",
            Kind::Step => "level step",
        }
    }

    /// Hours from its start within which an alert counts.
    fn window(self) -> usize {
        match self {
            Kind::Spike => 1,
            Kind::Runaway => 8,
            Kind::OffHours => 4,
            Kind::Ramp => 60,
            Kind::Step => 24,
        }
    }
}

/// A series with trouble in it.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Place of the untouched series in the list.
    pub series: usize,
    /// What was added.
    pub kind: Kind,
    /// First hour.
    pub from: usize,
    /// First hour in which an alert does not count any more.
    pub to: usize,
    /// US dollars of each hour, trouble included.
    pub hourly: Vec<f64>,
}

/// Puts all kinds of trouble into every series that can have it; equal seeds give equal trouble.
pub fn troubles(series: &[super::Spending], seed: u64) -> Vec<Trouble> {
    let mut all = Vec::new();
    for (place, spending) in series.iter().enumerate() {
        for kind in KINDS {
            for repeat in 0..REPEATS {
                let name = spending.name.bytes().fold(seed, |hash, byte| hash.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte));
                let mut random = Random::new(name.wrapping_mul(31).wrapping_add((kind as usize * REPEATS + repeat) as u64));
                all.extend(trouble(&spending.hourly, kind, &mut random).map(|(from, hourly)| Trouble {
                    series: place,
                    kind,
                    from,
                    to: from + kind.window(),
                    hourly,
                }));
            }
        }
    }
    all
}

fn trouble(clean: &[f64], kind: Kind, random: &mut Random) -> Option<(usize, Vec<f64>)> {
    let mut hourly = clean.to_vec();
    let last = HOURS - kind.window();
    let mut from = random.place(EARLIEST, last);
    let day = by_hour_of_day(clean);
    if kind == Kind::OffHours {
        let quiet = (0..DAY).min_by(|left, right| four_hours(&day, *left).total_cmp(&four_hours(&day, *right)))?;
        let busiest = day.iter().copied().fold(0.0, f64::max);
        if four_hours(&day, quiet) / 4.0 > QUIET_SHARE * busiest {
            return None;
        }
        from = from / DAY * DAY + quiet;
        if from >= last {
            from -= DAY;
        }
        let level = busiest * random.ratio(0.6, 1.4);
        hourly[from..from + 4].iter_mut().for_each(|usd| *usd += level);
        return Some((from, hourly));
    }
    let usual = clean[from.saturating_sub(WEEK)..from].iter().sum::<f64>() / from.min(WEEK) as f64;
    if usual <= 0.0 {
        return None;
    }
    match kind {
        Kind::Spike => hourly[from] += usual * random.ratio(2.0, 8.0),
        Kind::Runaway => {
            let mut extra = usual * random.ratio(0.3, 1.5);
            for usd in &mut hourly[from..from + 8] {
                *usd += extra;
                extra *= 1.4;
            }
        }
        Kind::OffHours => {}
        Kind::Ramp => {
            let growth = random.ratio(1.7, 4.0) - 1.0;
            for (hour, usd) in hourly[from..].iter_mut().enumerate() {
                *usd *= 1.0 + growth * (hour as f64 / 48.0).min(1.0);
            }
        }
        Kind::Step => {
            let factor = random.ratio(1.6, 4.0);
            hourly[from..].iter_mut().for_each(|usd| *usd *= factor);
        }
    }
    let is_different = hourly[from..from + kind.window()].iter().zip(&clean[from..]).any(|(with, without)| with > without);
    is_different.then_some((from, hourly))
}

fn by_hour_of_day(clean: &[f64]) -> [f64; DAY] {
    let mut day = [0.0; DAY];
    let days = (clean.len() / DAY) as f64;
    clean.iter().enumerate().for_each(|(hour, usd)| day[hour % DAY] += usd / days);
    day
}

fn four_hours(day: &[f64; DAY], from: usize) -> f64 {
    (from..from + 4).map(|hour| day[hour % DAY]).sum()
}
