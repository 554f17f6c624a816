//! All numbers that differ between the two measures; every series of a measure has the same.

use super::Measure;
use super::rarity::Prior;

/// Points of spend that the prior stands for: eight days of hours.
const PRIOR_POINTS: f64 = 200.0;
/// Points before a metric's histograms speak.
pub(super) const WARM_UP: u32 = 250;

/// One measure's numbers.
#[derive(Debug)]
pub(super) struct Setting {
    /// Of the views, in the order of `VIEWS`.
    pub(super) weights: [f64; 8],
    /// Of the rarity of the last points' mean sum of views in the surprise, and the memory of that mean, in points.
    pub(super) own_weight: f64,
    pub(super) own_memory: f64,
    /// Forecasts learn a value as at most so many spreads from the expected, once there are ranks to judge it by; `None`: as it is.
    pub(super) winsor: Option<f64>,
    /// Points of an episode without a new high, and points in which what was told fades to 37 %.
    pub(super) hold: u32,
    pub(super) fade: f64,
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
    weights: [1.0, 1.0, 0.5, 0.0, 1.0, 1.0, 1.5, 2.0],
    own_weight: 0.0,
    own_memory: 1.0,
    winsor: None,
    hold: 12,
    fade: f64::INFINITY,
    learning: 24,
    bar: 0.82,
    tiring: 0.82,
    alert_memory: 336.0,
    increases_only: true,
};

/// Usually minutes apart, histories are long: ranks speak for themselves.
static METRIC: Setting = Setting {
    weights: [1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 0.0, 0.0],
    own_weight: 0.5,
    own_memory: 20.0,
    winsor: Some(5.0),
    hold: 300,
    fade: 300.0,
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
