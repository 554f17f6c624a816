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
    fn json_numbers_are_no_money() {
        assert!(serde_json::from_str::<Amount>("1.5").is_err());
        assert_eq!(serde_json::to_string(&amount("1.50")).unwrap(), "\"1.5\"");
    }
}
