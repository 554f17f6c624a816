//! Identity and meaning of an event as two 128-bit numbers, so that millions of them fit in memory.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::Event;

/// Of source and id.
pub(crate) fn identity(event: &Event) -> u128 {
    wide_hash(&format!("{:?}", (&event.source, &event.event_id)))
}

/// Of everything but the identity. What is the default when left out is left out.
pub(crate) fn meaning(event: &Event) -> u128 {
    let mut essence = event.clone();
    essence.source.clear();
    essence.event_id.clear();
    // Whether a zero was written down or left out is the same; what a price needs is in `usage_known`.
    essence.has_counts = false;
    // The tier is the last dimension, and the standard one by default.
    if let Some(tier) = essence.dimensions.last_mut().filter(|tier| *tier == "standard") {
        tier.clear();
    }
    wide_hash(&format!("{essence:?}"))
}

/// Two runs of SipHash over different prefixes: 128 bits.
fn wide_hash(text: &str) -> u128 {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    (u128::from(hasher.hash_one((1_u8, text))) << 64) | u128::from(hasher.hash_one((2_u8, text)))
}
