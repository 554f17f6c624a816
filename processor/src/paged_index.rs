//! Where the value of a small number stands: two array accesses, without hashing or comparing.

const PAGE: usize = 64;
const NONE: u32 = u32::MAX;

/// Indexes below 2^32 - 1 by small, dense numbers. Memory grows with the largest number (4 bytes for 64 of them) and with the pages of 64
/// numbers that have any index (256 bytes each).
#[derive(Debug, Default)]
pub(crate) struct PagedIndex {
    /// Page number by number / 64.
    directory: Vec<u32>,
    /// Index by number % 64.
    pages: Vec<[u32; PAGE]>,
}

impl PagedIndex {
    /// Where the number's index is kept, should there be one: to be fetched ahead.
    #[inline]
    pub(crate) fn place(&self, number: u32) -> Option<&u32> {
        let page = *self.directory.get(number as usize / PAGE)?;
        self.pages.get(page as usize)?.get(number as usize % PAGE)
    }

    /// The number's index.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<u32> {
        self.place(number).copied().filter(|index| *index != NONE)
    }

    /// Gives the number an index, in place of the one it has.
    pub(crate) fn set(&mut self, number: u32, index: u32) {
        let slot = number as usize / PAGE;
        if self.directory.len() <= slot {
            self.directory.resize(slot + 1, NONE);
        }
        if self.directory[slot] == NONE {
            self.directory[slot] = self.pages.len() as u32;
            self.pages.push([NONE; PAGE]);
        }
        self.pages[self.directory[slot] as usize][number as usize % PAGE] = index;
    }

    /// Bytes held, about.
    pub(crate) fn bytes(&self) -> usize {
        self.directory.capacity() * 4 + self.pages.capacity() * PAGE * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_index_that_was_set_last() {
        let mut index = PagedIndex::default();
        assert_eq!(index.get(0), None);
        for number in [0, 63, 64, 1000, 5] {
            index.set(number, number + 7);
        }
        index.set(64, 1);
        let found: Vec<(u32, u32)> = (0..2000).filter_map(|number| Some((number, index.get(number)?))).collect();
        assert_eq!(found, [(0, 7), (5, 12), (63, 70), (64, 1), (1000, 1007)]);
    }
}
