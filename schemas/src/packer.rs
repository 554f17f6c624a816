//! Packs values into bytes that are hashed. An event has two dozen texts, most of them short or empty: a copy of fixed size is several
//! times faster than one of just the length, so the buffer always has room for one beyond what is packed.

use crate::text_head::{HEAD_BYTES, text_head};

/// Room that is made at once; more only for long texts.
const USUAL_BYTES: usize = 1024;

/// A short text with its length in front, rounded up.
const SHORT_BYTES: usize = HEAD_BYTES + 8;

/// See the module's documentation. Equal values make equal bytes, and no two sequences of values of the same kinds run together.
pub(crate) struct Packer<'b> {
    buffer: &'b mut Vec<u8>,
    length: usize,
}

impl<'b> Packer<'b> {
    /// Packs into a buffer that is kept from use to use; what is in it is overwritten.
    pub(crate) fn over(buffer: &'b mut Vec<u8>) -> Self {
        Packer { buffer, length: 0 }
    }

    /// What was packed.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Puts an array behind what is packed, without counting it in.
    #[inline]
    fn put<const N: usize>(&mut self, array: [u8; N]) {
        if self.buffer.len() < self.length + N {
            self.make_room(N);
        }
        self.buffer[self.length..self.length + N].copy_from_slice(&array);
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) {
        self.buffer.resize((self.length + bytes).next_power_of_two().max(USUAL_BYTES), 0);
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, array: [u8; N]) {
        self.put(array);
        self.length += N;
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.array([byte]);
    }

    /// Bytes whose number is known from elsewhere.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if self.buffer.len() < end {
            self.make_room(bytes.len());
        }
        self.buffer[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// One byte for small numbers, nine for others: most counts of most events are zero.
    #[inline]
    pub(crate) fn number(&mut self, number: u64) {
        if number < 255 {
            self.byte(number as u8);
        } else {
            self.byte(255);
            self.array(number.to_le_bytes());
        }
    }

    /// A text and its length.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) {
        if text.len() > HEAD_BYTES {
            self.number(text.len() as u64);
            self.bytes(text.as_bytes());
            return;
        }
        if text.is_empty() {
            self.byte(0);
            return;
        }
        let [a, b, c] = text_head(text).map(u64::to_le_bytes);
        let mut short = [0; SHORT_BYTES];
        short[0] = text.len() as u8;
        short[1..9].copy_from_slice(&a);
        short[9..17].copy_from_slice(&b);
        short[17..25].copy_from_slice(&c);
        self.put(short);
        self.length += 1 + text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_are_packed_behind_their_length() {
        let (long, mut buffer) = ("ab3-".repeat(1000), Vec::new());
        for length in (0..600).chain(3000..3010) {
            let mut packed = Packer::over(&mut buffer);
            packed.byte(7);
            packed.text(&long[..length]);
            packed.number(255);
            let prefix = if length < 255 { vec![7, length as u8] } else { [&[7, 255][..], &(length as u64).to_le_bytes()].concat() };
            assert_eq!(packed.packed(), [&prefix, &long.as_bytes()[..length], &[255, 255, 0, 0, 0, 0, 0, 0, 0]].concat());
        }
    }
}
