//! What to do about a budget: the table of recommended actions, the confidence of one, and the gate score.
//!
//! | condition, F = forecast, B = budget | action |
//! |---|---|
//! | F >= 1.2 B and chaotic | emergency stop |
//! | F >= 1.1 B and (chaotic, or the gate score is below 50) | rollback |
//! | F >= B | scale down |
//! | otherwise | none |
//!
//! A recommendation does nothing: every action needs approval.

mod gate;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use gate::{GateInputs, GatePart, GateScore, GateSettings};

use crate::forecast::Forecast;
use crate::rhythm::State;

/// A recommended action, from the mildest to the hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Nothing is needed.
    None,
    /// Spend less: fewer instances, a smaller model.
    ScaleDown,
    /// Go back to the last version that kept its budget.
    Rollback,
    /// Stop spending.
    EmergencyStop,
}

impl Action {
    /// As written in tables and alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::None => "NONE",
            Action::ScaleDown => "SCALE_DOWN",
            Action::Rollback => "ROLLBACK",
            Action::EmergencyStop => "EMERGENCY_STOP",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the rows of the table begin.
///
/// Whole percents, compared to twelve digits: 1.1 has no exact binary form, and a forecast of exactly 110 % must count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionLimits {
    /// Forecast in percent of the budget for an emergency stop.
    pub emergency_stop_percent: u32,
    /// Forecast in percent of the budget for a rollback.
    pub rollback_percent: u32,
    /// Forecast in percent of the budget for scaling down.
    pub scale_down_percent: u32,
    /// A gate score below this allows a rollback without chaos; 0 to 100.
    pub low_gate_score: f64,
}

impl Default for ActionLimits {
    fn default() -> ActionLimits {
        ActionLimits { emergency_stop_percent: 120, rollback_percent: 110, scale_down_percent: 100, low_gate_score: 50.0 }
    }
}

/// Relative error that binary fractions may bring into a comparison.
const ROUNDING: f64 = 1e-12;

impl ActionLimits {
    /// The row of the table. `gate` is the score, if one could be made.
    pub fn action(&self, forecast: f64, budget: f64, state: State, gate: Option<f64>) -> Action {
        let reaches = |percent: u32| forecast * 100.0 >= budget * f64::from(percent) * (1.0 - ROUNDING);
        let chaotic = state == State::Chaotic;
        let low_gate = gate.is_some_and(|score| score < self.low_gate_score);
        if reaches(self.emergency_stop_percent) && chaotic {
            Action::EmergencyStop
        } else if reaches(self.rollback_percent) && (chaotic || low_gate) {
            Action::Rollback
        } else if reaches(self.scale_down_percent) {
            Action::ScaleDown
        } else {
            Action::None
        }
    }

    /// The percent of the budget that an action is about.
    pub fn percent(&self, action: Action) -> u32 {
        match action {
            Action::EmergencyStop => self.emergency_stop_percent,
            Action::Rollback => self.rollback_percent,
            Action::ScaleDown | Action::None => self.scale_down_percent,
        }
    }
}

/// An action with what led to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// What to do.
    pub action: Action,
    /// How sure its condition on the money is.
    pub confidence: Confidence,
    /// Projected spend of the period, currency units.
    pub forecast: f64,
    /// The budget, currency units.
    pub budget: f64,
    /// The scope's state.
    pub state: State,
    /// The gate score and its inputs.
    pub gate: GateScore,
}

/// Probability, 0 to 1, that the action's condition on the money still holds when the period is over (for NONE: that the budget is kept).
///
/// It is read from the forecast's distribution. The state is no part of it: it is a fact of the hour, and its own hysteresis stands against haste. How often
/// conditions of each confidence came true on the traces: `docs/RHYTHM.md`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Confidence(f64);

impl Confidence {
    /// Of an action, given where the period may end.
    pub fn of(action: Action, forecast: &Forecast, budget: f64, limits: &ActionLimits) -> Confidence {
        let reached = forecast.probability_of(budget * f64::from(limits.percent(action)) / 100.0);
        Confidence(if action == Action::None { 1.0 - reached } else { reached })
    }

    /// The probability.
    pub fn probability(self) -> f64 {
        self.0
    }
}

/// The recommendation for a budget.
pub fn recommend(forecast: &Forecast, budget: f64, state: State, gate: GateScore, limits: &ActionLimits) -> Recommendation {
    let action = limits.action(forecast.expected, budget, state, gate.score);
    let confidence = Confidence::of(action, forecast, budget, limits);
    Recommendation { action, confidence, forecast: forecast.expected, budget, state, gate }
}

#[cfg(test)]
mod tests;
