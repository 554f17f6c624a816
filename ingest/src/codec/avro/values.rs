//! Avro values that are more than a primitive.

use std::fmt::Write as _;

use bumpalo::Bump;
use bumpalo::collections::String as ArenaString;
use schemas::avro::ReadError;
use schemas::{Reason, Timestamp};

use super::super::refusal::{Refused, field, payload};
use super::plan::Unit;

/// What a read error means for the message.
#[cold]
pub(super) fn refused(name: &str, error: ReadError) -> Refused {
    match error {
        ReadError::Utf8 => payload(Reason::InvalidUtf8, format!("{name}: text is not valid UTF-8; send Avro strings in UTF-8")),
        ReadError::Truncated | ReadError::Malformed => payload(
            Reason::MalformedAvro,
            format!("{name}: {error}; send one record in binary encoding, with the schema that the message names"),
        ),
    }
}

/// The bytes hold what their schema does not allow.
#[cold]
pub(super) fn malformed(name: &str, found: &str) -> Refused {
    payload(Reason::MalformedAvro, format!("{name}: {found}; send one record in binary encoding, with the schema that the message names"))
}

/// An instant within the accepted years. Nanoseconds are cut.
pub(super) fn instant(name: &str, value: i64, unit: Unit) -> Result<Timestamp, Refused> {
    let micros = match unit {
        Unit::Micros => Some(value),
        Unit::Millis => value.checked_mul(1000),
        Unit::Nanos => Some(value.div_euclid(1000)),
    };
    let time = micros.map(Timestamp::from_micros).filter(|time| time.in_range());
    time.ok_or_else(|| {
        field(Reason::OutOfRange, name, &value.to_string(), "send a time of the years 1970 to 2105, in the unit that the schema says")
    })
}

/// A two's-complement big-endian integer; `None` beyond 128 bits.
pub(super) fn integer(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let spare = bytes.len().saturating_sub(16);
    let (above, low) = bytes.split_at(spare);
    let fits = above.iter().all(|b| *b == sign) && low.first()? & 0x80 == sign & 0x80;
    fits.then(|| {
        let mut wide = [sign; 16];
        wide[16 - low.len()..].copy_from_slice(low);
        i128::from_be_bytes(wide)
    })
}

/// Text made in the arena.
pub(super) fn formatted(arena: &Bump, value: impl std::fmt::Display) -> &str {
    let mut text = ArenaString::new_in(arena);
    let _infallible = write!(text, "{value}");
    text.into_bump_str()
}

/// The shortest text that reads back as the number; NaN and infinities by name.
pub(super) fn float_text(arena: &Bump, value: f64) -> &str {
    match serde_json::Number::from_f64(value) {
        Some(number) => formatted(arena, number),
        None => formatted(arena, value),
    }
}

/// An unscaled integer with its decimals, exactly: `-12.50` for -1250 and 2.
pub(super) fn decimal_text(arena: &Bump, unscaled: i128, scale: usize) -> &str {
    let digits = unscaled.unsigned_abs();
    let sign = if unscaled < 0 { "-" } else { "" };
    let padded = format!("{digits:0width$}", width = scale.saturating_add(1));
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    if fraction.is_empty() {
        formatted(arena, format_args!("{sign}{whole}"))
    } else {
        formatted(arena, format_args!("{sign}{whole}.{fraction}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_length_are_read_or_refused() {
        assert_eq!(integer(&[]), None);
        assert_eq!(integer(&[0xff]), Some(-1));
        assert_eq!(integer(&[0, 0xff]), Some(255));
        assert_eq!(integer(&[0xff; 30]), Some(-1));
        assert_eq!(integer(&[0; 30]), Some(0));
        assert_eq!(integer(&[&[0][..], &[0x80], &[0; 15]].concat()), None);
        assert_eq!(integer(&[&[1][..], &[0; 16]].concat()), None);
        let arena = Bump::new();
        assert_eq!(decimal_text(&arena, -1250, 2), "-12.50");
        assert_eq!(decimal_text(&arena, 5, 3), "0.005");
        assert_eq!(decimal_text(&arena, 5, 0), "5");
    }
}
