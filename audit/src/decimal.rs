//! Exact decimal numbers: an integer of any size, in units of 10^-18.

use std::fmt;
use std::ops::{AddAssign, Neg};

use num_bigint::{BigInt, Sign};

/// Decimal places.
const SCALE: usize = 18;

/// A number with 18 decimals and any number of digits before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(BigInt);

/// Why a text is no [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a number in the expected notation.
    #[error("expected a decimal number")]
    Syntax,
    /// More than 18 decimals.
    #[error("more than 18 decimals")]
    TooFine,
    /// So large that no limit could admit it.
    #[error("too large")]
    TooLarge,
}

impl Decimal {
    /// A whole number.
    pub fn whole(number: i64) -> Self {
        Decimal(BigInt::from(number) * ten_to(SCALE))
    }

    /// From units of 10^-18.
    pub fn from_units(units: i128) -> Self {
        Decimal(BigInt::from(units))
    }

    /// Reads `[+-]?[0-9]+(\.[0-9]+)?` with at most 18 decimals, trailing zeros apart.
    ///
    /// # Errors
    /// [`DecimalError`]
    pub fn from_text(text: &str) -> Result<Self, DecimalError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            None => (unsigned, ""),
            Some((_, "")) => return Err(DecimalError::Syntax),
            Some(parts) => parts,
        };
        let digits_only = |part: &str| part.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) {
            return Err(DecimalError::Syntax);
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > SCALE {
            return Err(DecimalError::TooFine);
        }
        let digits = format!("{whole}{fraction:0<SCALE$}");
        let magnitude = BigInt::parse_bytes(digits.as_bytes(), 10).ok_or(DecimalError::Syntax)?;
        Ok(Decimal(if text.starts_with('-') { -magnitude } else { magnitude }))
    }

    /// Reads the literal of a JSON number, rounded half even to 18 decimals.
    ///
    /// # Errors
    /// [`DecimalError`]
    pub fn from_json(literal: &str) -> Result<Self, DecimalError> {
        let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = BigInt::parse_bytes(format!("{whole}{fraction}").as_bytes(), 10).ok_or(DecimalError::Syntax)?;
        if digits.sign() == Sign::NoSign {
            return Ok(Decimal::default());
        }
        // An exponent beyond i64 is so far away that its sign alone decides.
        let exponent = match (exponent.parse::<i64>(), exponent.starts_with('-')) {
            (Ok(exponent), _) => exponent,
            (Err(_), true) => i64::MIN / 4,
            (Err(_), false) => i64::MAX / 4,
        };
        let shift = exponent.saturating_sub(fraction.len() as i64).saturating_add(SCALE as i64);
        match shift {
            0..=400 => Ok(Decimal(digits * ten_to(shift.unsigned_abs() as usize))),
            401.. => Err(DecimalError::TooLarge),
            _ if shift.unsigned_abs() > literal.len() as u64 + 1 => Ok(Decimal::default()),
            _ => Ok(Decimal(divide_half_even(&digits, &ten_to(shift.unsigned_abs() as usize)))),
        }
    }

    /// This many times as much.
    pub fn times(&self, count: i64) -> Self {
        Decimal(&self.0 * BigInt::from(count))
    }

    /// The quotient, rounded half even to 18 decimals; `None` for a divisor that is not positive.
    pub fn over(&self, divisor: &Decimal) -> Option<Self> {
        (divisor.0.sign() == Sign::Plus).then(|| Decimal(divide_half_even(&(&self.0 * ten_to(SCALE)), &divisor.0)))
    }

    /// The quotient if it has at most 18 decimals.
    pub fn exactly_over(&self, divisor: i64) -> Option<Self> {
        let divisor = BigInt::from(divisor);
        let exact = divisor.sign() == Sign::Plus && (&self.0 % &divisor).sign() == Sign::NoSign;
        exact.then(|| Decimal(&self.0 / &divisor))
    }

    /// The value without its sign.
    pub fn magnitude(&self) -> Self {
        Decimal(BigInt::from(self.0.magnitude().clone()))
    }
}

fn ten_to(exponent: usize) -> BigInt {
    BigInt::from(10).pow(exponent as u32)
}

/// The nearest whole number to `numerator / denominator`, the even one of two; `denominator` is positive.
fn divide_half_even(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let (magnitude, denominator) = (numerator.magnitude(), denominator.magnitude());
    let (quotient, remainder) = (magnitude / denominator, magnitude % denominator);
    let doubled = remainder * 2_u32;
    let up = doubled > *denominator || (doubled == *denominator && quotient.bit(0));
    let rounded = BigInt::from(if up { quotient + 1_u32 } else { quotient });
    if numerator.sign() == Sign::Minus { -rounded } else { rounded }
}

impl AddAssign<&Decimal> for Decimal {
    fn add_assign(&mut self, other: &Decimal) {
        self.0 += &other.0;
    }
}

impl Neg for Decimal {
    type Output = Decimal;
    fn neg(self) -> Decimal {
        Decimal(-self.0)
    }
}

impl fmt::Display for Decimal {
    /// Without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>19}", self.0.magnitude().to_string());
        let (whole, fraction) = digits.split_at(digits.len() - SCALE);
        let fraction = fraction.trim_end_matches('0');
        let sign = if self.0.sign() == Sign::Minus { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<String, DecimalError> {
        Decimal::from_text(text).map(|d| d.to_string())
    }

    fn json(literal: &str) -> Result<String, DecimalError> {
        Decimal::from_json(literal).map(|d| d.to_string())
    }

    #[test]
    fn decimal_text_is_read_exactly_or_refused() {
        assert_eq!(text("+0012.500").unwrap(), "12.5");
        assert_eq!(text("-0.000000000000000001").unwrap(), "-0.000000000000000001");
        assert_eq!(text("0.0000000000000000010").unwrap(), "0.000000000000000001");
        assert_eq!(text("0.0000000000000000001"), Err(DecimalError::TooFine));
        for bad in ["", "+", ".5", "5.", "1e3", "1_000", " 1", "0x1", "--1", "1.2.3", "١"] {
            assert_eq!(text(bad), Err(DecimalError::Syntax), "{bad:?}");
        }
    }

    #[test]
    fn json_numbers_are_rounded_half_even() {
        assert_eq!(json("1.5e3").unwrap(), "1500");
        assert_eq!(json("-2E-3").unwrap(), "-0.002");
        assert_eq!(json("5e-19").unwrap(), "0");
        assert_eq!(json("15e-19").unwrap(), "0.000000000000000002");
        assert_eq!(json("25e-19").unwrap(), "0.000000000000000002");
        assert_eq!(json("-25.0000000001e-19").unwrap(), "-0.000000000000000003");
        assert_eq!(json("1e-99999999999999999999").unwrap(), "0");
        assert_eq!(json("0e99999999999999999999").unwrap(), "0");
        assert_eq!(json("1e999"), Err(DecimalError::TooLarge));
    }

    #[test]
    fn quotients_are_rounded_half_even() {
        let quotient = |a: i128, b: i64| Decimal::from_units(a).over(&Decimal::whole(b)).unwrap().to_string();
        assert_eq!(quotient(1, 2), "0");
        assert_eq!(quotient(3, 2), "0.000000000000000002");
        assert_eq!(quotient(-3, 2), "-0.000000000000000002");
        assert_eq!(quotient(2, 3), "0.000000000000000001");
        assert_eq!(Decimal::whole(1).over(&Decimal::from_text("1380.50").unwrap()).unwrap().to_string(), "0.000724375226367258");
        assert!(Decimal::whole(1).exactly_over(3).is_none());
    }
}
