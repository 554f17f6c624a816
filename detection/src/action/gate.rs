//! The gate score: may a scope go on as it is? Return on its spend, its service level and its maturity, each 0 to 100 points, weighted 30/40/30.

use serde::{Deserialize, Serialize};

/// How the parts become points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateSettings {
    /// Weight of the return.
    pub roi_weight: u32,
    /// Weight of the service level.
    pub slo_weight: u32,
    /// Weight of the maturity.
    pub maturity_weight: u32,
    /// Return, (revenue - cost) / cost, that gives no points. -1: no revenue at all.
    pub roi_at_0: f64,
    /// Return that gives all points. 1: revenue is twice the cost. Breaking even is in the middle.
    pub roi_at_100: f64,
    /// Share of the calls within their objective that gives no points.
    pub slo_at_0: f64,
    /// Share that gives all points: the objective.
    pub slo_at_100: f64,
    /// Days since the first spend that give all points; the first gives none.
    pub mature_after_days: u32,
    /// Share of the weights that must be known for a score, in percent.
    pub known_percent: u32,
}

impl Default for GateSettings {
    fn default() -> GateSettings {
        GateSettings {
            roi_weight: 30,
            slo_weight: 40,
            maturity_weight: 30,
            roi_at_0: -1.0,
            roi_at_100: 1.0,
            slo_at_0: 0.90,
            slo_at_100: 0.99,
            mature_after_days: 28,
            known_percent: 50,
        }
    }
}

/// What the score is made of. What nobody reports is `None`, not zero: a scope without revenue figures is not a scope without revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateInputs {
    /// Revenue of the period so far, currency units.
    pub revenue: Option<f64>,
    /// Cost of the same time, currency units.
    pub cost: f64,
    /// Calls of the period so far; 0 gives no service level.
    pub calls: u64,
    /// Those that succeeded within their latency objective; `None` if nobody counts them.
    pub calls_within_objective: Option<u64>,
    /// Hours since the first spend.
    pub age_h: u32,
}

/// One part of the score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatePart {
    /// Return, share within the objective, or age in days; `None` if it is not known.
    pub input: Option<f64>,
    /// 0 to 100.
    pub points: Option<f64>,
    /// Weight in the score.
    pub weight: u32,
}

/// The score with its parts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateScore {
    /// 0 to 100: mean of the known parts by weight. `None` if too little is known.
    pub score: Option<f64>,
    /// Return on the spend.
    pub roi: GatePart,
    /// Service level.
    pub slo: GatePart,
    /// Maturity.
    pub maturity: GatePart,
}

impl GateSettings {
    /// The score of a scope.
    pub fn score(&self, inputs: &GateInputs) -> GateScore {
        let roi = inputs.revenue.filter(|_| inputs.cost > 0.0).map(|revenue| (revenue - inputs.cost) / inputs.cost);
        let within = inputs.calls_within_objective.filter(|_| inputs.calls > 0);
        let slo = within.map(|within| (within as f64 / inputs.calls as f64).min(1.0));
        let age_days = f64::from(inputs.age_h) / 24.0;

        let part = |input: Option<f64>, none: f64, all: f64, weight: u32| GatePart {
            input,
            points: input.and_then(|input| points(input, none, all)),
            weight,
        };
        let roi = part(roi, self.roi_at_0, self.roi_at_100, self.roi_weight);
        let slo = part(slo, self.slo_at_0, self.slo_at_100, self.slo_weight);
        let maturity = part(Some(age_days), 0.0, f64::from(self.mature_after_days), self.maturity_weight);
        let (mut sum, mut known, mut weights) = (0.0, 0, 0);
        for part in [&roi, &slo, &maturity] {
            weights += part.weight;
            if let Some(points) = part.points {
                sum += points * f64::from(part.weight);
                known += part.weight;
            }
        }
        let enough = known > 0 && u64::from(known) * 100 >= u64::from(weights) * u64::from(self.known_percent);
        GateScore { score: enough.then(|| sum / f64::from(known)), roi, slo, maturity }
    }
}

/// 0 to 100 between two inputs, along a line; `None` for an input that is no number.
fn points(input: f64, none: f64, all: f64) -> Option<f64> {
    if !input.is_finite() {
        return None;
    }
    if all <= none {
        return Some(if input >= all { 100.0 } else { 0.0 });
    }
    Some(((input - none) / (all - none) * 100.0).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: GateInputs =
        GateInputs { revenue: Some(200.0), cost: 100.0, calls: 1000, calls_within_objective: Some(990), age_h: 28 * 24 };

    fn score(inputs: GateInputs) -> Option<f64> {
        GateSettings::default().score(&inputs).score
    }

    fn near(found: Option<f64>, wanted: f64) -> bool {
        found.is_some_and(|found| (found - wanted).abs() < 1e-9)
    }

    #[test]
    fn all_good_is_100_and_all_bad_is_0() {
        assert!(near(score(GOOD), 100.0));
        let bad = GateInputs { revenue: Some(0.0), calls_within_objective: Some(900), age_h: 0, ..GOOD };
        assert!(near(score(bad), 0.0));
    }

    #[test]
    fn the_parts_weigh_30_40_30() {
        assert!(near(score(GateInputs { revenue: Some(0.0), ..GOOD }), 70.0));
        assert!(near(score(GateInputs { calls_within_objective: Some(0), ..GOOD }), 60.0));
        assert!(near(score(GateInputs { age_h: 0, ..GOOD }), 70.0));
    }

    #[test]
    fn breaking_even_half_an_objective_and_half_an_age_are_in_the_middle() {
        let middle = GateInputs { revenue: Some(100.0), calls_within_objective: Some(945), age_h: 14 * 24, ..GOOD };
        let gate = GateSettings::default().score(&middle);
        for part in [gate.roi, gate.slo, gate.maturity] {
            assert!(near(part.points, 50.0), "{part:?}");
        }
        assert!(near(gate.score, 50.0));
    }

    #[test]
    fn what_is_not_known_is_left_out_and_too_little_is_no_score() {
        assert!(near(score(GateInputs { revenue: None, ..GOOD }), 100.0));
        assert!(near(score(GateInputs { calls_within_objective: None, ..GOOD }), 100.0));
        let age_alone = GateInputs { revenue: None, calls_within_objective: None, ..GOOD };
        assert_eq!(score(age_alone), None, "30 of 100 are known");
    }

    #[test]
    fn the_inputs_are_shown() {
        let gate = GateSettings::default().score(&GOOD);
        assert!(near(gate.roi.input, 1.0) && near(gate.slo.input, 0.99) && near(gate.maturity.input, 28.0));
    }
}
