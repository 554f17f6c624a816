//! ClickHouse's `RowBinary`: values one after another, little-endian, without names or separators.
//! <https://clickhouse.com/docs/interfaces/formats/RowBinary>

use schemas::{Money, Timestamp};

/// A time that a column cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {value} is beyond what ClickHouse's {kind} holds ({range})")]
pub struct OutOfRange {
    /// Of which column.
    pub column: &'static str,
    /// The time.
    pub value: Timestamp,
    /// The column's type.
    pub kind: &'static str,
    /// What it holds.
    pub range: &'static str,
}

/// First microsecond of 1900 and of 2300: what `DateTime64` is defined for.
const DATE_TIME_64_US: std::ops::Range<i64> = -2_208_988_800_000_000..10_413_792_000_000_000;

/// Appends values to a buffer that the caller keeps.
#[derive(Debug)]
pub(crate) struct RowWriter<'b>(pub(crate) &'b mut Vec<u8>);

impl RowWriter<'_> {
    pub(crate) fn int8(&mut self, value: i8) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    pub(crate) fn int32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn int64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn uint64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn int128(&mut self, value: i128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// `Decimal(38, 18)`: the units.
    pub(crate) fn money(&mut self, value: Money) {
        self.int128(value.units());
    }

    /// `Nullable(T)`: a flag, then the value if there is one.
    pub(crate) fn nullable<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.boolean(value.is_none());
        if let Some(value) = value {
            put(self, value);
        }
    }

    /// Lengths: base 128, least significant group first.
    pub(crate) fn length(&mut self, length: usize) {
        let mut rest = length;
        while rest >= 0x80 {
            self.0.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    /// `String` and `LowCardinality(String)`.
    pub(crate) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// `Map(String, String)`.
    pub(crate) fn pairs(&mut self, pairs: &[(&str, &str)]) {
        self.length(pairs.len());
        for (key, value) in pairs {
            self.text(key);
            self.text(value);
        }
    }

    /// `DateTime`: whole seconds in 32 bits.
    pub(crate) fn seconds(&mut self, column: &'static str, value: Timestamp) -> Result<(), OutOfRange> {
        let seconds = u32::try_from(value.micros().div_euclid(schemas::timestamp::SECOND_US));
        let seconds = seconds.map_err(|_| OutOfRange { column, value, kind: "DateTime", range: "1970 to 2106-02-07" })?;
        self.0.extend_from_slice(&seconds.to_le_bytes());
        Ok(())
    }

    /// `DateTime64(6)`: microseconds.
    pub(crate) fn micros(&mut self, column: &'static str, value: Timestamp) -> Result<(), OutOfRange> {
        if !DATE_TIME_64_US.contains(&value.micros()) {
            return Err(OutOfRange { column, value, kind: "DateTime64(6)", range: "1900 to 2299" });
        }
        self.int64(value.micros());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_base_128() {
        for (length, expected) in
            [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2]), (16_384, vec![0x80, 0x80, 1])]
        {
            let mut bytes = Vec::new();
            RowWriter(&mut bytes).length(length);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn what_a_column_cannot_hold_is_refused_and_never_wrapped() {
        let mut bytes = Vec::new();
        let mut row = RowWriter(&mut bytes);
        let end = Timestamp::from_millis(1000 << 32);
        assert!(row.seconds("window_start", end.plus(-1)).is_ok());
        assert!(row.seconds("window_start", end).is_err());
        assert!(row.seconds("window_start", Timestamp::from_micros(-1)).is_err());
        assert!(row.micros("first_event_at", Timestamp::from_micros(DATE_TIME_64_US.end - 1)).is_ok());
        let error = row.micros("first_event_at", Timestamp::from_micros(DATE_TIME_64_US.end)).unwrap_err();
        assert!(error.to_string().contains("first_event_at: 2300-01-01"), "{error}");
    }
}
