//! Small numbers for texts, so that a cell is found without hashing strings twice or storing them again.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Texts up to this length are compared without leaving the table.
const INLINE: usize = 24;

/// A text in the table. The first bytes stand in it, padded with zeros, so that usual texts cost one cache line.
#[derive(Clone, Copy, Debug)]
struct Entry {
    head: [u64; INLINE / 8],
    length: u32,
    id: u32,
}

/// Numbers texts 0, 1, 2, ... in the order of their first appearance. The numbers never leave the process.
#[derive(Debug, Default)]
pub(super) struct Interner {
    table: HashTable<Entry>,
    arena: String,
    /// End of each text in the arena.
    ends: Vec<usize>,
}

impl Interner {
    /// The text's number; a new one if it was not seen before.
    #[inline]
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        let hash = xxh3_64(text.as_bytes());
        let (head, length) = (head_of(text.as_bytes()), text.len() as u32);
        let same = |entry: &Entry| {
            entry.head == head && entry.length == length && (text.len() <= INLINE || get(&self.arena, &self.ends, entry.id) == text)
        };
        if let Some(entry) = self.table.find(hash, same) {
            return entry.id;
        }
        self.add(hash, head, text)
    }

    #[cold]
    fn add(&mut self, hash: u64, head: [u64; INLINE / 8], text: &str) -> u32 {
        let id = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.arena.push_str(text);
        self.ends.push(self.arena.len());
        let (arena, ends) = (&self.arena, &self.ends);
        self.table
            .insert_unique(hash, Entry { head, length: text.len() as u32, id }, |entry| xxh3_64(get(arena, ends, entry.id).as_bytes()));
        id
    }

    /// The text of a number given out by this interner.
    pub(super) fn text(&self, id: u32) -> &str {
        get(&self.arena, &self.ends, id)
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.arena.capacity() + self.ends.capacity() * 8 + self.table.capacity() * (size_of::<Entry>() + 1)
    }
}

#[inline]
fn head_of(bytes: &[u8]) -> [u64; INLINE / 8] {
    let mut head = [0_u8; INLINE];
    let length = bytes.len().min(INLINE);
    head[..length].copy_from_slice(&bytes[..length]);
    let word = |at: usize| {
        u64::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3], head[at + 4], head[at + 5], head[at + 6], head[at + 7]])
    };
    [word(0), word(8), word(16)]
}

fn get<'a>(arena: &'a str, ends: &[usize], id: u32) -> &'a str {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &arena[start..ends[id]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_numbers() {
        let mut interner = Interner::default();
        let ids: Vec<u32> = ["", "a", "b", "a", ""].map(|text| interner.intern(text)).into();
        assert_eq!(ids, [0, 1, 2, 1, 0]);
        assert_eq!((interner.text(0), interner.text(2)), ("", "b"));
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
}
