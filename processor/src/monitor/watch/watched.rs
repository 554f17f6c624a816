//! One watched series: what it has behind it, and what the coming hour is compared with.

use detection::rhythm::{Expectation, Hour, HourSpend, Judgement, Limits, Rhythm, State};
use detection::spike::{Measure, SpikeDetector, Standing, VIEWS};
use schemas::Money;
use serde::{Deserialize, Serialize};

use super::WatchRules;
use super::episode::{Episode, Limit};
use super::feedback::is_planned;
use super::history::History;
use super::pace::Pace;
use crate::monitor::series::SeriesId;

const HOUR_S: u32 = 3600;
/// One dollar of alerts is worth a cent: limits made of floating point are rounded up to it.
const CENT: f64 = 0.01;
/// A critical limit is so many times the warning one.
const CRITICAL: i64 = 2;
/// Keeps the spend of the last days in [`Memory::weight`]: what an hour weighs a day later.
const WEIGHT_PER_HOUR: f64 = 0.996;

/// Rules that compare an hour with a limit that is fixed when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum HourRule {
    Spike,
    HourlyMean,
    HourAbove,
}

impl HourRule {
    pub(super) const ALL: [HourRule; 3] = [HourRule::Spike, HourRule::HourlyMean, HourRule::HourAbove];

    pub(super) const fn name(self) -> &'static str {
        match self {
            HourRule::Spike => "spike",
            HourRule::HourlyMean => "hourly-mean",
            HourRule::HourAbove => "hour-above",
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) series: SeriesId,
    /// As rows and alerts name it.
    pub(super) scope: Box<str>,
    pub(super) memory: Memory,
    /// If the series has a budget that is projected.
    pub(super) pace: Option<Box<Pace>>,
}

impl Watched {
    /// Fixes the limits of the hour that begins now.
    pub(super) fn open_hour(&mut self, hour: u32, rules: &WatchRules) {
        let is_planned = is_planned(&rules.feedback, &self.scope, hour);
        self.memory.open_hour(hour, is_planned, rules);
    }
}

/// What a snapshot keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    history: History,
    spikes: SpikeDetector,
    /// Hours since something was spent.
    pub(super) silent_h: u32,
    /// Recent spend, by which the watched ones are chosen.
    pub(super) weight: f64,
    /// By rule, for the hour that follows the last closed one. That of a spike is at first the least that it can be: see [`Memory::limit`].
    pub(super) limits: [Option<Limit>; HourRule::ALL.len()],
    pub(super) episodes: [Option<Episode>; HourRule::ALL.len()],
    rhythm: Rhythm,
    /// The state of the rhythm that was told last: none but resonant, dissonant and chaotic ones are.
    pub(super) told: Option<State>,
    /// When the rhythm left the resonant state, as told: the hour since 1970.
    pub(super) told_since: u32,
    /// Is the limit of a spike the one? Else it is found again, and is the same.
    #[serde(skip)]
    is_found: bool,
}

impl Memory {
    /// Before its first hour.
    pub(super) fn new() -> Self {
        Memory {
            history: History::default(),
            spikes: SpikeDetector::new(HOUR_S, Measure::Spend),
            silent_h: 0,
            weight: 0.0,
            limits: Default::default(),
            episodes: Default::default(),
            rhythm: Rhythm::default(),
            told: None,
            told_since: 0,
            is_found: false,
        }
    }

    /// Forgets what is usual. What was told and is not over is given back.
    pub(super) fn begin_anew(&mut self) -> [Option<Episode>; HourRule::ALL.len()] {
        let episodes = std::mem::take(&mut self.episodes);
        *self = Memory { weight: self.weight, told: self.told, told_since: self.told_since, ..Memory::new() };
        episodes
    }

    /// Takes in a closed hour. `Some`: it has spent far less than the amount, which was expected.
    pub(super) fn close_hour(&mut self, hour: u32, spend: Money, rules: &WatchRules, limits: &Limits) -> Option<Money> {
        self.history.push(spend);
        self.silent_h = if spend == Money::ZERO { self.silent_h.saturating_add(1) } else { 0 };
        let dollars = dollars(spend);
        self.weight = self.weight * WEIGHT_PER_HOUR + dollars.max(0.0);
        let mut dropped_from = None;
        if rules.spike || rules.drop {
            let verdict = self.spikes.observe(start_s(hour), dollars.max(0.0));
            dropped_from = (rules.drop && verdict.standing == Standing::Drop).then(|| estimate(verdict.expected));
        }
        if rules.rhythm {
            // The next hour is never one that was closed.
            let _ = self.rhythm.close_hour(Hour(hour.into()), HourSpend::new(dollars), limits);
        }
        dropped_from
    }

    /// What an hour of planned spend teaches: that it was as usual.
    pub(super) fn usual(&self, hour: u32) -> Money {
        estimate(self.spikes.expected(start_s(hour)))
    }

    /// Is so much in the hour after the last closed one not worth telling? While nothing is known, everything is usual.
    pub(super) fn is_usual(&self, hour: u32, spend: Money, rules: &WatchRules) -> bool {
        self.spikes.is_learning() || worth_telling(self.usual(hour), rules).is_none_or(|least| spend < least)
    }

    /// The rhythm after the last closed hour; to be asked once an hour. `pace`: projected spend of a budget as a share of its limit.
    pub(super) fn judge(&mut self, pace: Option<f64>, limits: &Limits) -> Judgement {
        self.rhythm.judge(pace, limits)
    }

    /// What the coming hours are expected to cost.
    pub(super) fn expectation(&self) -> &Expectation {
        self.rhythm.expectation()
    }

    /// Fixes the limits of the hour that begins now. If its spend is planned, only the absolute one holds.
    pub(super) fn open_hour(&mut self, hour: u32, is_planned: bool, rules: &WatchRules) {
        self.is_found = false;
        self.limits = HourRule::ALL.map(|rule| {
            if is_planned && rule != HourRule::HourAbove {
                return None;
            }
            let (reference, limit) = match rule {
                HourRule::Spike => {
                    if !rules.spike || self.spikes.is_learning() {
                        return None;
                    }
                    let expected = self.usual(hour);
                    (expected, worth_telling(expected, rules)?)
                }
                HourRule::HourlyMean => {
                    let mean = self.history.mean().filter(|mean| *mean > Money::ZERO)?;
                    (mean, mean.checked_mul_rate(rules.hourly_mean?)?.max(mean.checked_add(rules.min_amount)?))
                }
                HourRule::HourAbove => (self.history.mean().unwrap_or_default(), rules.hour_above?),
            };
            Some(Limit { warning: limit, critical: limit.checked_mul(CRITICAL)?, expected: reference })
        });
    }

    /// The limit of a rule, if `spend` might reach it in the hour that began last. The money gate alone is cheap; what is rare is looked for only
    /// when that was passed, and depends on closed hours alone.
    pub(super) fn limit(&mut self, nth: usize, hour: u32, spend: Money) -> Option<Limit> {
        let limit = self.limits[nth]?;
        if HourRule::ALL[nth] != HourRule::Spike || self.is_found || spend < limit.warning {
            return Some(limit);
        }
        self.is_found = true;
        self.limits[nth] = self.spikes.threshold(start_s(hour)).and_then(|threshold| {
            let warning = money(threshold).max(limit.warning);
            Some(Limit { warning, critical: warning.checked_mul(CRITICAL)?, ..limit })
        });
        self.limits[nth]
    }

    /// The views that find so much spend in this hour rare, and how rare: once in so many hours. The rarest first.
    pub(super) fn seen_by(&self, hour: u32, spend: Money) -> Vec<(&'static str, f64)> {
        let views = self.spikes.views(start_s(hour), dollars(spend));
        let mut seen: Vec<(&str, f64)> =
            VIEWS.iter().zip(views).filter(|(_, rarity)| *rarity >= 1.0).map(|(view, rarity)| (view.name(), rarity)).collect();
        seen.sort_by(|a, b| b.1.total_cmp(&a.1));
        seen
    }

    /// All hours that it names.
    pub(super) fn hours(&self) -> impl Iterator<Item = u32> {
        self.episodes.iter().flatten().map(|episode| episode.since).chain([self.told_since])
    }

    pub(super) fn last(&self) -> Money {
        self.history.last()
    }

    /// See [`History::sum`].
    pub(super) fn sum(&self, before: usize, count: usize) -> Option<Money> {
        self.history.sum(before, count)
    }
}

/// The least beside so much that is worth telling of: the money gate. `None`: it does not fit.
pub(super) fn worth_telling(beside: Money, rules: &WatchRules) -> Option<Money> {
    Some(beside.checked_add(rules.min_amount)?.max(beside.checked_mul_rate(rules.min_factor)?))
}

/// Seconds since 1970.
fn start_s(hour: u32) -> i64 {
    i64::from(hour) * i64::from(HOUR_S)
}

/// For what is compared and never added up: 15 digits of it.
pub(super) fn dollars(money: Money) -> f64 {
    money.units() as f64 / 1e18
}

/// Rounded up to a cent.
fn money(dollars: f64) -> Money {
    // Far beyond what an hour can cost; NaN becomes zero.
    let cents = (dollars.clamp(0.0, 1e15) / CENT).ceil();
    Money::from_units(cents as i128 * 10_i128.pow(16))
}

/// To six decimals: good enough to look at.
pub(super) fn estimate(dollars: f64) -> Money {
    Money::from_units((dollars.clamp(0.0, 1e15) * 1e6).round() as i128 * 10_i128.pow(12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_becomes_money_on_the_safe_side() {
        for (found, expected) in [(0.0, "0"), (1.234, "1.24"), (f64::NAN, "0"), (-1.0, "0"), (1e300, "1000000000000000"), (5.0, "5")] {
            assert_eq!(money(found).to_string(), expected);
        }
        assert!((dollars("1.5".parse().unwrap()) - 1.5).abs() < 1e-12);
    }

    #[test]
    fn the_mean_rule_needs_a_day_and_respects_the_money_gate() {
        let rules = WatchRules { hourly_mean: Some(Money::from_whole(3)), min_amount: Money::from_whole(5), ..WatchRules::default() };
        let mut memory = Memory::new();
        let mut limit = |spend: i64, hours: u32| {
            for hour in 0..hours {
                memory.close_hour(hour, Money::from_whole(spend), &rules, &Limits::default());
            }
            memory.open_hour(hours, false, &rules);
            memory.limits[1].map(|limit| limit.warning.to_string())
        };
        assert_eq!(limit(1, 23), None);
        assert_eq!(limit(1, 1), Some("6".to_owned()), "1 + 5 are more than 3 x 1");
        assert_eq!(limit(10, 200), Some("30".to_owned()));
    }
}
