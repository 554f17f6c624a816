//! Avro's binary encoding (specification 1.12, "Binary encoding"): the primitives that our own formats are made of.
//! Reading checks every length before it is believed.

/// Appends Avro values.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written so far.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// `int` or `long`.
    pub fn long(&mut self, value: i64) {
        let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while zigzag >= 0x80 {
            self.bytes.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        self.bytes.push(zigzag as u8);
    }

    /// A `long` that holds a count.
    pub fn count(&mut self, value: u64) {
        self.long(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// `boolean`
    pub fn boolean(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// `string`
    pub fn text(&mut self, value: &str) {
        self.count(value.len() as u64);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// `bytes` that hold a two's-complement big-endian integer, as short as possible (logical type `decimal`).
    pub fn decimal(&mut self, value: i128) {
        let bytes = value.to_be_bytes();
        let spare = if value < 0 { value.leading_ones() } else { value.leading_zeros() };
        let skipped = (spare.saturating_sub(1) / 8).min(15) as usize;
        self.count(16 - skipped as u64);
        self.bytes.extend_from_slice(&bytes[skipped..]);
    }
}

/// Takes Avro values off a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// The bytes are no value of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes end too early, or a length points beyond them.
    #[error("cut short")]
    Truncated,
    /// A number is longer than its type, or a boolean is neither 0 nor 1.
    #[error("malformed value")]
    Malformed,
    /// A string is not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
}

impl<'a> Reader<'a> {
    /// Over all of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Bytes not yet taken.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// `long`
    ///
    /// # Errors
    /// [`ReadError`]
    #[inline]
    pub fn long(&mut self) -> Result<i64, ReadError> {
        let mut zigzag = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            zigzag |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                if index == 9 && *byte > 1 {
                    return Err(ReadError::Malformed);
                }
                self.rest = &self.rest[index + 1..];
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(if self.rest.len() < 10 { ReadError::Truncated } else { ReadError::Malformed })
    }

    /// A `long` that holds a count.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn count(&mut self) -> Result<u64, ReadError> {
        u64::try_from(self.long()?).map_err(|_| ReadError::Malformed)
    }

    /// `boolean`
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn boolean(&mut self) -> Result<bool, ReadError> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(ReadError::Malformed),
        }
    }

    /// `bytes`
    ///
    /// # Errors
    /// [`ReadError`]
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let length = usize::try_from(self.long()?).map_err(|_| ReadError::Malformed)?;
        self.take(length)
    }

    /// `string`
    ///
    /// # Errors
    /// [`ReadError`]
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, ReadError> {
        let bytes = self.bytes()?;
        if bytes.is_ascii() {
            // SAFETY: ASCII is UTF-8.
            return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
        }
        std::str::from_utf8(bytes).map_err(|_| ReadError::Utf8)
    }

    /// See [`Writer::decimal`].
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn decimal(&mut self) -> Result<i128, ReadError> {
        let bytes = self.bytes()?;
        if bytes.is_empty() || bytes.len() > 16 {
            return Err(ReadError::Malformed);
        }
        let sign = if bytes[0] & 0x80 != 0 { 0xff } else { 0 };
        let mut wide = [sign; 16];
        wide[16 - bytes.len()..].copy_from_slice(bytes);
        Ok(i128::from_be_bytes(wide))
    }

    /// The next `length` bytes (also `fixed`).
    ///
    /// # Errors
    /// [`ReadError`]
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(long: i64, decimal: i128, text: String, boolean: bool) {
            let mut writer = Writer::default();
            writer.long(long);
            writer.decimal(decimal);
            writer.text(&text);
            writer.boolean(boolean);
            let mut reader = Reader::new(&writer.bytes);
            prop_assert_eq!((reader.long(), reader.decimal(), reader.text(), reader.boolean()), (Ok(long), Ok(decimal), Ok(text.as_str()), Ok(boolean)));
            prop_assert_eq!(reader.remaining(), 0);
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            let reader = Reader::new(&bytes);
            let _ = (reader.clone().long(), reader.clone().decimal(), reader.clone().text(), reader.clone().boolean());
        }
    }

    #[test]
    fn decimals_are_as_short_as_possible() {
        for (value, bytes) in [(0, vec![2, 0]), (127, vec![2, 127]), (128, vec![4, 0, 128]), (-128, vec![2, 128]), (-1, vec![2, 255])] {
            let mut writer = Writer::default();
            writer.decimal(value);
            assert_eq!(writer.bytes, bytes);
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        let mut writer = Writer::default();
        writer.long(i64::MAX);
        assert_eq!(Reader::new(&writer.bytes).bytes(), Err(ReadError::Truncated));
        assert_eq!(Reader::new(&[1]).bytes(), Err(ReadError::Malformed));
        assert_eq!(Reader::new(&[0xff; 10]).long(), Err(ReadError::Malformed));
    }
}
