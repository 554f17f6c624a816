//! The sentences of alerts about watched series.

use detection::rhythm::Judgement;
use schemas::Money;
use schemas::alert::{AlertState, Level};

use super::episode::{Limit, Told};
use super::watched::HourRule;
use crate::monitor::explanation::{cut, recommendation};

/// A rule about an hour has something to tell.
pub(super) fn of_hour(rule: HourRule, scope: &str, told: &Told, limit: Option<&Limit>, spend: Money, hour: &str) -> String {
    if told.state == AlertState::Resolved {
        return format!("{scope} has been below its limits for three hours; the last of them ended at {hour}.");
    }
    let compared = match (rule, limit) {
        (HourRule::Spike, Some(limit)) => {
            format!(
                "the {} USD that its hour of the day and week let expect: {} times as much",
                cut(limit.expected, 4),
                times(spend, limit.expected)
            )
        }
        (HourRule::HourlyMean, Some(limit)) => {
            format!("{} USD on the mean of the hours before: {} times as much", cut(limit.expected, 4), times(spend, limit.expected))
        }
        (HourRule::HourAbove, _) | (_, None) => "the amount that an hour may cost by configuration".to_owned(),
    };
    format!(
        "{scope} has spent {} USD in the hour from {hour}. That is to be compared with {compared}. The limit of {} USD was reached.",
        cut(spend, 4),
        cut(told.threshold, 4)
    )
}

/// A day cost far more than what it is compared with.
pub(super) fn of_day(scope: &str, day: &str, spend: Money, reference: Money, with: &str) -> String {
    format!("{scope} has spent {} USD on {day}, {} times the {} USD of {with}.", cut(spend, 4), times(spend, reference), cut(reference, 4))
}

/// Nothing was ever spent on it before.
pub(super) fn of_first_spend(scope: &str, spend: Money, hour: &str) -> String {
    format!("{scope} has cost something for the first time: {} USD in the hour from {hour}.", cut(spend, 4))
}

/// The rhythm has changed.
pub(super) fn of_rhythm(scope: &str, judgement: &Judgement, limits: [f64; 3]) -> String {
    let share = |value: Option<f64>| value.map_or("unknown".to_owned(), |value| format!("{value:.2}"));
    format!(
        "The spend of {scope} is {}: coherence {} (good from {:.2}), phase {} (good from {:.2}), entropy {} (good up to {:.2}). The last hour cost {:.4} USD, {:.4} USD were expected.",
        judgement.state,
        share(judgement.coherence),
        limits[0],
        share(judgement.phase.smallest()),
        limits[1],
        share(judgement.entropy),
        limits[2],
        judgement.actual,
        judgement.expected
    )
}

/// What to do about spend that is unusual.
pub(super) const LOOK: &str =
    "Compare the rollups of this hour by feature, model and user with those of the hours before, and stop what should not run.";
/// What to do about something new.
pub(super) const NEW: &str = "Nothing has to be done if it was planned. Else find out who uses it.";
/// What to do about a rhythm that is lost.
pub(super) const RHYTHM: &str = "See which jobs have moved, begun or stopped since the state was last RESONANT.";
/// When it is over.
pub(super) const NOTHING: &str = recommendation(Level::Info);

/// How many times, with one decimal.
fn times(spend: Money, reference: Money) -> String {
    spend.checked_div(reference).map_or("many".to_owned(), |factor| cut(factor, 1).to_string())
}
