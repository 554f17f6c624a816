//! Hints to the processor's caches.

const LINE: usize = 64;

/// Cache lines that will be needed soon. They are asked for all together, in a loop that does nothing else: a processor that has to look
/// up where the pages are finishes no instruction after the request meanwhile, and overlaps only what it has begun by then.
#[derive(Debug, Default)]
pub(super) struct Prefetches {
    lines: Vec<usize>,
}

impl Prefetches {
    /// Adds all lines of a value.
    #[inline]
    pub(super) fn add<T>(&mut self, value: &T) {
        let first = std::ptr::from_ref(value).addr();
        let last = (first + size_of::<T>().max(1) - 1) / LINE;
        for line in first / LINE..=last {
            self.lines.push(line);
        }
    }

    /// Asks the processor to fetch them, and is empty again.
    #[inline]
    pub(super) fn begin(&mut self) {
        #[cfg(target_arch = "x86_64")]
        for line in &self.lines {
            let address = std::ptr::without_provenance::<i8>(line * LINE);
            // SAFETY: a hint, which may be given for any address.
            unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address) };
        }
        self.lines.clear();
    }
}
