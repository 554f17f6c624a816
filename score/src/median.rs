//! The middle of values.

use std::cmp::Ordering;

/// The upper one of the middle values; sorts them. `None` of nothing.
pub(crate) fn median<T: Copy>(values: &mut [T], order: impl FnMut(&T, &T) -> Ordering) -> Option<T> {
    values.sort_unstable_by(order);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_upper_of_two_middle_values_and_nothing_of_nothing() {
        assert_eq!(median(&mut [3, 1, 2], Ord::cmp), Some(2));
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0], f64::total_cmp), Some(3.0));
        assert_eq!(median::<u8>(&mut [], Ord::cmp), None);
    }
}
