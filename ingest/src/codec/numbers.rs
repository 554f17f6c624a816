//! Counts, amounts and durations from their literals, never through floating point.

use schemas::money::MoneyError;
use schemas::tokens::MAX_TOKENS;
use schemas::{Money, Reason};

use super::refusal::{Refused, field};

/// Largest accepted latency, in milliseconds.
pub(super) const MAX_LATENCY_MS: u64 = 1_000_000_000_000;

const COUNT_REMEDY: &str = "send an integer from 0 to 10^12 without point or exponent (adjustments: either sign)";
const MONEY_REMEDY: &str = "send decimal text such as \"0.0125\", at most 18 decimals and 10^9 US dollars";
pub(super) const LATENCY_REMEDY: &str = "send a number of milliseconds from 0 to 10^12";

/// A token count from the literal of a JSON number.
pub(super) fn count(name: &str, literal: &str) -> Result<i64, Refused> {
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(field(Reason::BadNumber, name, literal, COUNT_REMEDY));
    }
    match literal.parse::<i64>() {
        Ok(value) => count_in_range(name, value),
        Err(_) => Err(field(Reason::OutOfRange, name, literal, COUNT_REMEDY)),
    }
}

/// A token count that is an integer already.
pub(super) fn count_in_range(name: &str, value: i64) -> Result<i64, Refused> {
    if (-MAX_TOKENS..=MAX_TOKENS).contains(&value) {
        Ok(value)
    } else {
        Err(field(Reason::OutOfRange, name, &value.to_string(), COUNT_REMEDY))
    }
}

/// An amount from text.
pub(super) fn money_text(name: &str, text: &str) -> Result<Money, Refused> {
    Money::parse(text).map_err(|error| bad_money(name, text, error))
}

/// An amount from the literal of a JSON number.
pub(super) fn money_literal(name: &str, literal: &str) -> Result<Money, Refused> {
    Money::from_json_number(literal).map_err(|error| bad_money(name, literal, error))
}

#[cold]
fn bad_money(name: &str, text: &str, error: MoneyError) -> Refused {
    let reason = if error == MoneyError::TooLarge { Reason::OutOfRange } else { Reason::BadNumber };
    field(reason, name, text, &format!("{error}; {MONEY_REMEDY}"))
}

/// A latency from the literal of a JSON number: the fraction is cut.
pub(super) fn latency(literal: &str) -> Result<u64, Refused> {
    whole_part(literal).filter(|ms| *ms <= MAX_LATENCY_MS).ok_or_else(|| field(Reason::OutOfRange, "latency_ms", literal, LATENCY_REMEDY))
}

/// The whole part of a JSON number that is not negative; `None` for a negative one and beyond 10^18.
fn whole_part(literal: &str) -> Option<u64> {
    let (negative, number) = literal.strip_prefix('-').map_or((false, literal), |rest| (true, rest));
    let (mantissa, exponent) = match number.find(['e', 'E']) {
        None => (number, 0),
        // A mantissa is at most 1 MiB long, so an exponent that does not fit decides by its sign.
        Some(at) => {
            let text = &number[at + 1..];
            (&number[..at], text.parse::<i64>().unwrap_or(if text.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 }))
        }
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = whole.bytes().chain(fraction.bytes());
    if digits.clone().all(|digit| digit == b'0') {
        return Some(0);
    }
    if negative {
        return None;
    }
    let kept = (whole.len() as i64).saturating_add(exponent);
    let mut value = 0_u64;
    for _ in 0..kept.max(0) {
        // Zeros forever after the last digit, unless nothing came before them.
        let digit = match digits.next() {
            Some(digit) => u64::from(digit - b'0'),
            None if value == 0 => break,
            None => 0,
        };
        value = value.checked_mul(10)?.checked_add(digit).filter(|v| *v < 10_u64.pow(18))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_cut_to_whole_milliseconds() {
        for (literal, expected) in [
            ("812", Some(812)),
            ("812.9", Some(812)),
            ("8.125e2", Some(812)),
            ("8.125E+1", Some(81)),
            ("0.9", Some(0)),
            ("9e-1", Some(0)),
            ("-0", Some(0)),
            ("-0.0e5", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("1e-999999999999999999999", Some(0)),
            ("0.0001e4", Some(1)),
            ("1e12", Some(1_000_000_000_000)),
            ("1e13", None),
            ("1e999999999999999999999", None),
            ("-0.1", None),
            ("-5", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(latency(literal).ok(), expected, "{literal}");
        }
    }
}
