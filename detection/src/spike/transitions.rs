//! Which value follows which: counts of pairs of classes, classes evenly spaced on a logarithmic scale of standard deviations from the level.

use serde::{Deserialize, Serialize};

use super::arithmetic::{ln, log10};

/// Classes; the level is in the middle one.
const CLASSES: usize = 32;
/// Standard deviations below which classes are evenly spaced, inverted.
const LINEAR: f64 = 2.0;
/// Classes per unit of the inverse hyperbolic sine.
const SPACING: f64 = 4.0;
/// Share of a count that its neighbours take part with: a border between classes is no border in the world.
const NEIGHBOUR: f64 = 0.3;
/// Pairs before anything is said.
const WARM_UP: u32 = 60;
/// Memory in points, and the weight at which all are brought down.
const MEMORY: f64 = 30_000.0;
const LARGEST_WEIGHT: f64 = 65_536.0;

/// Counts of pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Transitions {
    /// By the earlier class; only those seen.
    rows: [Option<Box<Row>>; CLASSES],
    weight: f64,
    total: f64,
    seen: u32,
    last: u8,
}

/// Counts by the later class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row(#[serde(with = "super::packed")] [f32; CLASSES]);

impl Transitions {
    /// The class of a value so many standard deviations from the level.
    pub(super) fn class(deviations: f64) -> u8 {
        let scaled = (deviations * LINEAR).abs();
        let sine = ln(scaled + (scaled * scaled + 1.0).sqrt());
        let signed = if deviations < 0.0 { -sine } else { sine };
        (signed * SPACING + (CLASSES / 2) as f64).round().clamp(0.0, (CLASSES - 1) as f64) as u8
    }

    /// -log10 of the share of pairs like (last class, this class); `None` in the beginning.
    pub(super) fn rareness(&self, class: u8) -> Option<f64> {
        if self.seen < WARM_UP {
            return None;
        }
        let around = |class: u8| usize::from(class).saturating_sub(1)..(usize::from(class) + 2).min(CLASSES);
        let mut sum = 0.0;
        for from in around(self.last) {
            if let Some(row) = &self.rows[from] {
                for to in around(class) {
                    let is_center = from == usize::from(self.last) && to == usize::from(class);
                    sum += f64::from(row.0[to]) * if is_center { 1.0 } else { NEIGHBOUR };
                }
            }
        }
        Some(-log10((sum / self.weight + 0.5) / (self.total / self.weight + 1.0)))
    }

    /// Counts the pair and goes on.
    pub(super) fn learn(&mut self, class: u8) {
        self.weight = self.weight.max(1.0) * (1.0 + 1.0 / MEMORY);
        self.total += self.weight;
        self.seen = self.seen.saturating_add(1);
        let row = self.rows[usize::from(self.last)].get_or_insert_default();
        row.0[usize::from(class)] += self.weight as f32;
        self.last = class;
        if self.weight > LARGEST_WEIGHT {
            let factor = 1.0 / self.weight as f32;
            self.rows.iter_mut().flatten().for_each(|row| row.0.iter_mut().for_each(|count| *count *= factor));
            self.total /= self.weight;
            self.weight = 1.0;
        }
    }
}
