//! Exact money: a 128-bit integer at scale 18. No floating point, no clamp: what does not fit is an error.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Decimal places of [`Money`].
pub const SCALE: usize = 18;
const ONE: i128 = 10_i128.pow(SCALE as u32);

/// An amount in units of 10^-18 of its currency (US dollars where nothing else is said).
///
/// ```
/// use schemas::Money;
/// let price: Money = "0.000001".parse()?;
/// assert_eq!(price.checked_mul(1_200).unwrap().to_string(), "0.0012");
/// # Ok::<(), schemas::money::MoneyError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i128);

/// Why a text is no amount of money, or a result is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is not `[+-]?[0-9]+(\.[0-9]+)?`.
    #[error("expected a decimal number such as 12.50")]
    Syntax,
    /// More than 18 decimals that are not zero.
    #[error("more than 18 decimals")]
    TooFine,
    /// Beyond ±10^20, far more than any amount that can be counted.
    #[error("too large for money")]
    TooLarge,
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// From units of 10^-18.
    pub const fn from_units(units: i128) -> Self {
        Money(units)
    }

    /// A whole number of currency units.
    pub const fn from_whole(whole: i64) -> Self {
        Money(whole as i128 * ONE)
    }

    /// In units of 10^-18.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Below zero?
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Sum, or `None` on overflow.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        self.0.checked_add(other.0).map(Money)
    }

    /// Difference, or `None` on overflow.
    pub fn checked_sub(self, other: Money) -> Option<Money> {
        self.0.checked_sub(other.0).map(Money)
    }

    /// This amount `count` times, or `None` on overflow.
    pub fn checked_mul(self, count: i64) -> Option<Money> {
        self.0.checked_mul(i128::from(count)).map(Money)
    }

    /// `self / rate`, rounded half even to 18 decimals: an amount in a currency of which `rate` units buy one US
    /// dollar, as US dollars. `None` when `rate` is not positive or the result does not fit.
    pub fn checked_div(self, rate: Money) -> Option<Money> {
        (rate.0 > 0).then_some(())?;
        wide::mul_div_half_even(self.0, ONE, rate.0).map(Money)
    }

    /// `self * rate`, rounded half even to 18 decimals. `None` when the result does not fit.
    pub fn checked_mul_rate(self, rate: Money) -> Option<Money> {
        wide::mul_div_half_even(self.0, rate.0, ONE).map(Money)
    }

    /// Reads the literal of a JSON number: exponents allowed, rounded half even to 18 decimals, never through
    /// floating point.
    ///
    /// # Errors
    /// [`MoneyError::Syntax`] for what is no JSON number, [`MoneyError::TooLarge`] beyond ±10^20.
    pub fn from_json_number(literal: &str) -> Result<Money, MoneyError> {
        let (mantissa, exponent) = match literal.find(['e', 'E']) {
            None => (literal, 0),
            Some(at) => {
                let text = &literal[at + 1..];
                let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(MoneyError::Syntax);
                }
                // An exponent beyond any text length is as good as this one.
                let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
                (&literal[..at], if text.starts_with('-') { -size } else { size })
            }
        };
        let number = Decimal::split(mantissa)?;
        number.scaled(exponent, true)
    }

    /// Reads decimal text as people and programs write it in configuration and events.
    ///
    /// # Errors
    /// See [`MoneyError`].
    pub fn parse(text: &str) -> Result<Money, MoneyError> {
        Decimal::split(text)?.scaled(0, false)
    }
}

/// Sign, whole digits and fraction digits of a decimal text.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    fn split(text: &'a str) -> Result<Self, MoneyError> {
        let bytes = text.as_bytes();
        let (negative, digits) = match bytes.first() {
            Some(b'-') => (true, &bytes[1..]),
            Some(b'+') => (false, &bytes[1..]),
            _ => (false, bytes),
        };
        let (whole, fraction) = match digits.iter().position(|b| *b == b'.') {
            None => (digits, &digits[..0]),
            Some(at) if at + 1 < digits.len() => (&digits[..at], &digits[at + 1..]),
            Some(_) => return Err(MoneyError::Syntax),
        };
        if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return Err(MoneyError::Syntax);
        }
        Ok(Decimal { negative, whole, fraction })
    }

    /// The value times `10^exponent`. What lies beyond 18 decimals is rounded half even when `round`, else it must be
    /// zeros.
    fn scaled(&self, exponent: i64, round: bool) -> Result<Money, MoneyError> {
        // The decimal point moves: `kept` digits stand for units of 10^-18, the rest is below.
        let kept = self.whole.len() as i64 + exponent.saturating_add(SCALE as i64);
        let mut units: i128 = 0;
        let digits = || self.whole.iter().chain(self.fraction);
        for digit in digits().take(kept.max(0) as usize) {
            units = push_digit(units, *digit - b'0')?;
        }
        let missing_zeros = kept - (self.whole.len() + self.fraction.len()) as i64;
        if units != 0 {
            for _ in 0..missing_zeros.max(0) {
                units = push_digit(units, 0)?;
            }
        }
        let mut below = digits().skip(kept.max(0) as usize);
        // A negative `kept` means leading zeros stand before the first digit below the point.
        let first = if kept < 0 { 0 } else { below.next().map_or(0, |d| d - b'0') };
        let rest_is_zero = below.all(|d| *d == b'0');
        if round {
            let up = first > 5 || (first == 5 && (!rest_is_zero || units % 2 == 1));
            units += i128::from(up);
        } else if first != 0 || !rest_is_zero {
            return Err(MoneyError::TooFine);
        }
        Ok(Money(if self.negative { -units } else { units }))
    }
}

fn push_digit(units: i128, digit: u8) -> Result<i128, MoneyError> {
    const LIMIT: i128 = 10_i128.pow(37);
    if units >= LIMIT {
        return Err(MoneyError::TooLarge);
    }
    Ok(units * 10 + i128::from(digit))
}

impl FromStr for Money {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Money::parse(text)
    }
}

impl fmt::Display for Money {
    /// The shortest exact text: `0.0012`, `-3`, `12.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / ONE as u128, magnitude % ONE as u128);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:018}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// 256-bit intermediate results.
mod wide {
    /// `a * b / c` rounded half even; `c` must be positive. `None` when the result does not fit 128 bits.
    pub(super) fn mul_div_half_even(a: i128, b: i128, c: i128) -> Option<i128> {
        let negative = (a < 0) != (b < 0);
        let (high, low) = mul(a.unsigned_abs(), b.unsigned_abs());
        let divisor = c.unsigned_abs();
        let (quotient, remainder) = div(high, low, divisor)?;
        let twice = remainder.checked_mul(2)?;
        let up = twice > divisor || (twice == divisor && quotient % 2 == 1);
        let magnitude = i128::try_from(quotient.checked_add(u128::from(up))?).ok()?;
        Some(if negative { -magnitude } else { magnitude })
    }

    fn mul(a: u128, b: u128) -> (u128, u128) {
        const HALF: u128 = (1 << 64) - 1;
        let (a1, a0, b1, b0) = (a >> 64, a & HALF, b >> 64, b & HALF);
        let low = a0 * b0;
        let middle = a1 * b0 + (low >> 64);
        let carry = (middle & HALF) + a0 * b1;
        (a1 * b1 + (middle >> 64) + (carry >> 64), (carry << 64) | (low & HALF))
    }

    /// Quotient and remainder of a 256-bit number; `None` when the quotient does not fit or the divisor has its top
    /// bit set.
    fn div(high: u128, low: u128, divisor: u128) -> Option<(u128, u128)> {
        if high == 0 {
            return Some((low / divisor, low % divisor));
        }
        if high >= divisor || divisor >> 127 != 0 {
            return None;
        }
        let (mut quotient, mut remainder) = (0_u128, high);
        for bit in (0..128).rev() {
            remainder = (remainder << 1) | ((low >> bit) & 1);
            quotient <<= 1;
            if remainder >= divisor {
                remainder -= divisor;
                quotient |= 1;
            }
        }
        Some((quotient, remainder))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn text_round_trips_exactly() {
        for text in ["0", "1", "-1", "0.1", "0.000000000000000001", "-12.5", "99999999999999999999", "1000000000.000000000000000001"] {
            assert_eq!(money(text).to_string(), text);
        }
        assert_eq!(money("+1.500").to_string(), "1.5");
        assert_eq!(money("1.0000000000000000000000").to_string(), "1");
        assert_eq!(money("-0").to_string(), "0");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-", "+", ".", "1.", ".5", "1e3", "0x1", " 1", "1 ", "1,5", "NaN", "inf", "1_000", "--1", "１"] {
            assert_eq!(Money::parse(text), Err(MoneyError::Syntax), "{text:?}");
        }
        assert_eq!(Money::parse("0.0000000000000000001"), Err(MoneyError::TooFine));
        assert_eq!(Money::parse(&"9".repeat(40)), Err(MoneyError::TooLarge));
        assert!(Money::parse(&format!("{}1", "0".repeat(100))).is_ok());
    }

    #[test]
    fn a_json_number_is_rounded_half_even_at_18_decimals() {
        let number = |text| Money::from_json_number(text).unwrap().units();
        assert_eq!(number("1e-18"), 1);
        assert_eq!(number("5e-19"), 0);
        assert_eq!(number("15e-19"), 2);
        assert_eq!(number("25e-19"), 2);
        assert_eq!(number("2.5000000000000000001e-18"), 3);
        assert_eq!(number("-15e-19"), -2);
        assert_eq!(number("9e-20"), 0);
        assert_eq!(number("0e999999999999999999999"), 0);
        assert_eq!(number("1e-999999999999999999999"), 0);
        assert_eq!(number("1.25E+2"), 125 * ONE);
        assert_eq!(Money::from_json_number("1e99"), Err(MoneyError::TooLarge));
        assert_eq!(Money::from_json_number("1e"), Err(MoneyError::Syntax));
    }

    #[test]
    fn conversion_rounds_half_even_once() {
        assert_eq!(money("1380.50").checked_div(money("1380.50")), Some(money("1")));
        assert_eq!(money("1").checked_div(money("3")).unwrap().to_string(), "0.333333333333333333");
        assert_eq!(money("2").checked_div(money("3")).unwrap().to_string(), "0.666666666666666667");
        assert_eq!(Money::from_units(1).checked_div(money("2")), Some(Money::ZERO));
        assert_eq!(Money::from_units(3).checked_div(money("2")), Some(Money::from_units(2)));
        assert_eq!(money("1").checked_div(Money::ZERO), None);
    }

    #[test]
    fn overflow_is_none_and_never_a_clamp() {
        let most = Money::from_units(i128::MAX);
        assert_eq!(most.checked_add(Money::from_units(1)), None);
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(most.checked_div(Money::from_units(1)), None);
    }

    proptest! {
        #[test]
        fn every_value_survives_its_text(units in -(10_i128.pow(37))..10_i128.pow(37)) {
            let value = Money::from_units(units);
            prop_assert_eq!(value.to_string().parse::<Money>(), Ok(value));
            prop_assert_eq!(Money::from_json_number(&value.to_string()), Ok(value));
        }

        #[test]
        fn mul_div_agrees_with_plain_integers(a in -(1_i128 << 60)..(1_i128 << 60), b in 1_i128..(1 << 60), c in 1_i128..(1 << 60)) {
            let (exact, got) = (a * b, wide::mul_div_half_even(a, b, c).unwrap());
            let error = exact - got * c;
            prop_assert!(error.abs() * 2 <= c);
            prop_assert!(error.abs() * 2 != c || got % 2 == 0);
        }

        #[test]
        fn wide_division_undoes_multiplication(a in 0_i128..i128::MAX, c in 1_i128..i128::MAX) {
            prop_assert_eq!(wide::mul_div_half_even(a, c, c), Some(a));
        }
    }
}
