//! Identities of counted events at rest: a run is a sorted, immutable object, of which only a directory stays in memory.
//!
//! ```text
//! "CRRUN1\0\n" | entries, sorted by high, then low | directory
//! entry (24 bytes):     low u64 | high u64 | value u64
//! directory:            starts (2^bits + 1 u32) | tags (one u16 for each entry)
//! ```
//!
//! All numbers are little endian. An entry's bucket is the upper `bits` of its `high`; `starts[b]` is the number of the first entry of bucket b,
//! and an entry's tag is the lower 16 bits of its `low`. So the directory is a filter and an index at once, of 2.3 to 2.5 bytes an entry: a
//! fingerprint that is not in the run has an equal tag in its bucket, and costs a read, once in about 6,000 times. `bits` follows from the
//! number of entries, and the whole object from what it holds.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::huge_pages;

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 24;
/// What a run begins with.
pub const MAGIC: &[u8; 8] = b"CRRUN1\0\n";
/// Most entries of a run.
pub const MAX_ENTRIES: u64 = u32::MAX as u64;
/// Entries of a bucket, at most on average; half of it at least.
const BUCKET: u64 = 16;

/// An identity and what was counted under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Lower half of the fingerprint.
    pub low: u64,
    /// Upper half of the fingerprint.
    pub high: u64,
    /// 48 bits of the meaning's hash above the event's day number (16 bits).
    pub value: u64,
}

impl Identity {
    /// The order within a run.
    pub fn key(&self) -> (u64, u64) {
        (self.high, self.low)
    }

    /// Its event's day, seen from `today`: 16 bits of the number are enough, days further apart than 32,768 do not meet within a horizon.
    pub fn day(&self, today: i64) -> i64 {
        today - i64::from((today as u16).wrapping_sub(self.value as u16).cast_signed())
    }

    /// Does it still count `horizon_days` after its event's day?
    pub fn counts(&self, today: i64, horizon_days: i64) -> bool {
        today - self.day(today) <= horizon_days
    }

    /// As it stands in an object.
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip([self.low, self.high, self.value]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads it back.
    pub fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let word = |at: usize| bytes[at..at + 8].iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        Identity { low: word(0), high: word(8), value: word(16) }
    }

    /// Those that stand end to end; what is left at the end and too short is none.
    pub fn all_of(bytes: &[u8]) -> impl Iterator<Item = Identity> {
        bytes.as_chunks().0.iter().map(Identity::from_bytes)
    }

    fn tag(&self) -> u16 {
        tag_of(self.low)
    }
}

/// Identities that are in no run yet, for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Entries end to end, in any order; segments may be joined end to end.
    pub bytes: Vec<u8>,
    /// The day number of event time after which none of them counts.
    pub expires_day: i64,
    /// Are these all that are not in a run, and shall become one? Else they are those since the last snapshot.
    pub is_sealed: bool,
}

/// Where entry number `entry` begins in its object.
pub fn position_of(entry: u64) -> u64 {
    MAGIC.len() as u64 + entry * ENTRY_BYTES as u64
}

fn bits_of(entries: u64) -> u32 {
    entries.div_ceil(BUCKET).next_power_of_two().trailing_zeros()
}

/// The number that the upper `bits` of `high` are, at most 63: buckets of a directory, for one.
#[inline]
pub fn bucket_of(high: u64, bits: u32) -> usize {
    // A shift by all 64 bits is none of Rust's.
    (high >> 1 >> (63 - bits)) as usize
}

/// What a directory keeps of an entry.
#[inline]
pub fn tag_of(low: u64) -> u16 {
    low as u16
}

/// See the module's documentation.
#[derive(PartialEq, Eq)]
pub struct Directory {
    bits: u32,
    starts: Vec<u32>,
    tags: Vec<u16>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "directory of {} entries", self.entries())
    }
}

impl Directory {
    /// Its size in an object, in bytes.
    pub fn size(entries: u64) -> u64 {
        ((1 << bits_of(entries)) + 1) * 4 + entries * 2
    }

    /// Reads one of this many entries; `None`: it is none.
    pub fn from_bytes(entries: u64, bytes: &[u8]) -> Option<Self> {
        if entries > MAX_ENTRIES || bytes.len() as u64 != Self::size(entries) {
            return None;
        }
        let bits = bits_of(entries);
        let (starts, tags) = bytes.split_at(((1 << bits) + 1) * 4);
        let starts: Vec<u32> = huge_pages::collect(starts.as_chunks().0.iter().map(|start| u32::from_le_bytes(*start)));
        let tags = huge_pages::collect(tags.as_chunks().0.iter().map(|tag| u16::from_le_bytes(*tag)));
        let is_whole = starts.is_sorted() && starts.first() == Some(&0) && starts.last().map(|last| u64::from(*last)) == Some(entries);
        is_whole.then_some(Directory { bits, starts, tags })
    }

    /// As it stands in an object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let starts = self.starts.iter().flat_map(|start| start.to_le_bytes());
        starts.chain(self.tags.iter().flat_map(|tag| tag.to_le_bytes())).collect()
    }

    /// How many entries its run has.
    pub fn entries(&self) -> u64 {
        self.tags.len() as u64
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.starts.capacity() * 4 + self.tags.capacity() * 2
    }

    /// Numbers of the entries that may have this fingerprint: nearly always none when it is not in the run.
    pub fn candidates(&self, low: u64, high: u64) -> impl Iterator<Item = u64> {
        let from = u64::from(self.starts[bucket_of(high, self.bits)]);
        self.tags_of(high).iter().zip(from..).filter(move |(tag, _)| **tag == tag_of(low)).map(|(_, entry)| entry)
    }

    /// Are there any candidates? It does not stop at the first, so that several tags are compared at a time.
    #[inline]
    fn has_tag(&self, low: u64, high: u64) -> bool {
        let tag = tag_of(low);
        self.tags_of(high).iter().fold(false, |found, known| found | (*known == tag))
    }

    /// It has 2 to the power of this many buckets.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The tags of each bucket.
    pub fn buckets(&self) -> impl Iterator<Item = &[u16]> {
        self.starts.windows(2).map(|range| self.tags.get(range[0] as usize..range[1] as usize).unwrap_or_default())
    }

    #[inline]
    fn tags_of(&self, high: u64) -> &[u16] {
        let bucket = bucket_of(high, self.bits);
        let range = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        self.tags.get(range).unwrap_or_default()
    }
}

/// Writes a run, entry by entry in their order, so that it need not be in memory as a whole.
pub struct RunWriter {
    bits: u32,
    /// How many entries each bucket has.
    counts: Vec<u32>,
    tags: Vec<u16>,
    /// What nobody has taken yet.
    bytes: Vec<u8>,
    hash: Xxh3,
}

/// What is known of a run that was written.
#[derive(Debug)]
pub struct Written {
    /// Its directory.
    pub directory: Directory,
    /// Its last bytes.
    pub rest: Vec<u8>,
    /// xxh3-64 of magic and entries.
    pub entries_checksum: u64,
    /// xxh3-64 of the directory.
    pub directory_checksum: u64,
}

impl RunWriter {
    /// Of at most so many entries.
    pub fn new(at_most: u64) -> Self {
        let bits = bits_of(at_most);
        let mut writer = RunWriter {
            bits,
            counts: vec![0; 1 << bits],
            tags: huge_pages::with_capacity(at_most as usize),
            bytes: Vec::new(),
            hash: Xxh3::new(),
        };
        writer.bytes.extend_from_slice(MAGIC);
        writer
    }

    /// Takes the next entry.
    pub fn push(&mut self, identity: &Identity) {
        self.counts[bucket_of(identity.high, self.bits)] += 1;
        self.tags.push(identity.tag());
        self.bytes.extend_from_slice(&identity.to_bytes());
    }

    /// Bytes that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.hash.update(&self.bytes);
        std::mem::take(&mut self.bytes)
    }

    /// The end of the run.
    pub fn finish(mut self) -> Written {
        let mut rest = self.take();
        let bits = bits_of(self.tags.len() as u64);
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut start = 0;
        starts.push(start);
        // There may be fewer entries than announced, and then fewer buckets.
        for bucket in self.counts.chunks(1 << (self.bits - bits)) {
            start += bucket.iter().sum::<u32>();
            starts.push(start);
        }
        self.tags.shrink_to_fit();
        let directory = Directory { bits, starts, tags: self.tags };
        let bytes = directory.to_bytes();
        let directory_checksum = xxh3_64(&bytes);
        rest.extend_from_slice(&bytes);
        Written { directory, rest, entries_checksum: self.hash.digest(), directory_checksum }
    }
}

/// An entry of a run cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ReadError {
    /// What was tried, and what came of it.
    pub text: String,
    /// It fails again if it is repeated.
    pub is_lasting: bool,
}

/// Reads entries where a run lies.
pub trait ReadRun: Send + Sync + fmt::Debug {
    /// Entry number `entry`.
    ///
    /// # Errors
    /// [`ReadError`]
    fn read(&self, entry: u64) -> Result<[u8; ENTRY_BYTES], ReadError>;
}

/// A run that can be looked up in.
#[derive(Clone, Debug)]
pub struct IdentityRun {
    directory: Arc<Directory>,
    entries: Arc<dyn ReadRun>,
}

impl IdentityRun {
    /// A run by its directory.
    pub fn new(directory: Arc<Directory>, entries: Arc<dyn ReadRun>) -> Self {
        IdentityRun { directory, entries }
    }

    /// See [`Directory`].
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The entry of a fingerprint. `reads` counts the entries read.
    ///
    /// # Errors
    /// [`ReadError`]; lasting when an entry is not the one that the directory names.
    #[inline]
    pub fn find(&self, low: u64, high: u64, reads: &mut u64) -> Result<Option<Identity>, ReadError> {
        // Nearly always.
        if !self.directory.has_tag(low, high) {
            return Ok(None);
        }
        for entry in self.directory.candidates(low, high) {
            *reads += 1;
            let found = Identity::from_bytes(&self.entries.read(entry)?);
            let bits = self.directory.bits;
            if found.tag() != tag_of(low) || bucket_of(found.high, bits) != bucket_of(high, bits) {
                let text = format!("{:?}: entry {entry} is damaged", self.entries);
                return Err(ReadError { text, is_lasting: true });
            }
            if (found.low, found.high) == (low, high) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u64) -> Identity {
        let mixed = xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
        Identity { low: mixed as u64, high: (mixed >> 64) as u64, value: number << 16 | 20_000 }
    }

    fn sorted(count: u64) -> Vec<Identity> {
        let mut all: Vec<Identity> = (0..count).map(identity).collect();
        all.sort_unstable_by_key(Identity::key);
        all
    }

    fn write(entries: &[Identity], at_most: u64) -> (Vec<u8>, Written) {
        let mut writer = RunWriter::new(at_most);
        let mut bytes = Vec::new();
        for entry in entries {
            writer.push(entry);
            if writer.waiting() > 1000 {
                bytes.extend(writer.take());
            }
        }
        let written = writer.finish();
        bytes.extend_from_slice(&written.rest);
        (bytes, written)
    }

    #[derive(Debug)]
    struct InMemory(Vec<u8>);

    impl ReadRun for InMemory {
        fn read(&self, entry: u64) -> Result<[u8; ENTRY_BYTES], ReadError> {
            let at = position_of(entry) as usize;
            Ok(self.0[at..at + ENTRY_BYTES].try_into().unwrap())
        }
    }

    #[test]
    fn every_entry_is_found_and_a_strange_one_seldom_costs_a_read() {
        for count in [0, 1, 15, 16, 17, 10_000] {
            let (bytes, written) = write(&sorted(count), count);
            let at = bytes.len() - Directory::size(count) as usize;
            assert_eq!(at as u64, position_of(count));
            assert_eq!(written.entries_checksum, xxh3_64(&bytes[..at]));
            let read_back = Directory::from_bytes(count, &bytes[at..]).unwrap();
            assert_eq!(read_back, written.directory);
            let run = IdentityRun::new(Arc::new(read_back), Arc::new(InMemory(bytes)));
            let mut reads = 0;
            for number in 0..count {
                let wanted = identity(number);
                assert_eq!(run.find(wanted.low, wanted.high, &mut reads).unwrap(), Some(wanted));
            }
            assert!(reads <= count + count / 100 + 1, "{reads} reads for {count} entries");
            reads = 0;
            for number in count..count + 10_000 {
                let strange = identity(number);
                assert_eq!(run.find(strange.low, strange.high, &mut reads).unwrap(), None);
            }
            assert!(reads <= 10, "{reads} reads for 10,000 strange fingerprints");
        }
    }

    #[test]
    fn a_run_is_a_function_of_its_entries() {
        let entries = sorted(1000);
        assert_eq!(write(&entries, 1000).0, write(&entries, 100_000).0);
    }

    #[test]
    fn a_directory_that_is_cut_or_of_another_run_is_none() {
        let (_, written) = write(&sorted(100), 100);
        let mut bytes = written.directory.to_bytes();
        assert_eq!(Directory::from_bytes(99, &bytes), None);
        assert_eq!(Directory::from_bytes(100, &bytes[1..]), None);
        bytes[4] = 255;
        bytes[7] = 255;
        assert_eq!(Directory::from_bytes(100, &bytes), None);
    }

    #[test]
    fn a_damaged_entry_is_said() {
        let entries = sorted(100);
        let (mut bytes, written) = write(&entries, 100);
        bytes[position_of(7) as usize] ^= 1;
        let run = IdentityRun::new(Arc::new(written.directory), Arc::new(InMemory(bytes)));
        let error = run.find(entries[7].low, entries[7].high, &mut 0).unwrap_err();
        assert!(error.is_lasting && error.text.contains("entry 7 is damaged"), "{error}");
    }

    #[test]
    fn the_golden_run_of_version_1_is_what_is_written() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/identity_run_v1.cri");
        let (bytes, _) = write(&sorted(40), 40);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden, &bytes).unwrap();
        }
        assert_eq!(std::fs::read(golden).unwrap(), bytes);
    }
}
