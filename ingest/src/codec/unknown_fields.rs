//! Fields that no event has, counted by name: a new `..._tokens` field is money that nobody counts yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Names that are told apart; the others are counted together.
const MAX_NAMES: usize = 256;
/// Longest name that is kept, in bytes.
const MAX_NAME_BYTES: usize = 128;
/// The name under which the others are counted.
const OTHER: &str = "__other__";

type Counts = HashMap<Box<str>, Arc<AtomicU64>>;

/// How often each unknown field was seen in events, by all decoders that were cloned from one. Each name is warned about once.
#[derive(Clone, Debug, Default)]
pub struct UnknownFields {
    all: Arc<Mutex<Counts>>,
    /// The names that this clone has met: no lock is taken for them.
    met: Counts,
}

impl UnknownFields {
    /// Names and how often each was seen, by name; at most 257. Beyond that, names are counted as `__other__`.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: Vec<_> = all.iter().map(|(name, count)| (name.to_string(), count.load(Ordering::Relaxed))).collect();
        counts.sort_unstable();
        counts
    }

    /// Was none seen?
    pub fn is_empty(&self) -> bool {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn count(&mut self, name: &str) {
        let name = &name[..name.floor_char_boundary(MAX_NAME_BYTES)];
        if let Some(count) = self.met.get(name) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (name, count) = self.find(name);
        count.fetch_add(1, Ordering::Relaxed);
        if &*name != OTHER {
            self.met.insert(name, count);
        }
    }

    /// The counter of a name that this clone has not met yet.
    fn find(&self, name: &str) -> (Box<str>, Arc<AtomicU64>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if all.contains_key(name) {
            name
        } else if all.len() < MAX_NAMES {
            warn_once(name);
            name
        } else {
            OTHER
        };
        (name.into(), Arc::clone(all.entry(name.into()).or_default()))
    }
}

fn warn_once(name: &str) {
    if name.ends_with("_tokens") {
        tracing::warn!(field = name, "events carry a token count that is not known here: it is kept as an attribute and not priced");
    } else {
        tracing::warn!(field = name, "events carry a field that is not known here: it is kept as an attribute");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut unknown = UnknownFields::default();
        for index in 0..1000 {
            unknown.count(&format!("field_{index}"));
        }
        unknown.count("field_7");
        let counts = unknown.counts();
        assert_eq!(counts.len(), MAX_NAMES + 1);
        let count = |name| counts.iter().find(|(n, _)| *n == name).map(|(_, count)| *count);
        assert_eq!((count("field_7"), count(OTHER)), (Some(2), Some(744)));
    }

    #[test]
    fn clones_count_together() {
        let shown = UnknownFields::default();
        let (mut one, mut other) = (shown.clone(), shown.clone());
        for unknown in [&mut one, &mut other] {
            unknown.count("audio_tokens");
            unknown.count("audio_tokens");
        }
        assert_eq!(shown.counts(), [("audio_tokens".to_owned(), 4)]);
    }
}
