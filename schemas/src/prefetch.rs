//! The one hint to the processor's caches.

/// Asks the processor to fetch the cache line of an address, which may be any.
#[inline]
pub fn prefetch_line(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        let address = std::ptr::without_provenance::<i8>(address);
        // SAFETY: a hint, which may be given for any address.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
