//! What the registry has answered so far, bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::{SchemaError, WriterSchema};

/// What is known about an id.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// Asked, not answered.
    Asked,
    /// Events can be read with it.
    Known(Arc<WriterSchema>),
    /// Registered, but events cannot be read with it.
    Incompatible(SchemaError),
    /// There was no such id at that moment.
    Unknown(Instant),
}

/// Answers by id. Those asked and not answered are not counted: the queue of questions bounds them.
#[derive(Debug)]
pub(super) struct Cache {
    entries: HashMap<u32, (u64, Entry)>,
    most: usize,
    stored: u64,
    negative_for: Duration,
}

impl Cache {
    pub(super) fn new(most: usize, negative_for: Duration) -> Self {
        Cache { entries: HashMap::new(), most: most.max(1), stored: 0, negative_for }
    }

    /// What is known; an answer "unknown" only for its time.
    pub(super) fn get(&self, id: u32, now: Instant) -> Option<Entry> {
        match &self.entries.get(&id)?.1 {
            Entry::Unknown(since) if now.duration_since(*since) >= self.negative_for => None,
            entry => Some(entry.clone()),
        }
    }

    /// Stores an answer; the oldest one makes room.
    pub(super) fn put(&mut self, id: u32, entry: Entry) {
        self.stored += 1;
        self.entries.insert(id, (self.stored, entry));
        if self.entries.len() <= self.most {
            return;
        }
        let answered = self.entries.iter().filter(|(_, (_, entry))| !matches!(entry, Entry::Asked));
        if let Some(oldest) = answered.min_by_key(|(_, (stored, _))| *stored).map(|(id, _)| *id) {
            self.entries.remove(&oldest);
        }
    }

    pub(super) fn forget(&mut self, id: u32) {
        self.entries.remove(&id);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_answer_makes_room_and_no_lasts_a_while() {
        let mut cache = Cache::new(3, Duration::from_secs(30));
        let now = Instant::now();
        for id in 0..10 {
            cache.put(id, Entry::Unknown(now));
        }
        assert_eq!(cache.len(), 3);
        assert!(cache.get(6, now).is_none());
        assert!(cache.get(9, now + Duration::from_secs(29)).is_some());
        assert!(cache.get(9, now + Duration::from_secs(30)).is_none());
    }
}
