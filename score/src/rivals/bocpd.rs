//! Bayesian online changepoint detection (Adams and MacKay 2007): normal values of unknown mean and variance, constant hazard. The score is -log10 of the
//! probability of at least this spend under the mixture of all run lengths.

use crate::spend::Method;

/// Expected hours between two changes.
const HAZARD: f64 = 1.0 / 168.0;
/// Prior strength of mean and variance, in observations.
const PRIOR_MEAN: f64 = 0.1;
const PRIOR_SHAPE: f64 = 1.0;
const PRIOR_VARIANCE: f64 = 0.25;
/// Hours from which the unit is taken: spend is judged as ln(1 + spend / unit).
const UNIT_HOURS: usize = 24;

/// What a run of hours has taught.
#[derive(Clone, Copy, Debug)]
struct Run {
    weight: f64,
    mean: f64,
    strength: f64,
    shape: f64,
    scale: f64,
    /// ln of the ratio of gamma functions in the predictive density.
    ln_gamma_ratio: f64,
}

/// One series' state.
#[derive(Clone, Debug, Default)]
pub struct Bocpd {
    runs: Vec<Run>,
    hours: usize,
    sum: f64,
    unit: f64,
    prior_mean: f64,
}

impl Method for Bocpd {
    fn step(&mut self, _: usize, spend: f64) -> f64 {
        self.hours += 1;
        if self.hours <= UNIT_HOURS {
            self.sum += spend;
            self.unit = self.sum / self.hours as f64 + 1e-6;
            self.prior_mean = 2.0_f64.ln();
            return 0.0;
        }
        let value = (1.0 + spend / self.unit).ln();
        if self.runs.is_empty() {
            self.runs.push(self.fresh(1.0));
        }
        let densities: Vec<f64> = self.runs.iter().map(|run| run.density(value)).collect();
        let evidence: f64 = self.runs.iter().zip(&densities).map(|(run, density)| run.weight * density).sum::<f64>().max(1e-300);
        let tail: f64 = self.runs.iter().map(|run| run.weight * run.tail(value)).sum::<f64>().max(1e-300);
        let expected: f64 = self.runs.iter().map(|run| run.weight * run.mean).sum();
        for (run, density) in self.runs.iter_mut().zip(&densities) {
            run.weight *= density * (1.0 - HAZARD) / evidence;
            run.learn(value);
        }
        self.runs.push(self.fresh(HAZARD));
        if value > expected { -tail.log10() } else { 0.0 }
    }
}

impl Bocpd {
    fn fresh(&self, weight: f64) -> Run {
        let scale = PRIOR_SHAPE * PRIOR_VARIANCE;
        // Gamma(3/2) / Gamma(1) = sqrt(pi) / 2
        let ln_gamma_ratio = (std::f64::consts::PI.sqrt() / 2.0).ln();
        Run { weight, mean: self.prior_mean, strength: PRIOR_MEAN, shape: PRIOR_SHAPE, scale, ln_gamma_ratio }
    }
}

impl Run {
    /// Student's t.
    fn density(&self, value: f64) -> f64 {
        let freedom = 2.0 * self.shape;
        let spread = self.scale * (self.strength + 1.0) / (self.shape * self.strength);
        let distance = (value - self.mean).powi(2) / (freedom * spread);
        let ln_norm = self.ln_gamma_ratio - 0.5 * (freedom * std::f64::consts::PI * spread).ln();
        (ln_norm - (freedom + 1.0) / 2.0 * (1.0 + distance).ln()).exp()
    }

    /// Probability of at least this value: the normal deviate of about equal probability (Wallace 1959), then Birnbaum's bound of its tail.
    fn tail(&self, value: f64) -> f64 {
        let freedom = 2.0 * self.shape;
        let spread = self.scale * (self.strength + 1.0) / (self.shape * self.strength);
        let distance = (value - self.mean).max(0.0).powi(2) / (freedom * spread);
        let deviate = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0) * (freedom * (1.0 + distance).ln()).sqrt();
        (-deviate * deviate / 2.0).exp() * (2.0 / std::f64::consts::PI).sqrt() / (deviate + (deviate * deviate + 4.0).sqrt())
    }

    fn learn(&mut self, value: f64) {
        let error = value - self.mean;
        self.scale += self.strength * error * error / (2.0 * (self.strength + 1.0));
        self.mean += error / (self.strength + 1.0);
        self.strength += 1.0;
        // the ratio for one more degree of freedom
        self.ln_gamma_ratio = self.shape.ln() - self.ln_gamma_ratio;
        self.shape += 0.5;
    }
}
