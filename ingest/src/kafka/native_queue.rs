//! A partition's own queue, read in batches, for which rdkafka has no API.
//!
//! Messages stay in librdkafka's buffers until [`Batch::clear`]; what [`RawMessage`] hands out borrows from the batch.

use std::{
    ffi::{CStr, CString, c_void},
    ptr, slice,
    time::Duration,
};

use rdkafka::{ClientContext, client::Client};
use rdkafka_sys as native;
use schemas::prefetch::prefetch_line;

/// Messages that are asked for ahead of the one that is looked at.
const AHEAD: usize = 8;

/// The queue of one partition, cut off from the consumer's main queue.
#[derive(Debug)]
pub(super) struct NativeQueue(ptr::NonNull<native::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues are locked inside; every function called here may be called from any thread.
unsafe impl Send for NativeQueue {}
// SAFETY: as above.
unsafe impl Sync for NativeQueue {}

impl NativeQueue {
    /// Splits the partition's queue off. To be called before the partition is assigned, so that no message takes the other way.
    ///
    /// The caller keeps the client alive for as long as the queue and every batch read from it.
    pub(super) fn split<C: ClientContext>(client: &Client<C>, topic: &CStr, partition: i32) -> Option<Self> {
        // SAFETY: the client is alive, the topic is a C string; a null result is handled.
        let queue = unsafe { native::rd_kafka_queue_get_partition(client.native_ptr(), topic.as_ptr(), partition) };
        let queue = ptr::NonNull::new(queue)?;
        // SAFETY: the queue was just obtained; forwarding to null means "nowhere".
        unsafe { native::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut()) };
        Some(NativeQueue(queue))
    }

    /// Appends up to `most` messages and events to the batch. librdkafka waits for `wait` until *all* `most` are there: so wait
    /// for one, then take what there is with no wait.
    pub(super) fn read(&self, batch: &mut Batch, most: usize, wait: Duration) {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        batch.messages.reserve(most);
        let free = batch.messages.spare_capacity_mut();
        // SAFETY: the queue is alive and `free` has room for `most` pointers.
        let count = unsafe { native::rd_kafka_consume_batch_queue(self.0.as_ptr(), wait_ms, free.as_mut_ptr().cast(), most) };
        let count = usize::try_from(count).unwrap_or(0).min(most);
        // SAFETY: librdkafka has written `count` message pointers and given them to us.
        unsafe { batch.messages.set_len(batch.messages.len() + count) };
    }

    /// Makes a reader that waits on this queue return.
    pub(super) fn wake(&self) {
        // SAFETY: the queue is alive.
        unsafe { native::rd_kafka_queue_yield(self.0.as_ptr()) };
    }
}

impl Drop for NativeQueue {
    fn drop(&mut self) {
        // SAFETY: the reference obtained in `split` is given back once.
        unsafe { native::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

/// Messages in librdkafka's buffers.
#[derive(Debug, Default)]
pub(super) struct Batch {
    messages: Vec<*mut native::rd_kafka_message_t>,
}

// SAFETY: the messages belong to the batch alone and are not bound to a thread.
unsafe impl Send for Batch {}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Those from `first` on, with their places. What the next ones need is on its way from memory meanwhile: another thread has written
    /// them, so no cache near this one has them.
    pub(super) fn iter_from(&self, first: usize) -> impl Iterator<Item = (usize, RawMessage<'_>)> {
        (first..).zip(self.messages.iter().skip(first)).map(|(place, message)| {
            if let Some(later) = self.messages.get(place + 2 * AHEAD) {
                prefetch_line(later.addr());
            }
            if let Some(soon) = self.messages.get(place + AHEAD) {
                // SAFETY: as below.
                let soon = unsafe { &**soon };
                let payload = soon.payload.addr();
                prefetch_line(payload);
                // The headers stand behind the payload.
                prefetch_line(payload + soon.len);
            }
            // SAFETY: every pointer is a live message until `clear`, which needs the batch mutably.
            (place, RawMessage(unsafe { &**message }))
        })
    }

    /// Gives all messages back.
    pub(super) fn clear(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: the message is ours and destroyed once; nothing borrows from it, as `self` is borrowed mutably.
            unsafe { native::rd_kafka_message_destroy(message) };
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A message or an event (`error_code` says which).
#[derive(Clone, Copy)]
pub(super) struct RawMessage<'a>(&'a native::rd_kafka_message_t);

impl<'a> RawMessage<'a> {
    pub(super) fn error_code(self) -> native::rd_kafka_resp_err_t {
        self.0.err
    }

    /// The error in words; empty for a message.
    pub(super) fn error_text(self) -> String {
        // SAFETY: the message is alive; the text, if any, lives as long.
        let text = unsafe { native::rd_kafka_message_errstr(self.0) };
        if text.is_null() {
            return String::new();
        }
        // SAFETY: not null, and librdkafka terminates its texts.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }

    pub(super) fn offset(self) -> i64 {
        self.0.offset
    }

    pub(super) fn key(self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka says that `key` is null or has `key_len` bytes for the message's life.
        unsafe { bytes(self.0.key, self.0.key_len) }
    }

    pub(super) fn payload(self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka says that `payload` is null or has `len` bytes for the message's life.
        unsafe { bytes(self.0.payload, self.0.len) }
    }

    /// Milliseconds since 1970; 0 when the log has none (record format before Kafka 0.10).
    pub(super) fn timestamp_ms(self) -> i64 {
        // SAFETY: the message is alive; the kind of timestamp is not asked for.
        unsafe { native::rd_kafka_message_timestamp(self.0, ptr::null_mut()) }.max(0)
    }

    /// Appends the headers. A name that is no UTF-8 is cut before its first bad byte.
    pub(super) fn headers(self, into: &mut Vec<(&'a str, &'a [u8])>) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive; on success the headers belong to it and live as long.
        let result = unsafe { native::rd_kafka_message_headers(self.0, &mut headers) };
        if result != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the headers are alive, the three places are ours.
            let result = unsafe { native::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut length) };
            if result != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: on success the name is a terminated text that lives as long as the message.
            let name: &'a CStr = unsafe { CStr::from_ptr(name) };
            // SAFETY: on success the value is null or has `length` bytes that live as long as the message.
            let value: Option<&'a [u8]> = unsafe { bytes(value.cast_mut(), length) };
            into.push((utf8_start(name.to_bytes()), value.unwrap_or_default()));
        }
    }
}

fn utf8_start(name: &[u8]) -> &str {
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(error) => std::str::from_utf8(&name[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// # Safety
/// `start` is null or has `length` bytes that are not written to during `'a`.
unsafe fn bytes<'a>(start: *mut c_void, length: usize) -> Option<&'a [u8]> {
    let start = ptr::NonNull::new(start.cast::<u8>())?;
    // SAFETY: the caller's promise.
    Some(unsafe { slice::from_raw_parts(start.as_ptr(), length) })
}

/// The end of the log as the last fetch has told it; `None` before the first.
pub(super) fn known_log_end<C: ClientContext>(client: &Client<C>, topic: &CString, partition: i32) -> Option<i64> {
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client is alive, the topic is a C string, the two places are ours.
    let result = unsafe { native::rd_kafka_get_watermark_offsets(client.native_ptr(), topic.as_ptr(), partition, &mut low, &mut high) };
    (result == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// The offset after everything that was read from the partition's queue, control records included; `None` before the first.
pub(super) fn read_position<C: ClientContext>(client: &Client<C>, topic: &CString, partition: i32) -> Option<i64> {
    // SAFETY: the list is ours alone and destroyed below; the client is alive, the topic is a C string.
    unsafe {
        let list = native::rd_kafka_topic_partition_list_new(1);
        let entry = native::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
        let result = native::rd_kafka_position(client.native_ptr(), list);
        let offset = (*entry).offset;
        native::rd_kafka_topic_partition_list_destroy(list);
        (result == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && offset >= 0).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_name_that_is_no_utf8_is_cut_not_refused() {
        assert_eq!(utf8_start("ce_id".as_bytes()), "ce_id");
        assert_eq!(utf8_start(b"ce_\xff_id"), "ce_");
    }
}
