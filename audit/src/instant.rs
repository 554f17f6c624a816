//! RFC 3339 times, read by `jiff` behind a check of the exact shape (`jiff` alone is more lenient than the contract).

/// Microseconds since 1970 of the first instant accepted, 1970-01-01.
pub(crate) const FIRST_US: i64 = 0;
/// Microseconds since 1970 of the first instant no longer accepted, 2106-01-01.
pub(crate) const END_US: i64 = 4_291_747_200_000_000;

/// Microseconds since 1970, cut; `None` for what is no accepted time.
pub(crate) fn parse_us(text: &str) -> Option<i64> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let date_time = shape.get(..19)?;
    if !["0000-00-00T00:00:00", "0000-00-00t00:00:00", "0000-00-00 00:00:00"].contains(&date_time) {
        return None;
    }
    if &text[17..19] == "60" {
        return None;
    }
    let after = &shape[19..];
    let (fraction, offset) = match after.strip_prefix('.') {
        None => ("", after),
        Some(rest) => {
            let digits = rest.len() - rest.trim_start_matches('0').len();
            if digits == 0 {
                return None;
            }
            (&text[20..20 + digits], &rest[digits..])
        }
    };
    if !["Z", "z", "+00:00", "-00:00"].contains(&offset) {
        return None;
    }
    let offset = &text[text.len() - offset.len()..];
    if offset.len() == 6 && (&offset[1..3] > "23" || &offset[4..6] > "59") {
        return None;
    }
    let micros: String = fraction.chars().chain(std::iter::repeat('0')).take(6).collect();
    let instant: jiff::Timestamp = format!("{}T{}.{micros}{}", &text[..10], &text[11..19], offset.to_uppercase()).parse().ok()?;
    let instant_us = instant.as_microsecond();
    (FIRST_US..END_US).contains(&instant_us).then_some(instant_us)
}

/// RFC 3339 in UTC, for people.
pub(crate) fn show(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| format!("{micros} us"), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_spellings_of_one_instant() {
        for text in [
            "2026-11-22T10:15:03.123456Z",
            "2026-11-22t10:15:03.1234569z",
            "2026-11-22 15:45:03.123456999999999+05:30",
            "2026-11-21T10:15:03.123456-24:00",
        ] {
            let expected = if text.ends_with("-24:00") { None } else { Some(1_795_342_503_123_456) };
            assert_eq!(parse_us(text), expected, "{text}");
        }
        assert_eq!(parse_us("1970-01-01T00:00:00.5-00:00"), Some(500_000));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T10:15:03",
            "2026-11-22T10:15:60Z",
            "2026-11-22T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "1795342503",
            "2026-11-22T10:15:03,5Z",
            "2026-11-22T10:15:03.Z",
            "2026-11-22T10:15:03+0530",
            "2026-11-22T10:15:03Z[UTC]",
            "2026-11-22T10:15:03Z ",
            "1969-12-31T23:59:59Z",
            "2106-01-01T00:00:00Z",
            "２026-11-22T10:15:03Z",
            "2026-11-22T10:15:03+05:60",
        ] {
            assert_eq!(parse_us(text), None, "{text:?}");
        }
    }
}
