//! Strings: found by words of eight bytes, borrowed when they hold no escape.

use bumpalo::Bump;
use bumpalo::collections::String as ArenaString;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Index of the first byte that ends or interrupts a string: `"`, `\` or a control character. The length when none does.
#[inline]
pub(super) fn special(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = bytes.get(at..at + 8) {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        // A byte's top bit is set where the byte is special (and possibly above such a byte, never below one).
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero_bytes(word ^ (ONES * u64::from(b'"')));
        let backslash = zero_bytes(word ^ (ONES * u64::from(b'\\')));
        let found = (control | quote | backslash) & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\').unwrap_or(tail.len())
}

#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// What is wrong with a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StringFault {
    /// An escape that JSON does not know, or a control character.
    Syntax,
    /// Half of a surrogate pair.
    LoneSurrogate,
}

/// The text of `raw`, the inside of a string, with its escapes resolved.
pub(super) fn unescape<'a>(raw: &'a str, arena: &'a Bump) -> Result<&'a str, StringFault> {
    let mut out = ArenaString::with_capacity_in(raw.len(), arena);
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).ok_or(StringFault::Syntax)?;
        let (c, length) = match escape {
            b'"' => ('"', 2),
            b'\\' => ('\\', 2),
            b'/' => ('/', 2),
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unicode(&rest.as_bytes()[at..])?,
            _ => return Err(StringFault::Syntax),
        };
        out.push(c);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    Ok(out.into_bump_str())
}

/// The character of `\uXXXX`, or of a pair of them, and how many bytes that took.
fn unicode(bytes: &[u8]) -> Result<(char, usize), StringFault> {
    let first = hex4(bytes, 2)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, 6));
    }
    let is_low = first >= 0xdc00;
    if is_low || bytes.get(6..8) != Some(b"\\u") {
        return Err(StringFault::LoneSurrogate);
    }
    let second = hex4(bytes, 8)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(StringFault::LoneSurrogate);
    }
    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    char::from_u32(code).map(|c| (c, 12)).ok_or(StringFault::LoneSurrogate)
}

fn hex4(bytes: &[u8], at: usize) -> Result<u32, StringFault> {
    let digits = bytes.get(at..at + 4).ok_or(StringFault::Syntax)?;
    digits.iter().try_fold(0, |sum, digit| char::from(*digit).to_digit(16).map(|d| sum * 16 + d)).ok_or(StringFault::Syntax)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_find_what_bytes_find(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(0x1f), Just(0x20), Just(0x80)], 0..40)) {
            let plain = bytes.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\').unwrap_or(bytes.len());
            prop_assert_eq!(special(&bytes), plain);
        }
    }

    #[test]
    fn surrogates_come_in_pairs_or_not_at_all() {
        let arena = Bump::new();
        assert_eq!(unescape("\\ud83d\\ude00!", &arena), Ok("\u{1f600}!"));
        assert_eq!(unescape("\\u0000\\u00e9", &arena), Ok("\0\u{e9}"));
        for lone in ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\u0041", "\\ude00\\ud83d"] {
            assert_eq!(unescape(lone, &arena), Err(StringFault::LoneSurrogate), "{lone}");
        }
        for bad in ["\\x", "\\u12", "\\u12g4", "\\", "\\ud83d\\u12"] {
            assert_eq!(unescape(bad, &arena), Err(StringFault::Syntax), "{bad}");
        }
    }
}
