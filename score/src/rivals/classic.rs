//! The rules that most teams start with.

use std::collections::VecDeque;

use crate::median::median;
use crate::spend::Method;

const WEEK: usize = 168;
/// A spread is at least this share of the level, so that a constant series is not alarmed by its first cent.
const LEAST_SPREAD: f64 = 0.02;

/// Standard deviations above the mean of the last week: "mean + 3 sd" with the 3 left open.
#[derive(Clone, Debug, Default)]
pub struct MeanDeviation {
    past: VecDeque<f64>,
}

impl Method for MeanDeviation {
    fn step(&mut self, _: usize, spend: f64) -> f64 {
        let count = self.past.len().max(1) as f64;
        let mean = self.past.iter().sum::<f64>() / count;
        let variance = self.past.iter().map(|past| (past - mean).powi(2)).sum::<f64>() / count;
        let score = (spend - mean) / (variance.sqrt() + LEAST_SPREAD * mean + 1e-9);
        remember(&mut self.past, spend);
        if self.past.len() > 6 { score } else { 0.0 }
    }
}

/// Robust deviations above the median of the last week: the Hampel rule.
#[derive(Clone, Debug, Default)]
pub struct MedianDeviation {
    past: VecDeque<f64>,
}

impl Method for MedianDeviation {
    fn step(&mut self, _: usize, spend: f64) -> f64 {
        let mut sorted: Vec<f64> = self.past.iter().copied().collect();
        let center = median(&mut sorted, f64::total_cmp).unwrap_or(0.0);
        let mut distances: Vec<f64> = self.past.iter().map(|past| (past - center).abs()).collect();
        let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
        let score = (spend - center) / (1.4826 * median(&mut distances, f64::total_cmp).unwrap_or(0.0) + LEAST_SPREAD * mean + 1e-9);
        remember(&mut self.past, spend);
        if self.past.len() > 6 { score } else { 0.0 }
    }
}

/// How many times the mean of all earlier hours: "more than 3x the historical hourly mean" with the 3 left open.
#[derive(Clone, Debug, Default)]
pub struct TimesHourlyMean {
    sum: f64,
    hours: f64,
}

impl Method for TimesHourlyMean {
    fn step(&mut self, _: usize, spend: f64) -> f64 {
        let times = spend / (self.sum / self.hours.max(1.0) + 1e-9);
        self.sum += spend;
        self.hours += 1.0;
        if self.hours > 6.0 { times } else { 0.0 }
    }
}

fn remember(past: &mut VecDeque<f64>, spend: f64) {
    past.push_back(spend);
    if past.len() > WEEK {
        past.pop_front();
    }
}
