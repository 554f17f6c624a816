//! Hints to the processor's caches.

use schemas::prefetch::prefetch_line;

const LINE: usize = 64;

/// Cache lines that will be needed soon. They are asked for all together, in a loop that does nothing else: a processor that has to look
/// up where the pages are finishes no instruction after the request meanwhile, and overlaps only what it has begun by then.
#[derive(Debug, Default)]
pub(crate) struct Prefetches {
    lines: Vec<usize>,
}

/// Asks the processor to fetch all lines of a value.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    let (first, last) = lines_of(value);
    (first..=last).for_each(fetch);
}

/// The first and the last line of a value.
#[inline]
fn lines_of<T>(value: &T) -> (usize, usize) {
    let address = std::ptr::from_ref(value).addr();
    (address / LINE, (address + size_of::<T>().max(1) - 1) / LINE)
}

#[inline]
fn fetch(line: usize) {
    prefetch_line(line * LINE);
}

impl Prefetches {
    /// Adds all lines of a value.
    #[inline]
    pub(crate) fn add<T>(&mut self, value: &T) {
        let (first, last) = lines_of(value);
        for line in first..=last {
            self.lines.push(line);
        }
    }

    /// Asks the processor to fetch them, and is empty again.
    #[inline]
    pub(crate) fn begin(&mut self) {
        for line in &self.lines {
            fetch(*line);
        }
        self.lines.clear();
    }
}
