//! One series' state and the look at its next value.

use serde::{Deserialize, Serialize};

use super::arithmetic::ln;
use super::episode::{Episode, Standing};
use super::forecast::{DAY_S, Forecast};
use super::hours::Hours;
use super::moments::{Mean, rate};
use super::rarity::{Prior, Rarity};
use super::setting::{Setting, WARM_UP};
use super::transitions::Transitions;
use super::{Measure, VIEWS};

/// Memory of levels, in points: ten days of five minutes.
const LEVEL_MEMORY: f64 = 3_000.0;
/// Memory of spreads, in points: longer, so that an anomaly does not hide the next.
const SPREAD_MEMORY: f64 = 30_000.0;
/// Memory of the usual size that ratios of spend are softened with, in points.
const USUAL_MEMORY: f64 = 168.0;
/// Share of the usual size added to both sides of a ratio: a cent after nothing is no spike.
const SOFTENING: f64 = 0.3;
/// Memory of the volatility view, in points.
const STEP_MEMORY: f64 = 7.0;
/// Memory of the drift and the burstiness view, in points.
const DRIFT_MEMORY: f64 = 8.0;
const BURST_MEMORY: f64 = 25.0;
/// A residual counts in the drift at most so many standard deviations: one spike is no drift.
const DRIFT_CLIP: f64 = 3.0;
/// Most that a view counts, and the surprise's own rarity.
const VIEW_CAP: f64 = 6.0;
const OWN_CAP: f64 = 9.0;
/// Points before statistics that need a spread.
const SPREAD_POINTS: u64 = 6;
/// Point at which the volatility's mean starts.
const VOLATILITY_FROM: u64 = 3;
/// Scales of the statistics for the prior: standard deviations, ranges, logarithms of sizes of steps and of ratios, sums of evidence.
const DEVIATION: f64 = 1.0;
const RANGE: f64 = 0.1;
const LOGARITHM: f64 = 2.0;
const RATIO: f64 = 1.0;
const EVIDENCE: f64 = 2.0;
/// Halvings of the interval in which a threshold is sought: to 0.1 % of it.
const HALVINGS: u32 = 10;
/// Doublings from the expected value until a threshold is given up.
const DOUBLINGS: u32 = 24;

/// Watches one series. Clone or serialize it to keep its state; equal points give equal states.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpikeDetector {
    kind: Kind,
    points: u64,
    forecast: Forecast,
    /// The value one day before, by point of the day.
    yesterday: Vec<f64>,
    last: f64,
    largest: f64,
    smallest: f64,
    /// Mean size of a value.
    usual: Mean,
    /// Mean squares: of the residual, of its logarithm, of the step, of the difference to yesterday, of the drift.
    residual_square: Mean,
    ratio_square: Mean,
    step_square: Mean,
    yesterday_square: Mean,
    drift_square: Mean,
    short_step: Mean,
    log_step: Mean,
    drift: Mean,
    burst: Mean,
    season_past: Rarity,
    range_past: Rarity,
    yesterday_past: Rarity,
    volatility_past: Rarity,
    step_past: Rarity,
    burst_past: Rarity,
    drift_past: Rarity,
    transition_past: Rarity,
    own_past: Rarity,
    transitions: Transitions,
    episode: Episode,
}

/// The measure, and what is kept for it alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    /// As in states of before there was more to keep; the next point makes it one of the others.
    FormerSpend,
    /// The same.
    FormerMetric,
    /// See [`Measure::Spend`].
    Spend { hours: Box<Hours> },
    /// See [`Measure::Metric`].
    Metric { lately: Mean },
}

/// What is found of a point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What to do about it.
    pub standing: Standing,
    /// Weighted mean of the views.
    pub surprise: f64,
    /// The surprise less what earlier alerts have raised the bar by, 0 unless it is a new high of its episode: for rankings without a fixed bar.
    pub rank: f64,
    /// -log10 of each view's rarity, in the order of [`VIEWS`]: about 1 is once in ten points, 3 once in a thousand.
    pub views: [f64; VIEWS.len()],
    /// What was expected.
    pub expected: f64,
}

/// Everything about a value before it is learnt.
#[derive(Clone, Copy, Debug)]
struct Look {
    expected: f64,
    /// Before it is multiplied or divided: value - expected, its ratio's logarithm, the steps.
    residual: f64,
    log_ratio: f64,
    step: f64,
    log_step: f64,
    since_yesterday: f64,
    clipped: f64,
    /// Statistics, signed.
    season: f64,
    range: f64,
    yesterday: f64,
    volatility: f64,
    first_step: f64,
    drift: f64,
    /// Mean of the point's evidence with this point.
    burst: f64,
    class: u8,
    rareness: Option<f64>,
    views: [f64; VIEWS.len()],
    /// Logarithm of the ratio to the largest of the hour of day; `None` before there was one.
    hour: Option<f64>,
    /// Mean weighted sum of the views of the last points.
    lately: f64,
    surprise: f64,
    /// Mean rarity of the three views that see a drop.
    fall: f64,
}

impl SpikeDetector {
    /// A series with a point every `step_s` seconds (0 counts as 1). Hours without spend are points too, of 0.
    pub fn new(step_s: u32, measure: Measure) -> Self {
        let step_s = step_s.max(1);
        let day = (86_400 + step_s / 2) / step_s;
        SpikeDetector {
            kind: Kind::new(measure, step_s),
            points: 0,
            forecast: Forecast::new(step_s),
            yesterday: vec![0.0; day.max(1) as usize],
            last: 0.0,
            largest: 0.0,
            smallest: 0.0,
            usual: Mean::default(),
            residual_square: Mean::default(),
            ratio_square: Mean::default(),
            step_square: Mean::default(),
            yesterday_square: Mean::default(),
            drift_square: Mean::default(),
            short_step: Mean::default(),
            log_step: Mean::default(),
            drift: Mean::default(),
            burst: Mean::default(),
            season_past: Rarity::default(),
            range_past: Rarity::default(),
            yesterday_past: Rarity::default(),
            volatility_past: Rarity::default(),
            step_past: Rarity::default(),
            burst_past: Rarity::default(),
            drift_past: Rarity::default(),
            transition_past: Rarity::default(),
            own_past: Rarity::default(),
            transitions: Transitions::default(),
            episode: Episode::default(),
        }
    }

    /// Judges the next point, then learns it. `at_s`: seconds since 1970 of its start, in the time zone whose days it follows. A value that is no number is taken for
    /// the expected one.
    pub fn observe(&mut self, at_s: i64, value: f64) -> Verdict {
        let setting = Setting::of(self.kind.measure());
        let value = if value.is_finite() { value } else { self.expected(at_s) };
        if self.points == 0 {
            self.start(value);
        }
        self.kind.renew(self.yesterday.len());
        let look = self.look(at_s, value);
        self.learn(at_s, value, &look);
        let fatigue = self.episode.fatigue(setting);
        let rank = self.episode.rank(look.surprise, setting);
        let standing = if self.points <= setting.learning {
            Standing::Learning
        } else {
            self.episode.judge(look.surprise, look.fall, fatigue, setting)
        };
        Verdict { standing, surprise: look.surprise, rank, views: look.views, expected: look.expected }
    }

    /// What the point at this time should be.
    pub fn expected(&self, at_s: i64) -> f64 {
        self.forecast.at(at_s)
    }

    /// The smallest value that would be a spike or an escalation at this time, to 0.1 % of its distance to the expected; `None` while learning, or when nothing would.
    /// Fixed until the next [`Self::observe`]: a running hour that has passed it is a spike whatever is still to come. About 20 looks, not constant like `observe`.
    pub fn threshold(&self, at_s: i64) -> Option<f64> {
        if self.is_learning() {
            return None;
        }
        let setting = Setting::of(self.kind.measure());
        let bar = self.episode.bar(setting);
        let is_spike = |value: f64| self.look(at_s, value).surprise >= bar;
        let expected = self.expected(at_s);
        let mut below = expected.max(self.last);
        let mut reach = expected.abs().max(self.usual.get()).max(f64::MIN_POSITIVE) * 0.125;
        let mut above = None;
        for _ in 0..DOUBLINGS {
            if is_spike(below + reach) {
                above = Some(below + reach);
                break;
            }
            below += reach;
            reach *= 2.0;
        }
        let mut above = above?;
        for _ in 0..HALVINGS {
            let middle = below + 0.5 * (above - below);
            if is_spike(middle) {
                above = middle;
            } else {
                below = middle;
            }
        }
        Some(above)
    }

    /// How rare each view finds a value at this time, as in [`Verdict::views`]; nothing is learnt.
    pub fn views(&self, at_s: i64, value: f64) -> [f64; VIEWS.len()] {
        self.look(at_s, value).views
    }

    /// Is there too little to judge by?
    pub fn is_learning(&self) -> bool {
        self.points < Setting::of(self.kind.measure()).learning
    }

    /// Points learnt.
    pub fn points(&self) -> u64 {
        self.points
    }

    fn start(&mut self, value: f64) {
        self.forecast.start(value);
        self.usual = Mean::of(value.abs());
        (self.last, self.largest, self.smallest) = (value, value, value);
    }

    /// All statistics and views of a value, without learning it.
    fn look(&self, at_s: i64, value: f64) -> Look {
        let setting = Setting::of(self.kind.measure());
        let seen = self.points as f64 + 1.0;
        let has_spread = self.points >= SPREAD_POINTS;
        let expected = self.forecast.at(at_s);
        let residual = value - expected;
        let step = value - self.last;
        let softening = SOFTENING * self.usual.with(value.abs(), rate(seen, USUAL_MEMORY)) + 1e-9;
        let log_ratio = match self.kind.measure() {
            Measure::Spend => ln((value.max(0.0) + softening) / (expected.max(0.0) + softening)),
            Measure::Metric => 0.0,
        };
        let in_spreads = |distance: f64, square: Mean, least: f64| if has_spread { distance / (square.get().sqrt() + least) } else { 0.0 };
        let season = match self.kind.measure() {
            Measure::Spend => in_spreads(log_ratio, self.ratio_square, 0.02),
            Measure::Metric => in_spreads(residual, self.residual_square, 1e-9),
        };
        let first_step = in_spreads(step, self.step_square, 1e-9);
        let short_step = self.short_step.with(step * step, rate(seen, STEP_MEMORY));
        let log_step = ln(short_step + 1e-6 * self.step_square.get() + 1e-12);
        let volatility = if self.points > VOLATILITY_FROM { log_step - self.log_step.get() } else { 0.0 };
        let spread = self.largest - self.smallest;
        let beyond = (value - self.largest).max(0.0) - (self.smallest - value).max(0.0);
        let range = if has_spread && spread > 0.0 { beyond / spread } else { 0.0 };
        let has_yesterday = self.points >= self.yesterday.len() as u64;
        let since_yesterday = if has_yesterday { value - self.yesterday[self.point_of_day()] } else { 0.0 };
        let yesterday = since_yesterday / (self.yesterday_square.get().sqrt() + 1e-9);
        let clipped = season.clamp(-DRIFT_CLIP, DRIFT_CLIP);
        let drift = in_spreads(self.drift.with(clipped, rate(seen, DRIFT_MEMORY)), self.drift_square, 0.05);
        let deviations = (value - self.forecast.level()) / (self.forecast.variance().sqrt() + 1e-9);
        let class = Transitions::class(deviations);
        let rareness = if setting.weights[6] > 0.0 { self.transitions.rareness(class) } else { None };

        let evidence = |past: &Rarity, statistic: f64, scale: f64| past.evidence(statistic, setting.prior(scale));
        let counts = |statistic: f64, evidence: f64| if setting.increases_only && statistic < 0.0 { 0.0 } else { evidence };
        let of_season = evidence(&self.season_past, season, DEVIATION);
        let of_yesterday = evidence(&self.yesterday_past, yesterday, DEVIATION);
        let of_drift = evidence(&self.drift_past, drift, DEVIATION);
        let of_step = evidence(&self.step_past, first_step, DEVIATION);
        let point = counts(season, of_season) + counts(first_step, of_step);
        let burst = self.burst.with(point, rate(seen, BURST_MEMORY));
        let hour = self.kind.hours().and_then(|hours| {
            let largest = hours.largest(at_s)?;
            let ratio = ln((value.max(0.0) + softening) / (largest.max(0.0) + softening));
            Some((ratio, evidence(&hours.past, ratio, RATIO)))
        });
        let of_volatility = if setting.weights[3] > 0.0 { evidence(&self.volatility_past, volatility, LOGARITHM) } else { 0.0 };
        let views = [
            counts(season, of_season),
            counts(range, evidence(&self.range_past, range, RANGE)),
            counts(yesterday, of_yesterday),
            of_volatility,
            evidence(&self.burst_past, burst, EVIDENCE),
            counts(drift, of_drift),
            rareness.map_or(0.0, |rareness| self.transition_past.evidence(rareness, Prior::WarmUp(60))),
            hour.map_or(0.0, |(hour, evidence)| counts(hour, evidence)),
        ]
        .map(|evidence| evidence.min(VIEW_CAP));
        let sum: f64 = views.iter().zip(setting.weights).map(|(evidence, weight)| evidence * weight).sum();
        let lately = self.kind.lately().with(sum, rate(seen, setting.own_memory));
        let own = if setting.own_weight > 0.0 { evidence(&self.own_past, lately, EVIDENCE).min(OWN_CAP) } else { 0.0 };
        let surprise = (sum + setting.own_weight * own) / (setting.weights.iter().sum::<f64>() + setting.own_weight);
        let falls = [(season, of_season), (yesterday, of_yesterday), (drift, of_drift)];
        let fall = falls.into_iter().map(|(statistic, evidence)| if statistic < 0.0 { evidence.min(VIEW_CAP) / 3.0 } else { 0.0 }).sum();
        Look {
            expected,
            residual,
            log_ratio,
            step,
            log_step,
            since_yesterday,
            clipped,
            season,
            range,
            yesterday,
            volatility,
            first_step,
            drift,
            burst,
            class,
            rareness,
            hour: hour.map(|(hour, _)| hour),
            views,
            lately,
            surprise,
            fall,
        }
    }

    fn learn(&mut self, at_s: i64, value: f64, look: &Look) {
        let setting = Setting::of(self.kind.measure());
        let seen = self.points as f64 + 1.0;
        let share = rate(seen, SPREAD_MEMORY);
        let level_share = rate(seen, LEVEL_MEMORY);
        self.usual.learn(value.abs(), rate(seen, USUAL_MEMORY));
        self.residual_square.learn(look.residual * look.residual, share);
        self.ratio_square.learn(look.log_ratio * look.log_ratio, share);
        self.short_step.learn(look.step * look.step, rate(seen, STEP_MEMORY));
        self.step_square.learn(look.step * look.step, share);
        match self.points {
            VOLATILITY_FROM => self.log_step = Mean::of(look.log_step),
            0..VOLATILITY_FROM => {}
            _ => self.log_step.learn(look.log_step, level_share),
        }
        if self.points >= self.yesterday.len() as u64 {
            self.yesterday_square.learn(look.since_yesterday * look.since_yesterday, share);
        }
        let point_of_day = self.point_of_day();
        self.yesterday[point_of_day] = value;
        self.drift.learn(look.clipped, rate(seen, DRIFT_MEMORY));
        self.drift_square.learn(self.drift.get() * self.drift.get(), share);
        self.largest = self.largest.max(value);
        self.smallest = self.smallest.min(value);
        self.last = value;
        self.burst = Mean::of(look.burst);
        let taught = match setting.winsor {
            Some(spreads) if self.points >= u64::from(WARM_UP) => {
                let most = spreads * self.residual_square.get().sqrt();
                value.max(look.expected - most).min(look.expected + most)
            }
            _ => value,
        };
        self.forecast.learn(at_s, taught, level_share, share);
        match &mut self.kind {
            Kind::Spend { hours } => {
                hours.learn(at_s, value);
                if let Some(hour) = look.hour {
                    hours.past.learn(hour);
                }
            }
            Kind::Metric { lately } => *lately = Mean::of(look.lately),
            Kind::FormerSpend | Kind::FormerMetric => {}
        }

        self.season_past.learn(look.season);
        self.range_past.learn(look.range);
        self.yesterday_past.learn(look.yesterday);
        self.step_past.learn(look.first_step);
        self.burst_past.learn(look.burst);
        self.drift_past.learn(look.drift);
        if let Some(rareness) = look.rareness {
            self.transition_past.learn(rareness);
        }
        if setting.weights[3] > 0.0 {
            self.volatility_past.learn(look.volatility);
        }
        if setting.weights[6] > 0.0 {
            self.transitions.learn(look.class);
        }
        if setting.own_weight > 0.0 {
            self.own_past.learn(look.lately);
        }
        self.points += 1;
    }

    fn point_of_day(&self) -> usize {
        (self.points % self.yesterday.len() as u64) as usize
    }
}

impl Kind {
    fn new(measure: Measure, step_s: u32) -> Self {
        match measure {
            Measure::Spend => Kind::Spend { hours: Box::new(Hours::new(step_s)) },
            Measure::Metric => Kind::Metric { lately: Mean::default() },
        }
    }

    fn measure(&self) -> Measure {
        match self {
            Kind::FormerSpend | Kind::Spend { .. } => Measure::Spend,
            Kind::FormerMetric | Kind::Metric { .. } => Measure::Metric,
        }
    }

    /// Begins to keep what a former state lacks. `points_of_day`: a step is that part of a day.
    fn renew(&mut self, points_of_day: usize) {
        if matches!(self, Kind::FormerSpend | Kind::FormerMetric) {
            *self = Kind::new(self.measure(), (DAY_S / points_of_day as i64) as u32);
        }
    }

    fn hours(&self) -> Option<&Hours> {
        if let Kind::Spend { hours } = self { Some(hours) } else { None }
    }

    fn lately(&self) -> Mean {
        if let Kind::Metric { lately } = self { *lately } else { Mean::default() }
    }
}
