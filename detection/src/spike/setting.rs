//! All numbers that differ between the two measures; every series of a measure has the same.

use super::Measure;
use super::rarity::Prior;

/// Points of spend that the prior stands for: eight days of hours.
const PRIOR_POINTS: f64 = 200.0;
/// Points before a metric's histograms speak.
const WARM_UP: u32 = 250;

/// One measure's numbers.
#[derive(Debug)]
pub(super) struct Setting {
    /// Of the views, in the order of `VIEWS`.
    pub(super) weights: [f64; 7],
    /// Of the surprise's own rarity in the surprise.
    pub(super) own_weight: f64,
    /// Points of an episode.
    pub(super) hold: u32,
    /// Points before anything is judged.
    pub(super) learning: u64,
    /// Surprise of a spike.
    pub(super) bar: f64,
    /// Surprise from which an alert raises the bar, and how many points that is remembered.
    pub(super) tiring: f64,
    pub(super) alert_memory: f64,
    /// Only values above the expected count.
    pub(super) increases_only: bool,
}

/// Usually hours apart, and histories are short (weeks), so every view starts from a prior. Volatility does not count: it sees drops as well, and cost recall of every kind.
/// The bar gives one alert per series and week on real spend (`make score-spend`).
static SPEND: Setting = Setting {
    weights: [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
    own_weight: 0.0,
    hold: 12,
    learning: 24,
    bar: 0.82,
    tiring: 0.82,
    alert_memory: 336.0,
    increases_only: true,
};

/// Usually minutes apart, histories are long: ranks speak for themselves.
static METRIC: Setting = Setting {
    weights: [1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 0.0],
    own_weight: 0.5,
    hold: 60,
    learning: 60,
    bar: 1.8,
    tiring: 1.55,
    alert_memory: 8_000.0,
    increases_only: false,
};

impl Setting {
    /// The measure's.
    pub(super) fn of(measure: Measure) -> &'static Setting {
        match measure {
            Measure::Spend => &SPEND,
            Measure::Metric => &METRIC,
        }
    }

    /// What a view with statistics of this scale knows at first.
    pub(super) fn prior(&self, scale: f64) -> Prior {
        if self.increases_only { Prior::Points { count: PRIOR_POINTS, scale } } else { Prior::WarmUp(WARM_UP) }
    }
}
