//! The sentences of alerts about watched series.

use detection::action::{Action, Recommendation};
use detection::rhythm::Judgement;
use schemas::alert::{Alert, AlertState, Level};
use schemas::budget::Budget;
use schemas::{Currency, Money, Timestamp};

use super::episode::{Limit, Told};
use super::pace;
use super::watched::HourRule;
use crate::monitor::explanation::{cut, percent, recommendation, who};
use crate::monitor::steps::Turn;

/// A rule about an hour has something to tell.
pub(super) fn of_hour(
    rule: HourRule,
    scope: &str,
    told: &Told,
    (limit, seen_by): (Option<&Limit>, &[(&str, f64)]),
    spend: Money,
    hour: &str,
) -> String {
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
    let mut text = format!(
        "{scope} has spent {} USD in the hour from {hour}. That is to be compared with {compared}. The limit of {} USD was reached.",
        cut(spend, 4),
        cut(told.threshold, 4)
    );
    if !seen_by.is_empty() {
        let views: Vec<String> =
            seen_by.iter().map(|(view, rarity)| format!("{view} (once in {:.0} hours)", 10_f64.powf(*rarity))).collect();
        text.push_str(&format!(" It is rare by {}.", views.join(", ")));
    }
    text
}

/// A closed hour has spent far less than was expected.
pub(super) fn of_drop(scope: &str, spend: Money, expected: Money, hour: &str) -> String {
    format!(
        "{scope} has spent {} USD in the hour from {hour}, where {} USD were to be expected from its hour of the day and week. Either less was used, or its events do not arrive.",
        cut(spend, 4),
        cut(expected, 4)
    )
}

/// A person has said that the spend is right as it is.
pub(super) fn of_new_normal(scope: &str) -> String {
    format!("By configuration ([[feedback]]) a new normal has begun for {scope}: what was usual before is forgotten.")
}

/// There is no room to watch it any longer.
pub(super) fn of_let_go(scope: &str) -> String {
    format!(
        "{scope} is no longer watched: others of its kind spend more, and there is room for watch.max_series of them. Whether its spend is usual again is not known."
    )
}

/// What to do about a drop.
pub(super) const DROPPED: &str = "If the work should be running, see whether it is, and whether its events reach the topic.";

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

/// Where a budget's period will end: expected, low, high, straight line.
pub(super) fn of_forecast(
    budget: &Budget,
    spent: Money,
    ends: [Money; 4],
    exceeded_at: Option<Timestamp>,
    period: &str,
    scope: &str,
) -> String {
    let [forecast, low, high, straight_line] = ends.map(|money| cut(money, 2));
    let (who, limit, currency) = (who(budget, scope), budget.limit, budget.currency);
    let mut text = format!(
        "{who} is projected to end {period} at {forecast} {currency}, {} % of its limit of {limit} {currency}; with 80 % probability between {low} and {high}. {} {currency} are spent so far; on a straight line it would end at {straight_line}.",
        percent(forecast.checked_div(limit)),
        cut(spent, 2),
    );
    if let Some(at) = exceeded_at {
        text.push_str(&format!(" The limit will be reached at about {}.", minute(at)));
    }
    text
}

/// A threshold on the projected spend was reached or left.
pub(super) fn of_projection(budget: &Budget, base: &Alert, turn: &Turn) -> Alert {
    let (nth, repeat, state) = turn.parts();
    let threshold = budget.projected[nth];
    let is_over = state == AlertState::Resolved;
    Alert {
        level: threshold.level,
        state,
        threshold: threshold.amount,
        repeat,
        explanation: format!(
            "{} That {} the threshold of {} % ({} {}).",
            base.explanation,
            if is_over { "is below" } else { "reached" },
            percent(threshold.amount.checked_div(budget.limit)),
            threshold.amount,
            budget.currency
        ),
        recommendation: recommendation(if is_over { Level::Info } else { threshold.level }).to_owned(),
        ..base.clone()
    }
}

/// Another action is recommended, or none any more.
pub(super) fn of_action(budget: &Budget, base: Alert, action: Action, recommended: &Recommendation) -> Alert {
    let level = match action {
        Action::EmergencyStop => Level::Emergency,
        Action::Rollback => Level::Critical,
        Action::ScaleDown | Action::None => Level::Warning,
    };
    let gate = recommended.gate.score.map_or("not known".to_owned(), |score| format!("{score:.0} of 100"));
    let explanation = format!(
        "{} The rhythm of the spend is {}; the gate score is {gate}. Recommended action: {} (confidence {:.0} %).",
        base.explanation,
        recommended.state,
        recommended.action,
        100.0 * recommended.confidence.probability(),
    );
    let recommendation = match recommended.action {
        Action::None => NOTHING,
        Action::ScaleDown => "SCALE_DOWN: spend less, with fewer instances or a smaller model. Needs approval.",
        Action::Rollback => "ROLLBACK: go back to the last version that kept its budget. Needs approval.",
        Action::EmergencyStop => "EMERGENCY_STOP: stop what spends. Needs approval.",
    };
    let recommendation = recommendation.to_owned();
    Alert { level, rule: pace::rule(budget, "action"), explanation, recommendation, ..base }
}

/// A period is over in which a projection or an action was told.
pub(super) fn of_new_period(budget: &str, period: &str, currency: Currency, spent: Money) -> String {
    format!("The period {period} of budget {budget} is over: {} {currency} were spent. The next one is projected anew.", cut(spent, 2))
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

/// `2026-11-22 10:00 UTC`
fn minute(at: Timestamp) -> String {
    format!("{} UTC", at.to_string().get(..16).unwrap_or_default().replace('T', " "))
}

/// How many times, with one decimal.
fn times(spend: Money, reference: Money) -> String {
    spend.checked_div(reference).map_or("many".to_owned(), |factor| cut(factor, 1).to_string())
}
