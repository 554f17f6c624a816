//! One alert per episode, and a bar that rises with every alert.

use serde::{Deserialize, Serialize};

use super::setting::Setting;

/// An escalation is more surprising than the episode so far by at least this.
const ESCALATION: f64 = 0.3;
/// A drop is told from this mean of three views on.
const DROP_BAR: f64 = 1.5;
/// The bar rises by this times the square of the alerts in memory: one or two cost nothing, a series that cries wolf must be louder.
const FATIGUE: f64 = 0.0048;
/// But never by more than this, so that no series goes deaf.
const MOST_FATIGUE: f64 = 1.0;

/// What a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Too few points to judge: nothing alerts.
    Learning,
    /// As expected, or within an episode that has been told.
    Quiet,
    /// The first of an episode.
    Spike,
    /// Clearly more surprising than the episode so far.
    Escalation,
    /// Much less than expected, the first of its episode.
    Drop,
}

/// Where the series is between alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    /// Highest of the episode, as far as it has not faded, and how many points ago that was.
    peak: f64,
    since_peak: u32,
    /// Surprise that was told last, as far as it has not faded, and points since the bar was last passed.
    told: f64,
    since_bar: Option<u32>,
    since_drop: Option<u32>,
    /// Decaying number of alerts.
    alerts: f64,
}

impl Episode {
    /// What the bar has risen by.
    pub(super) fn fatigue(&self, setting: &Setting) -> f64 {
        let alerts = self.alerts * (1.0 - 1.0 / setting.alert_memory);
        (FATIGUE * alerts * alerts).min(MOST_FATIGUE)
    }

    /// The surprise from which the next point alerts.
    pub(super) fn bar(&self, setting: &Setting) -> f64 {
        let least = if self.is_running(setting.hold) { setting.bar.max(faded(self.told, setting) + ESCALATION) } else { setting.bar };
        least + self.fatigue(setting)
    }

    fn is_running(&self, hold: u32) -> bool {
        self.since_bar.is_some_and(|points| points < hold)
    }

    /// The surprise if it is a new high of its episode, less the fatigue; else 0. For scoring without a fixed bar: only from the bar on a new high must be an
    /// escalation, and only the first of an episode tires.
    pub(super) fn rank(&mut self, surprise: f64, setting: &Setting) -> f64 {
        let rested = surprise - self.fatigue(setting);
        self.alerts *= 1.0 - 1.0 / setting.alert_memory;
        self.peak = faded(self.peak, setting);
        self.since_peak = self.since_peak.saturating_add(1);
        if self.since_peak > setting.hold {
            self.peak = 0.0;
        }
        let least = if self.peak >= setting.bar { self.peak + ESCALATION } else { self.peak };
        if rested <= least {
            return 0.0;
        }
        if rested > setting.tiring && self.peak <= setting.tiring {
            self.alerts += 1.0;
        }
        self.peak = rested;
        self.since_peak = 0;
        rested
    }

    /// Judges by the bar; `fatigue` as it was before the point.
    pub(super) fn judge(&mut self, surprise: f64, drop: f64, fatigue: f64, setting: &Setting) -> Standing {
        let hold = setting.hold;
        let rested = surprise - fatigue;
        let was_running = self.is_running(hold);
        self.told = faded(self.told, setting);
        self.since_bar = self.since_bar.map(|points| points.saturating_add(1));
        let was_dropped = self.since_drop.is_some_and(|points| points < hold);
        self.since_drop = self.since_drop.map(|points| points.saturating_add(1));
        if rested >= setting.bar {
            self.since_bar = Some(0);
            if !was_running {
                self.told = rested;
                return Standing::Spike;
            }
            if rested >= self.told + ESCALATION {
                self.told = rested;
                return Standing::Escalation;
            }
        }
        if drop >= DROP_BAR {
            self.since_drop = Some(0);
            if !was_dropped {
                return Standing::Drop;
            }
        }
        Standing::Quiet
    }
}

/// What is left of a told surprise a point later.
fn faded(told: f64, setting: &Setting) -> f64 {
    told * (1.0 - 1.0 / setting.fade)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spike::Measure;

    /// What becomes of this surprise so many quiet points after 3.0 was told.
    fn after(quiet: u32, surprise: f64, measure: Measure) -> Standing {
        let setting = Setting::of(measure);
        let mut episode = Episode::default();
        assert_eq!(episode.judge(3.0, 0.0, 0.0, setting), Standing::Spike);
        (0..quiet).for_each(|_| assert_eq!(episode.judge(0.0, 0.0, 0.0, setting), Standing::Quiet));
        assert_eq!(surprise >= episode.bar(setting), episode.clone().judge(surprise, 0.0, 0.0, setting) != Standing::Quiet);
        episode.judge(surprise, 0.0, 0.0, setting)
    }

    #[test]
    fn what_was_told_of_a_metric_fades_within_its_episode() {
        assert_eq!(after(0, 3.2, Measure::Metric), Standing::Quiet);
        assert_eq!(after(0, 3.4, Measure::Metric), Standing::Escalation);
        assert_eq!(after(100, 2.4, Measure::Metric), Standing::Quiet);
        assert_eq!(after(150, 2.4, Measure::Metric), Standing::Escalation);
        assert_eq!(after(300, 2.0, Measure::Metric), Standing::Spike);
    }

    #[test]
    fn what_was_told_of_spend_stands_for_twelve_hours() {
        assert_eq!(after(10, 3.2, Measure::Spend), Standing::Quiet);
        assert_eq!(after(12, 1.0, Measure::Spend), Standing::Spike);
    }

    #[test]
    fn the_rank_of_what_was_told_must_be_beaten_as_an_escalation_must() {
        let setting = Setting::of(Measure::Metric);
        let ranked = |surprises: [f64; 3]| {
            let mut episode = Episode::default();
            surprises.map(|surprise| episode.rank(surprise, setting) > 0.0)
        };
        assert_eq!(ranked([1.0, 1.1, 1.2]), [true; 3], "below the bar any new high counts");
        assert_eq!(ranked([2.0, 2.2, 2.5]), [true, false, true]);
    }
}
