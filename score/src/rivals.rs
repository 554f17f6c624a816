//! Detectors to compare with, each online, with one sensible setting, and judging increases only.

mod bocpd;
mod classic;
mod dspot;
pub mod five_view;
mod holt_winters;

pub use bocpd::Bocpd;
pub use classic::{MeanDeviation, MedianDeviation, TimesHourlyMean};
pub use dspot::Dspot;
pub use holt_winters::HoltWinters;

use detection::spike::SpikeDetector;

use crate::spend::Method;
use five_view::FiveView;

impl Method for FiveView {
    fn step(&mut self, hour: usize, spend: f64) -> f64 {
        FiveView::step(self, hour as f64 * 3600.0, spend).surprise
    }
}

impl Method for SpikeDetector {
    fn step(&mut self, hour: usize, spend: f64) -> f64 {
        self.observe(hour as i64 * 3600, spend).surprise
    }
}
