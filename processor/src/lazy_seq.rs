//! Sequences that are written while they are made. A state is large, and a copy of it in memory costs more than writing it.

use serde::{Serialize, Serializer};

/// A sequence of what a function's iterator makes, in the form that a `Vec` of it has.
pub(crate) struct LazySeq<F>(pub(crate) F);

impl<F, I> Serialize for LazySeq<F>
where
    F: Fn() -> I,
    I: ExactSizeIterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_a_vec() {
        let numbers: Vec<(u64, Vec<i128>)> = (0..300).map(|n| (n, vec![i128::from(n) << 40; n as usize % 3])).collect();
        let lazy = LazySeq(|| numbers.iter().map(|(n, list)| (*n, LazySeq(move || list.iter().copied()))));
        assert_eq!(postcard::to_stdvec(&lazy).unwrap(), postcard::to_stdvec(&numbers).unwrap());
    }
}
