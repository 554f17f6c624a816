//! The life of a rule about one series: it fires, may escalate once, and is resolved when it has been quiet for some hours.

use schemas::Money;
use schemas::alert::{AlertState, Level};
use serde::{Deserialize, Serialize};

/// Hours in a row below the limit until an episode is over.
const QUIET_H: u8 = 3;

/// What an hour's spend is compared with. Fixed when all hours before are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Limit {
    /// From here on the rule fires.
    pub(super) warning: Money,
    /// From here on it escalates.
    pub(super) critical: Money,
    /// What was to be expected.
    pub(super) expected: Money,
}

/// An episode, from the hour in which the rule fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Episode {
    /// The hour in which it fired, since 1970: all of its alerts are about this period.
    pub(super) since: u32,
    /// The limit that was reached then.
    pub(super) threshold: Money,
    has_escalated: bool,
    quiet_h: u8,
}

impl Episode {
    /// How grave it has become.
    pub(super) fn level(&self) -> Level {
        if self.has_escalated { Level::Critical } else { Level::Warning }
    }
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) since: u32,
    pub(super) state: AlertState,
    pub(super) level: Level,
    pub(super) threshold: Money,
}

/// The hour has spent so much, maybe not for the last time. Does nothing when asked again.
pub(super) fn reach(episode: &mut Option<Episode>, hour: u32, limit: &Limit, spend: Money) -> Vec<Told> {
    let mut told = Vec::new();
    if spend < limit.warning {
        return told;
    }
    let held = episode.get_or_insert_with(|| {
        told.push(Told { since: hour, state: AlertState::Fired, level: Level::Warning, threshold: limit.warning });
        Episode { since: hour, threshold: limit.warning, has_escalated: false, quiet_h: 0 }
    });
    held.quiet_h = 0;
    if spend >= limit.critical && !held.has_escalated {
        held.has_escalated = true;
        told.push(Told { since: held.since, state: AlertState::Escalated, level: Level::Critical, threshold: limit.critical });
    }
    told
}

/// The hour is closed with less than the limit (or there was none).
pub(super) fn stay_below(episode: &mut Option<Episode>) -> Option<Told> {
    let held = episode.as_mut()?;
    held.quiet_h = held.quiet_h.saturating_add(1);
    if held.quiet_h < QUIET_H {
        return None;
    }
    let over = episode.take()?;
    Some(Told { since: over.since, state: AlertState::Resolved, level: Level::Info, threshold: over.threshold })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_fires_once_escalates_once_and_ends_after_three_quiet_hours() {
        let limit =
            |warning| Limit { warning: Money::from_whole(warning), critical: Money::from_whole(2 * warning), expected: Money::ZERO };
        let mut episode = None;
        let mut states = |hour, warning, spend| -> Vec<(AlertState, u32)> {
            let limit = limit(warning);
            let spend = Money::from_whole(spend);
            let mut told = reach(&mut episode, hour, &limit, spend);
            if spend < limit.warning {
                told.extend(stay_below(&mut episode));
            }
            told.iter().map(|told| (told.state, told.since)).collect()
        };
        assert_eq!(states(1, 10, 9), []);
        assert_eq!(states(2, 10, 10), [(AlertState::Fired, 2)]);
        assert_eq!(states(3, 10, 19), []);
        assert_eq!(states(4, 12, 24), [(AlertState::Escalated, 2)]);
        assert_eq!(states(4, 12, 30), []);
        for hour in 5..7 {
            assert_eq!(states(hour, 12, 0), []);
        }
        assert_eq!(states(7, 12, 12), []);
        for hour in 8..10 {
            assert_eq!(states(hour, 12, 0), []);
        }
        assert_eq!(states(10, 12, 0), [(AlertState::Resolved, 2)]);
        assert_eq!(states(11, 10, 40), [(AlertState::Fired, 11), (AlertState::Escalated, 11)]);
    }
}
