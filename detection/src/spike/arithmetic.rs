//! A logarithm with the same bits on every platform.

/// ln 2 and log10 e.
const LN_2: f64 = std::f64::consts::LN_2;
const LOG10_E: f64 = std::f64::consts::LOG10_E;
/// Terms of the series: enough for 1e-16 between sqrt(1/2) and sqrt(2).
const TERMS: u32 = 11;

/// Natural logarithm of a positive, normal number, within a few units of the last place: 2 artanh((m - 1) / (m + 1)) of the mantissa m, plus the exponent.
pub(super) fn ln(value: f64) -> f64 {
    let bits = value.max(f64::MIN_POSITIVE).to_bits();
    let mut exponent = ((bits >> 52) & 0x7FF) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for term in (0..TERMS).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    exponent as f64 * LN_2 + 2.0 * ratio * sum
}

/// Logarithm to base 10 of a positive, normal number.
pub(super) fn log10(value: f64) -> f64 {
    ln(value) * LOG10_E
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_logarithm() {
        let mut value = 1e-300;
        while value < 1e300 {
            let expected: f64 = value;
            assert!((ln(value) - expected.ln()).abs() <= 4e-16 * expected.ln().abs().max(1.0), "ln({value})");
            assert!((log10(value) - expected.log10()).abs() <= 8e-16 * expected.log10().abs().max(1.0), "log10({value})");
            value *= 1.37;
        }
    }
}
