//! Large states as bytes, in postcard's format, without a copy of them in memory: that took longer than writing them.

use postcard::ser_flavors::Flavor;
use schemas::{Measures, Money, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

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

/// Reads a state part by part, so that its cells need not all stand in memory twice. Errors are postcard's: the bytes are none of such a value.
pub(crate) struct Parts<'a>(pub(crate) &'a [u8]);

/// Bytes that measures have at least: one for each number.
const LEAST_MEASURES_BYTES: usize = 17;

impl<'a> Parts<'a> {
    /// The next part.
    #[inline]
    pub(crate) fn take<T: Deserialize<'a>>(&mut self) -> postcard::Result<T> {
        let (part, rest) = postcard::take_from_bytes(self.0)?;
        self.0 = rest;
        Ok(part)
    }

    /// How many elements the sequence has that comes next.
    #[inline]
    pub(crate) fn length(&mut self) -> postcard::Result<usize> {
        Ok(self.unsigned()? as usize)
    }

    /// The room to make for so many elements that have measures: no more than the bytes that are left can hold.
    pub(crate) fn room(&self, elements: usize) -> usize {
        elements.min(self.0.len() / LEAST_MEASURES_BYTES)
    }

    /// A number of 32 bits.
    #[inline]
    pub(crate) fn number(&mut self) -> postcard::Result<u32> {
        u32::try_from(self.unsigned()?).map_err(|_| postcard::Error::DeserializeBadVarint)
    }

    #[inline]
    pub(crate) fn unsigned(&mut self) -> postcard::Result<u64> {
        match self.short() {
            Some(number) => Ok(number),
            None => self.take(),
        }
    }

    #[inline]
    pub(crate) fn signed(&mut self) -> postcard::Result<i64> {
        match self.short() {
            Some(number) => Ok(unfolded(number)),
            None => self.take(),
        }
    }

    #[inline]
    fn wide(&mut self) -> postcard::Result<i128> {
        match self.short() {
            Some(number) => Ok(unfolded(number).into()),
            None => self.take(),
        }
    }

    /// A number of at most 63 bits, as nearly all are: seven in each byte, the lowest first.
    #[inline(always)]
    fn short(&mut self) -> Option<u64> {
        let mut number = 0;
        for (at, byte) in self.0.iter().take(9).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }

    /// What [`Parts::take`] would give, sooner.
    #[inline]
    pub(crate) fn measures(&mut self) -> postcard::Result<Measures> {
        Ok(Measures {
            events: self.unsigned()?,
            calls: self.unsigned()?,
            errors: self.unsigned()?,
            unpriced_events: self.unsigned()?,
            uncached_input_tokens: self.wide()?,
            cache_read_tokens: self.wide()?,
            cache_write_tokens: self.wide()?,
            output_tokens: self.wide()?,
            reasoning_tokens: self.wide()?,
            cost: Money::from_units(self.wide()?),
            credit: Money::from_units(self.wide()?),
            revenue: Money::from_units(self.wide()?),
            latency_count: self.unsigned()?,
            latency_ms_sum: self.wide()?,
            latency_ms_max: self.unsigned()?,
            first_event_at: Timestamp::from_micros(self.signed()?),
            last_event_at: Timestamp::from_micros(self.signed()?),
        })
    }
}

/// A signed number: 0, -1, 1, -2, ... are written as 0, 1, 2, 3, ...
#[inline]
fn unfolded(number: u64) -> i64 {
    let half = (number >> 1).cast_signed();
    if number & 1 == 0 { half } else { !half }
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

    #[test]
    fn measures_are_those_that_postcard_reads() {
        let numbers = [0, 1, -1, 63, -63, 64, -64, -65, 127, 128, 300, i64::MAX, i64::MIN];
        for (at, number) in numbers.into_iter().enumerate() {
            let (count, wide) = (number.unsigned_abs(), i128::from(number) << (at * 5));
            let money = |nth: i128| Money::from_units(wide - nth);
            let measures = Measures {
                events: count,
                calls: count / 2,
                errors: count / 3,
                unpriced_events: at as u64,
                uncached_input_tokens: wide,
                cache_read_tokens: -wide,
                cache_write_tokens: wide / 2,
                output_tokens: wide / 3,
                reasoning_tokens: number.into(),
                cost: money(0),
                credit: money(1),
                revenue: money(2),
                latency_count: count / 5,
                latency_ms_sum: wide / 7,
                latency_ms_max: count / 7,
                first_event_at: Timestamp::from_micros(number),
                last_event_at: Timestamp::from_micros(number / 2),
            };
            let bytes = postcard::to_allocvec(&(measures, 7_u8)).unwrap();
            let mut parts = Parts(&bytes);
            assert_eq!(parts.measures(), Ok(measures));
            assert_eq!(parts.0, [7]);
            for length in 0..bytes.len() - 1 {
                assert!(Parts(&bytes[..length]).measures().is_err());
            }
        }
        assert_eq!(Parts(&[0xff; 40]).measures(), Err(postcard::Error::DeserializeBadVarint));
    }
}
