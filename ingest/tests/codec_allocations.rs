//! Decoding takes no memory but the arena's, once it is warm.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests stop at what they did not expect")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bumpalo::Bump;
use ingest::codec::{Decoded, Decoder, DecoderOptions};
use runtime::io::Message;
use schemas::Timestamp;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` with this `layout`, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn no_allocation_per_event_in_the_steady_state() {
    let mut decoder = Decoder::new(DecoderOptions::default()).unwrap();
    let mut arena = Bump::with_capacity(1 << 16);
    let files: [&[u8]; 3] = [
        include_bytes!("../golden/usage_event_v1.json"),
        include_bytes!("../golden/usage_event_v1.single_object.avro"),
        include_bytes!("../golden/usage_event_v1.cloudevent.json"),
    ];
    for payload in files {
        let message = Message { offset: 0, timestamp: Timestamp::from_micros(0), key: None, payload: Some(payload), headers: &[] };
        let before = ALLOCATIONS.get();
        for _ in 0..1000 {
            let Decoded::Event(event) = decoder.decode(&message, &arena) else { panic!() };
            assert!(!event.source.is_empty());
            arena.reset();
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
    }
}
