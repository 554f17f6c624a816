//! The first bytes of a text as a few words: short texts are then compared, hashed and copied without a loop or a call.

/// Bytes in a head.
pub const HEAD_BYTES: usize = 24;

/// The text's first [`HEAD_BYTES`] bytes as little-endian words, padded with zeros.
///
/// ```
/// assert_eq!(schemas::text_head::text_head("ab"), [0x6261, 0, 0]);
/// ```
#[inline]
pub fn text_head(text: &str) -> [u64; HEAD_BYTES / 8] {
    let bytes = text.as_bytes();
    // Two overlapping words cover every length from one word to two.
    match bytes.len() {
        HEAD_BYTES.. => [word(bytes), word(&bytes[8..]), word(&bytes[16..])],
        16.. => [word(bytes), word(&bytes[8..]), end(bytes, HEAD_BYTES)],
        8.. => [word(bytes), end(bytes, 16), 0],
        4.. => {
            let (low, high) = (bytes.first_chunk().copied(), bytes.last_chunk().copied());
            let half = |chunk: Option<[u8; 4]>| u64::from(u32::from_le_bytes(chunk.unwrap_or_default()));
            [half(low) | half(high) << (8 * (bytes.len() - 4)), 0, 0]
        }
        1.. => {
            let byte = |at: usize| u64::from(bytes[at]) << (8 * at);
            [byte(0) | byte(bytes.len() / 2) | byte(bytes.len() - 1), 0, 0]
        }
        0 => [0; HEAD_BYTES / 8],
    }
}

/// The first eight bytes.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}

/// What lies in the word before `until`: the last bytes of the text, those of the word before it shifted out.
#[inline]
fn end(bytes: &[u8], until: usize) -> u64 {
    let last = u64::from_le_bytes(bytes.last_chunk().copied().unwrap_or_default());
    last.checked_shr(8 * (until - bytes.len()) as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_the_first_bytes_and_zeros() {
        let text: String = (b'A'..=b'~').map(char::from).collect();
        for length in 0..=60 {
            let text = &text[..length];
            let mut padded = [0; HEAD_BYTES];
            padded[..length.min(HEAD_BYTES)].copy_from_slice(&text.as_bytes()[..length.min(HEAD_BYTES)]);
            let bytes: Vec<u8> = text_head(text).iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(bytes, padded, "{length} bytes");
        }
    }
}
