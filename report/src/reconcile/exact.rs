//! Amounts of bills, exactly: providers export binary floating point, such as `1.2345678901234567E-5`, which has more decimals than money.

use schemas::Money;

/// Below a unit of money, so many.
const BELOW: i128 = 10_i128.pow(18);
/// Digits before the point: money ends at 10^20.
const MOST_WHOLE: i64 = 20;
/// Digits behind it.
const MOST_DECIMALS: i64 = 36;

/// A sum with 36 decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exact {
    /// Units of 10^-18, rounded down.
    units: i128,
    /// Units of 10^-36 above them, less than 10^18.
    below: i128,
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExactError {
    #[error("expected a decimal number with a point, such as 12.50 or 1.25E-7")]
    Syntax,
    #[error("has more than 36 decimals, which nothing here can keep")]
    TooFine,
    #[error("is 10^20 or more, which is no money any more")]
    TooLarge,
}

impl Exact {
    /// Reads a decimal number; exponents move the point, nothing is rounded.
    pub(super) fn parse(text: &str) -> Result<Exact, ExactError> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => (mantissa, whole_number(exponent)?),
        };
        let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(ExactError::Syntax),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if whole.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(ExactError::Syntax);
        }
        let Some(first) = digits.iter().position(|digit| *digit != b'0') else { return Ok(Exact::default()) };
        let last = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(first);
        // 0.DIGITS x 10^point
        let point = (whole.len() as i64).saturating_add(exponent).saturating_sub(first as i64);
        let digits = &digits[first..=last];
        if point > MOST_WHOLE {
            return Err(ExactError::TooLarge);
        }
        if (digits.len() as i64).saturating_sub(point) > MOST_DECIMALS {
            return Err(ExactError::TooFine);
        }
        let digit = |at: i64| usize::try_from(at).ok().and_then(|at| digits.get(at)).map_or(0, |digit| i128::from(digit - b'0'));
        let number = |range: std::ops::Range<i64>| range.fold(0_i128, |number, at| number * 10 + digit(at));
        let exact = Exact { units: number(0..(point + 18).max(0)), below: number(point + 18..point + 36) };
        Ok(if is_negative { Exact { units: -exact.units, below: 0 }.minus_below(exact.below) } else { exact })
    }

    fn minus_below(self, below: i128) -> Exact {
        if below == 0 { self } else { Exact { units: self.units - 1, below: BELOW - below } }
    }

    /// The sum, or `None` beyond 128 bits.
    pub(super) fn plus(self, other: Exact) -> Option<Exact> {
        let below = self.below + other.below;
        let units = self.units.checked_add(other.units)?.checked_add(below / BELOW)?;
        Some(Exact { units, below: below % BELOW })
    }

    /// As money, rounded half to even.
    pub(super) fn rounded(self) -> Money {
        let half = BELOW / 2;
        let up = self.below > half || (self.below == half && self.units % 2 != 0);
        Money::from_units(self.units + i128::from(up))
    }
}

/// An exponent; one beyond any text's length is as good as the largest.
fn whole_number(text: &str) -> Result<i64, ExactError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ExactError::Syntax);
    }
    let size = digits.parse::<i64>().map_or(i64::MAX / 4, |size| size.min(i64::MAX / 4));
    Ok(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(text: &str) -> String {
        Exact::parse(text).unwrap().rounded().to_string()
    }

    #[test]
    fn amounts_are_read_to_the_last_digit() {
        for (text, amount) in [
            ("0", "0"),
            ("12.50", "12.5"),
            ("-0.01", "-0.01"),
            ("+3", "3"),
            ("1.25E-7", "0.000000125"),
            ("1.25e+2", "125"),
            ("-4.5E0", "-4.5"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("1.2345678901234567E-5", "0.000012345678901235"),
            ("-1.2345678901234567E-5", "-0.000012345678901235"),
            ("5E-19", "0"),
            ("1.5E-18", "0.000000000000000002"),
            ("2.5E-18", "0.000000000000000002"),
            ("-2.5E-18", "-0.000000000000000002"),
            ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
            ("0e99999999999999999999", "0"),
            ("000000000000000000000000001.10", "1.1"),
        ] {
            assert_eq!(rounded(text), amount, "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_or_cannot_be_kept_is_refused() {
        for text in ["", "-", ".5", "1.", "1,5", "1.000,00", "$5", "1e", "1e1.5", "NaN", "1 ", "0x1", "--1", "1.2.3", "١"] {
            assert_eq!(Exact::parse(text), Err(ExactError::Syntax), "{text:?}");
        }
        assert_eq!(Exact::parse("1E-37"), Err(ExactError::TooFine));
        assert_eq!(Exact::parse("1E20"), Err(ExactError::TooLarge));
        assert_eq!(Exact::parse("1e99999999999999999999"), Err(ExactError::TooLarge));
        assert_eq!(Exact::parse("1e-99999999999999999999"), Err(ExactError::TooFine));
    }

    #[test]
    fn a_sum_is_rounded_once() {
        let sum = |texts: &[&str]| texts.iter().try_fold(Exact::default(), |sum, text| sum.plus(Exact::parse(text).unwrap())).unwrap();
        // Each alone is rounded to nothing.
        assert_eq!(sum(&["4E-19"; 5]).rounded().to_string(), "0.000000000000000002");
        assert_eq!(sum(&["0.1", "0.2", "-0.3"]), Exact::default());
        assert_eq!(sum(&["-4E-19", "-4E-19", "-4E-19"]).rounded().to_string(), "-0.000000000000000001");
        assert_eq!(sum(&["1E-36", "-1E-36"]), Exact::default());
        let most = Exact::parse("99999999999999999999").unwrap();
        assert_eq!(most.plus(most), None);
    }
}
