//! Arrays of mostly zeros, stored as a bit per place and the numbers that are not zero.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes at most 32 numbers.
pub(super) fn serialize<S: Serializer, const N: usize>(numbers: &[f32; N], serializer: S) -> Result<S::Ok, S::Error> {
    let mut places = 0_u32;
    let mut packed: Vec<f32> = Vec::with_capacity(N);
    for (place, number) in numbers.iter().enumerate() {
        // by bits: what is left out comes back as +0
        if number.to_bits() != 0 {
            places |= 1 << place;
            packed.push(*number);
        }
    }
    (places, packed).serialize(serializer)
}

/// Reads them back.
pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[f32; N], D::Error> {
    let (places, packed): (u32, Vec<f32>) = Deserialize::deserialize(deserializer)?;
    let mut packed = packed.into_iter();
    let mut numbers = [0.0; N];
    for (place, number) in numbers.iter_mut().enumerate().filter(|(place, _)| places >> place & 1 == 1) {
        *number = packed.next().ok_or_else(|| D::Error::custom(format!("place {place} has no number")))?;
    }
    Ok(numbers)
}
