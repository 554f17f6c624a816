//! DSPOT: extreme values of the distance to a moving mean, by a generalised Pareto tail (Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017).

use std::collections::VecDeque;

use crate::spend::Method;

/// Hours of the moving mean.
const DEPTH: usize = 24;
/// Hours from which the tail's start is taken.
const CALIBRATION: usize = 48;
/// Share of the calibration below the tail.
const TAIL_FROM: f64 = 0.9;
/// Most excesses kept.
const MOST_EXCESSES: usize = 200;
/// An hour rarer than one in ten to this does not teach the tail or the mean.
const NOT_LEARNT: f64 = 4.0;

/// One series' state.
#[derive(Clone, Debug, Default)]
pub struct Dspot {
    window: VecDeque<f64>,
    calibration: Vec<f64>,
    tail_from: f64,
    excesses: VecDeque<f64>,
    hours: f64,
    tail_hours: f64,
}

impl Method for Dspot {
    fn step(&mut self, _: usize, spend: f64) -> f64 {
        let mean = self.window.iter().sum::<f64>() / self.window.len().max(1) as f64;
        let distance = spend - mean;
        let mut score = 0.0;
        if self.window.len() == DEPTH {
            if self.calibration.len() < CALIBRATION {
                self.calibrate(distance);
            } else {
                score = self.judge(distance);
                if score > NOT_LEARNT {
                    return score;
                }
                self.learn(distance);
            }
        }
        self.window.push_back(spend);
        if self.window.len() > DEPTH {
            self.window.pop_front();
        }
        score
    }
}

impl Dspot {
    fn calibrate(&mut self, distance: f64) {
        self.calibration.push(distance);
        if self.calibration.len() < CALIBRATION {
            return;
        }
        let mut sorted = self.calibration.clone();
        sorted.sort_by(f64::total_cmp);
        self.tail_from = sorted[(TAIL_FROM * CALIBRATION as f64) as usize];
        for distance in sorted {
            self.learn(distance);
        }
    }

    fn learn(&mut self, distance: f64) {
        self.hours += 1.0;
        if distance > self.tail_from {
            self.tail_hours += 1.0;
            self.excesses.push_back(distance - self.tail_from);
            if self.excesses.len() > MOST_EXCESSES {
                self.excesses.pop_front();
            }
        }
    }

    /// -log10 of the probability of at least this distance; shape and scale by the method of moments.
    fn judge(&self, distance: f64) -> f64 {
        let count = self.excesses.len().max(1) as f64;
        let mean = self.excesses.iter().sum::<f64>() / count;
        let variance = self.excesses.iter().map(|excess| (excess - mean).powi(2)).sum::<f64>() / count;
        let excess = distance - self.tail_from;
        if excess <= 0.0 || mean <= 0.0 {
            return 0.0;
        }
        let ratio = mean * mean / variance.max(1e-12 * mean * mean);
        // kept heavy-tailed: a bounded tail would call everything beyond its end equally impossible
        let shape = (0.5 * (1.0 - ratio)).max(0.05);
        let scale = mean * (1.0 - shape);
        (self.hours / self.tail_hours).log10() + (1.0 + shape * excess / scale).log10() / shape
    }
}
