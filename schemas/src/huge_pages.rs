//! Huge pages for large tables that are read at random.
//!
//! With pages of 4 kB nearly every access to such a table has to look up where its page is first, in memory too; with pages of 2 MB hardly
//! any. Linux gives them where they were asked for (`/sys/kernel/mm/transparent_hugepage/enabled` says `madvise`, as it does nearly
//! everywhere); elsewhere nothing changes but the speed.

/// Bytes from which on a table is worth it: several huge pages, so that little is lost at its ends.
const LARGE: usize = 4 << 20;

/// A vector with room for so many, in huge pages if that is much.
pub fn with_capacity<T>(capacity: usize) -> Vec<T> {
    let values = Vec::with_capacity(capacity);
    advise(&values);
    values
}

/// Values of an iterator that says truly how many they are.
pub fn collect<T>(iterator: impl ExactSizeIterator<Item = T>) -> Vec<T> {
    let mut values = with_capacity(iterator.len());
    values.extend(iterator);
    values
}

/// Makes room for so many more.
pub fn reserve<T>(values: &mut Vec<T>, more: usize) {
    if values.capacity() - values.len() < more {
        let mut larger = with_capacity(values.len() + more);
        larger.append(values);
        *values = larger;
    }
}

/// A vector of zeros, in huge pages if they are many. Their memory is taken when they are first written to.
pub fn zeros<const N: usize>(count: usize) -> Vec<[u64; N]> {
    let values = vec![[0; N]; count];
    advise(&values);
    values
}

/// Appends a value, as [`Vec::push`] does, but a large vector moves into huge pages when it grows.
#[inline]
pub fn push<T>(values: &mut Vec<T>, value: T) {
    if values.len() == values.capacity() {
        grow(values);
    }
    values.push(value);
}

#[cold]
fn grow<T>(values: &mut Vec<T>) {
    // As much again.
    reserve(values, values.capacity().max(16));
}

/// Best before the memory is first written to.
fn advise<T>(values: &Vec<T>) {
    let bytes = values.capacity() * size_of::<T>();
    if bytes < LARGE {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let page = rustix::param::page_size();
        let address = values.as_ptr().cast_mut();
        let skipped = address.addr().wrapping_neg() % page;
        let length = (bytes - skipped) / page * page;
        // SAFETY: whole pages within the vector's memory; the advice changes what backs them, and nothing of what they hold.
        // Refused, as by a kernel that knows no huge pages, it is not needed either.
        let _ = unsafe { madvise(address.cast::<u8>().add(skipped).cast(), length, Advice::LinuxHugepage) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_moves_into_huge_pages_keeps_its_values() {
        let mut values = Vec::new();
        (0..1_500_000_u64).for_each(|value| push(&mut values, value));
        assert!(values.iter().copied().eq(0..1_500_000));
        assert!(values.capacity() >= 1_500_000 && values.capacity() <= 4_000_000, "{}", values.capacity());
    }

    #[test]
    fn zeros_are_zeros() {
        assert!(zeros::<3>(300_000).iter().all(|value| *value == [0; 3]));
    }
}
