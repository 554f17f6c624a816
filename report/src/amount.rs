//! Money as decimal text, in answers and in what is written.

use std::fmt;

use schemas::Money;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An exact amount. In JSON it is a text, so that no reader takes it through floating point.
///
/// ```
/// use report::Amount;
/// let amount: Amount = serde_json::from_str("\"1234.565\"")?;
/// assert_eq!(amount.rounded(2), "1234.56");
/// assert_eq!(amount.to_string(), "1234.565");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub Money);

impl Amount {
    /// Rounded half to even, with exactly so many decimals (18 at most).
    pub fn rounded(self, decimals: u32) -> String {
        let unit = 10_i128.pow(18 - decimals.min(18));
        let units = self.0.units();
        let (mut whole, rest) = (units.div_euclid(unit), units.rem_euclid(unit));
        let twice = rest * 2;
        if twice > unit || (twice == unit && whole % 2 != 0) {
            whole += 1;
        }
        let scale = 10_i128.pow(decimals.min(18));
        let sign = if whole < 0 { "-" } else { "" };
        let (before, after) = (whole.abs() / scale, whole.abs() % scale);
        if decimals == 0 { format!("{sign}{before}") } else { format!("{sign}{before}.{after:0width$}", width = decimals as usize) }
    }

    /// For people: two decimals from 1 on, more below, so that what a call costs can be seen.
    pub fn short(self) -> String {
        match self.0.units().unsigned_abs() {
            0 => "0.00".to_owned(),
            units if units >= 10_u128.pow(18) => self.rounded(2),
            units if units >= 10_u128.pow(16) => self.rounded(4),
            units if units >= 10_u128.pow(12) => self.rounded(8),
            _ => self.to_string(),
        }
    }

    /// The sum. Beyond what money can be (10^20) it stays there, which no sum that was read can reach.
    #[must_use]
    pub fn plus(self, other: Amount) -> Amount {
        Amount(Money::from_units(self.0.units().saturating_add(other.0.units())))
    }

    /// The difference.
    #[must_use]
    pub fn less(self, other: Amount) -> Amount {
        Amount(Money::from_units(self.0.units().saturating_sub(other.0.units())))
    }

    /// So many times, if that is money at all.
    pub fn times(self, count: i64) -> Option<Amount> {
        self.0.checked_mul(count).map(Amount)
    }

    /// Divided by a count, rounded half to even to 18 decimals; `None` by zero.
    pub fn per(self, count: u64) -> Option<Amount> {
        let count = i64::try_from(count).ok()?;
        self.0.checked_div(Money::from_whole(count)).map(Amount)
    }

    /// `part / all` of it, rounded down to 18 decimals; nothing of nothing.
    #[must_use]
    pub fn share(self, part: i128, all: i128) -> Amount {
        // Bit by bit of the amount, from the highest: the product may not fit 128 bits.
        if all <= 0 || part < 0 || part > all {
            return Amount::default();
        }
        let units = self.0.units().unsigned_abs();
        let (mut quotient, mut rest) = (0_i128, 0_i128);
        for shift in (0..128).rev() {
            (quotient, rest) = (quotient * 2, rest * 2);
            if units >> shift & 1 == 1 {
                rest += part;
            }
            // At most twice: rest < 3 all.
            while rest >= all {
                (quotient, rest) = (quotient + 1, rest - all);
            }
        }
        Amount(Money::from_units(if self.0.is_negative() { -quotient } else { quotient }))
    }

    /// For ratios and limits only: never added up, never shown.
    pub fn approximate(self) -> f64 {
        self.0.units() as f64 / 1e18
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refuse = |error| serde::de::Error::custom(format!("{text:?}: {error}"));
        Money::parse(&text).map(Amount).map_err(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    #[test]
    fn rounding_goes_half_to_even_on_both_sides_of_zero() {
        for (text, decimals, rounded) in [
            ("0.125", 2, "0.12"),
            ("0.135", 2, "0.14"),
            ("-0.125", 2, "-0.12"),
            ("-0.135", 2, "-0.14"),
            ("-0.001", 2, "0.00"),
            ("9.995", 2, "10.00"),
            ("2.5", 0, "2"),
            ("3.5", 0, "4"),
            ("0.000000000000000001", 18, "0.000000000000000001"),
        ] {
            assert_eq!(amount(text).rounded(decimals), rounded, "{text}");
        }
    }

    #[test]
    fn small_amounts_do_not_become_nothing() {
        for (text, short) in
            [("0", "0.00"), ("12.345", "12.34"), ("0.0312", "0.0312"), ("0.00004", "0.00004000"), ("0.0000000000004", "0.0000000000004")]
        {
            assert_eq!(amount(text).short(), short);
        }
    }

    #[test]
    fn quotients_are_rounded_once() {
        assert_eq!(amount("1").per(3), Some(amount("0.333333333333333333")));
        assert_eq!(amount("2").per(3), Some(amount("0.666666666666666667")));
        assert_eq!(amount("-1").per(3), Some(amount("-0.333333333333333333")));
        assert_eq!((amount("1").per(0), amount("0.000000000000000001").per(2)), (None, Some(amount("0"))));
        assert_eq!(amount("99999999999999999999").share(1, 3), amount("33333333333333333333"));
        assert_eq!(amount("-10").share(3, 10), amount("-3"));
    }

    #[test]
    fn json_numbers_are_no_money() {
        assert!(serde_json::from_str::<Amount>("1.5").is_err());
        assert_eq!(serde_json::to_string(&amount("1.50")).unwrap(), "\"1.5\"");
    }
}
