//! Large states as bytes, in postcard's format, without a copy of them in memory: that took longer than writing them.

use postcard::ser_flavors::Flavor;
use serde::{Serialize, Serializer};

/// Bytes that are faster pushed one by one than by a call that copies them: nearly all are numbers.
const SHORT_BYTES: usize = 16;

/// The format's version and the state behind it.
///
/// # Errors
/// Postcard's, should a value be of a kind that it cannot write.
pub(crate) fn state_bytes(version: u8, state: &impl Serialize) -> postcard::Result<Vec<u8>> {
    postcard::serialize_with_flavor(state, Growing(vec![version]))
}

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

/// Writes to memory as far as it takes.
struct Growing(Vec<u8>);

impl Flavor for Growing {
    type Output = Vec<u8>;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > SHORT_BYTES {
            self.0.extend_from_slice(bytes);
        } else {
            bytes.iter().for_each(|byte| self.0.push(*byte));
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_a_vec_and_of_postcard_itself() {
        let numbers: Vec<(u64, String, Vec<i128>)> =
            (0..300).map(|n| (n, "x".repeat(n as usize % 40), vec![i128::from(n) << 90; n as usize % 3])).collect();
        let lazy = LazySeq(|| numbers.iter().map(|(n, text, list)| (*n, text, LazySeq(move || list.iter().copied()))));
        assert_eq!(state_bytes(9, &lazy).unwrap(), postcard::to_extend(&numbers, vec![9]).unwrap());
    }
}
