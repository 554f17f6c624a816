//! Messages of a batch that are handed on together.

use runtime::io::Message;
use schemas::Timestamp;

use super::native_queue::RawMessage;

/// Most messages that are handed on at once.
const MOST: usize = 64;

/// Consecutive messages of a batch, checked and not yet handed on.
pub(super) struct Slice<'b> {
    /// With their places in the batch.
    raws: Vec<(usize, RawMessage<'b>)>,
    /// Headers of all of them, one after another.
    headers: Vec<(&'b str, &'b [u8])>,
    /// Where each one's headers end.
    header_ends: Vec<usize>,
}

/// What became of a slice.
pub(super) struct HandedOn {
    /// How many were taken, from the first on.
    pub(super) taken: usize,
    /// Offset and place of the first that was not.
    pub(super) left: Option<(i64, usize)>,
}

impl<'b> Slice<'b> {
    pub(super) fn new() -> Self {
        Slice { raws: Vec::with_capacity(MOST), headers: Vec::new(), header_ends: Vec::with_capacity(MOST) }
    }

    pub(super) fn len(&self) -> usize {
        self.raws.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.raws.len() >= MOST
    }

    pub(super) fn push(&mut self, place: usize, raw: RawMessage<'b>) {
        self.raws.push((place, raw));
        raw.headers(&mut self.headers);
        self.header_ends.push(self.headers.len());
    }

    /// Hands the messages on; the slice is empty again.
    pub(super) fn hand_on(&mut self, take: &mut dyn FnMut(&[Message<'_>]) -> usize) -> HandedOn {
        if self.raws.is_empty() {
            return HandedOn { taken: 0, left: None };
        }
        let mut from = 0;
        let messages = self.raws.iter().zip(&self.header_ends).map(|((_, raw), end)| {
            let headers = &self.headers[std::mem::replace(&mut from, *end)..*end];
            Message {
                offset: raw.offset(),
                timestamp: Timestamp::from_micros(raw.timestamp_ms().saturating_mul(1000)),
                key: raw.key(),
                payload: raw.payload(),
                headers,
            }
        });
        let messages: Vec<Message<'_>> = messages.collect();
        let taken = take(&messages).min(messages.len());
        let left = self.raws.get(taken).map(|(place, raw)| (raw.offset(), *place));
        self.raws.clear();
        self.headers.clear();
        self.header_ends.clear();
        HandedOn { taken, left }
    }
}
