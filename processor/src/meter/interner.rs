//! Small numbers for texts, so that a cell is found without hashing strings twice or storing them again.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Numbers texts 0, 1, 2, ... in the order of their first appearance. The numbers never leave the process.
#[derive(Debug, Default)]
pub(super) struct Interner {
    table: HashTable<u32>,
    arena: String,
    /// End of each text in the arena.
    ends: Vec<usize>,
}

impl Interner {
    /// The text's number; a new one if it was not seen before.
    #[inline]
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        let hash = xxh3_64(text.as_bytes());
        if let Some(id) = self.table.find(hash, |id| get(&self.arena, &self.ends, *id) == text) {
            return *id;
        }
        let id = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.arena.push_str(text);
        self.ends.push(self.arena.len());
        let (arena, ends) = (&self.arena, &self.ends);
        self.table.insert_unique(hash, id, |id| xxh3_64(get(arena, ends, *id).as_bytes()));
        id
    }

    /// The text of a number given out by this interner.
    pub(super) fn text(&self, id: u32) -> &str {
        get(&self.arena, &self.ends, id)
    }

    /// Bytes held, about.
    pub(super) fn bytes(&self) -> usize {
        self.arena.capacity() + self.ends.capacity() * 8 + self.table.capacity() * 5
    }
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
}
