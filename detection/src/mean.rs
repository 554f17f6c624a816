//! The one step of every exponential mean.

/// A mean after one more value, which has this share of it.
#[inline]
pub(crate) fn moved(mean: f64, value: f64, share: f64) -> f64 {
    mean + share * (value - mean)
}
