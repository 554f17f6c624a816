//! Small numbers for texts, so that a cell is found without hashing strings twice or storing them again.

use schemas::huge_pages;
use schemas::text_head::{HEAD_BYTES, text_head};
use xxhash_rust::xxh3::xxh3_64;

use crate::prefetch::Prefetches;

/// Texts up to this length are compared without leaving the table.
const INLINE: usize = HEAD_BYTES;

/// No text has this number.
const FREE: u32 = u32::MAX;

/// A text in the table. The first bytes stand in it, padded with zeros, so that usual texts cost half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Entry {
    head: [u64; INLINE / 8],
    length: u32,
    id: u32,
}

const EMPTY: Entry = Entry { head: [0; INLINE / 8], length: 0, id: FREE };

/// Numbers texts 0, 1, 2, ... in the order of their first appearance. The numbers never leave the process.
///
/// An open-addressing table with linear probing, at most three quarters full.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// A power of two, or none yet.
    slots: Vec<Entry>,
    arena: String,
    /// End of each text in the arena.
    ends: Vec<usize>,
}

impl Interner {
    /// The text's number; a new one if it was not seen before.
    #[inline]
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        match self.find(text) {
            Some(id) => id,
            None => self.add(text),
        }
    }

    /// The text's number, if it was seen before.
    #[inline]
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let (head, length) = (text_head(text), text.len() as u32);
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash_of(text, head) & mask;
        loop {
            let entry = self.slots.get(at)?;
            if is_same(entry.head, head)
                && entry.length == length
                && entry.id != FREE
                && (text.len() <= INLINE || self.text(entry.id) == text)
            {
                return Some(entry.id);
            }
            if entry.id == FREE {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn add(&mut self, text: &str) -> u32 {
        let id = u32::try_from(self.ends.len()).unwrap_or(FREE);
        self.arena.push_str(text);
        self.ends.push(self.arena.len());
        if self.slots.len() * 3 <= self.ends.len() * 4 {
            let larger = (self.slots.len() * 2).max(16);
            let old = std::mem::replace(&mut self.slots, huge_pages::collect(std::iter::repeat_n(EMPTY, larger)));
            for entry in old.into_iter().filter(|entry| entry.id != FREE) {
                let hash = hash_of(self.text(entry.id), entry.head);
                put(&mut self.slots, hash, entry);
            }
        }
        let head = text_head(text);
        put(&mut self.slots, hash_of(text, head), Entry { head, length: text.len() as u32, id });
        id
    }

    /// Adds what finding the text needs.
    #[inline]
    pub(super) fn prefetch(&self, text: &str, into: &mut Prefetches) {
        let mask = self.slots.len().wrapping_sub(1);
        if let Some(entry) = self.slots.get(hash_of(text, text_head(text)) & mask) {
            into.add(entry);
        }
    }

    /// How many texts it knows.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a number given out by this interner.
    pub(super) fn text(&self, id: u32) -> &str {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.arena[start..self.ends[id]]
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.arena.capacity() + self.ends.capacity() * 8 + self.slots.capacity() * size_of::<Entry>()
    }
}

/// Word by word: the words of `known` are in registers, and comparing them as one block would take them through memory.
#[inline(always)]
fn is_same(entry: [u64; INLINE / 8], known: [u64; INLINE / 8]) -> bool {
    entry[0] == known[0] && entry[1] == known[1] && entry[2] == known[2]
}

/// Puts an entry that is not there yet into its place. There is room.
fn put(slots: &mut [Entry], hash: usize, entry: Entry) {
    let mask = slots.len() - 1;
    let mut at = hash & mask;
    while slots[at].id != FREE {
        at = (at + 1) & mask;
    }
    slots[at] = entry;
}

/// Of a usual text, its head; of a longer one, the whole. Products of 128 bits, folded, spread every bit well enough for a table.
#[inline(always)]
fn hash_of(text: &str, head: [u64; INLINE / 8]) -> usize {
    if text.len() > INLINE {
        return xxh3_64(text.as_bytes()) as usize;
    }
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let first = fold(head[0] ^ 0x9e37_79b9_7f4a_7c15, head[1] ^ 0xd1b5_4a32_d192_ed03 ^ text.len() as u64);
    fold(first ^ head[2] ^ 0x8ebc_6af0_9c88_c6e3, 0xe703_7ed1_a0b4_28db) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_numbers() {
        let mut interner = Interner::default();
        assert_eq!(interner.find("a"), None);
        let ids: Vec<u32> = ["", "a", "b", "a", ""].map(|text| interner.intern(text)).into();
        assert_eq!(ids, [0, 1, 2, 1, 0]);
        assert_eq!((interner.text(0), interner.text(2), interner.find("b"), interner.find("c")), ("", "b", Some(2), None));
    }

    #[test]
    fn texts_that_begin_alike_or_end_in_zeros_are_told_apart() {
        let mut interner = Interner::default();
        let long = "x".repeat(INLINE);
        let texts = [long.clone(), format!("{long}y"), format!("{long}z"), "a".into(), "a\0".into(), String::new(), "\0".into()];
        let ids: Vec<u32> = texts.iter().map(|text| interner.intern(text)).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
        assert!(texts.iter().zip(ids).all(|(text, id)| interner.intern(text) == id && interner.text(id) == text));
    }

    #[test]
    fn many_texts_keep_their_numbers_while_the_table_grows() {
        let mut interner = Interner::default();
        let texts: Vec<String> = (0..50_000).map(|number| format!("{}{number}", "long ".repeat(number % 8))).collect();
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(interner.intern(text), number as u32);
        }
        assert!(texts.iter().enumerate().all(|(number, text)| interner.find(text) == Some(number as u32)));
    }

    /// A table of many similar texts is as good as one of random numbers: hardly any is far from its place.
    #[test]
    fn similar_texts_are_spread_over_the_table() {
        for make in [|n: u64| format!("user-{n:06}"), |n| format!("{n}"), |n| format!("00000000-0000-{n:010}"), |n| format!("{n:020x}")] {
            let mut interner = Interner::default();
            for n in 0..40_000 {
                interner.intern(&make(n));
            }
            let mask = interner.slots.len() - 1;
            let distance = |(at, entry): (usize, &Entry)| at.wrapping_sub(hash_of(interner.text(entry.id), entry.head)) & mask;
            let total: usize = interner.slots.iter().enumerate().filter(|(_, entry)| entry.id != FREE).map(distance).sum();
            // Linear probing at 40,000 of 65,536 expects 0.8 steps a text.
            assert!(total < 40_000 * 3 / 2, "{} steps", total);
        }
    }
}
