//! A snapshot as one object: a line that names the format, a checksum, a readable head, the compressed state.
//!
//! ```text
//! CRSNAP1\n | xxh3-64 of the rest (8 bytes, little endian) | length of the head (4 bytes, little endian) | head (JSON) | state (zstd)
//! ```

use schemas::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 6] = b"CRSNAP";
/// Version of the container; the state inside has its own. Version 1 had no runs.
pub const CONTAINER_VERSION: u8 = b'2';
/// The oldest version that is read.
const OLDEST_VERSION: u8 = b'1';
/// Most bytes of state that are read: a corrupt length must not eat the memory.
pub const MAX_STATE_BYTES: usize = 16 << 30;

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// `meter` or `monitor`.
    pub stage: String,
    /// The log's topic.
    pub topic: String,
    /// The log's partition.
    pub partition: i32,
    /// Identity of the log (the cluster's id), so that state is never used with another cluster.
    pub log_id: String,
    /// The state stands for everything before this offset.
    pub offset: i64,
    /// Hash of the rules it was made by.
    pub rules: String,
    /// Was nothing published beyond it (an orderly stop)?
    pub is_final: bool,
    /// When it was taken, for people.
    pub written_at: Timestamp,
    /// Immutable parts beside it, in their order.
    pub segments: Vec<SegmentRef>,
    /// Runs of identities beside it, the oldest first; what they hold is not in the segments.
    #[serde(default)]
    pub runs: Vec<RunRef>,
}

/// An immutable part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// Its object's name, below the partition's prefix.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its xxh3-64.
    pub checksum: u64,
    /// It can be dropped after this day number of event time.
    pub expires_day: i64,
}

/// A run of identities, see [`schemas::identity_run`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    /// Its object's name, below the partition's prefix.
    pub name: String,
    /// How many identities it has.
    pub entries: u64,
    /// How often it was merged.
    pub level: u8,
    /// It holds what was counted before this offset and is not in a run before it.
    pub upto: i64,
    /// xxh3-64 of its beginning and its entries.
    pub entries_checksum: u64,
    /// xxh3-64 of its directory.
    pub directory_checksum: u64,
    /// It can be dropped after this day number of event time.
    pub expires_day: i64,
}

/// Why bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by a newer program.
    #[error("snapshot container version {found:?}, this program reads up to {:?}: run the version that wrote it, or a newer one", CONTAINER_VERSION as char)]
    Version {
        /// As found.
        found: char,
    },
    /// No snapshot.
    #[error("not a snapshot of cost-rhythm")]
    Foreign,
    /// Torn or corrupted.
    #[error("snapshot is damaged: {0}")]
    Damaged(&'static str),
}

/// Writes a snapshot.
///
/// # Errors
/// [`SnapshotError::Damaged`] should compression or the head's encoding fail.
pub fn encode(head: &SnapshotHead, state: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let head = serde_json::to_vec(head).map_err(|_| SnapshotError::Damaged("head cannot be written"))?;
    let state = zstd::bulk::compress(state, 1).map_err(|_| SnapshotError::Damaged("state cannot be compressed"))?;
    let mut bytes = Vec::with_capacity(20 + head.len() + state.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[CONTAINER_VERSION, b'\n']);
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&(head.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&state);
    let checksum = xxh3_64(&bytes[16..]);
    bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Reads a snapshot.
///
/// # Errors
/// [`SnapshotError`]
pub fn decode(bytes: &[u8]) -> Result<(SnapshotHead, Vec<u8>), SnapshotError> {
    let (magic, rest) = bytes.split_at_checked(8).ok_or(SnapshotError::Damaged("too short"))?;
    if &magic[..6] != MAGIC || magic[7] != b'\n' {
        return Err(SnapshotError::Foreign);
    }
    if !(OLDEST_VERSION..=CONTAINER_VERSION).contains(&magic[6]) {
        return Err(SnapshotError::Version { found: magic[6] as char });
    }
    let (checksum, rest) = rest.split_first_chunk::<8>().ok_or(SnapshotError::Damaged("too short"))?;
    if xxh3_64(rest) != u64::from_le_bytes(*checksum) {
        return Err(SnapshotError::Damaged("checksum differs"));
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(SnapshotError::Damaged("too short"))?;
    let (head, state) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(SnapshotError::Damaged("head is cut short"))?;
    let head = serde_json::from_slice(head).map_err(|_| SnapshotError::Damaged("head cannot be read"))?;
    let state = zstd::stream::decode_all(state).map_err(|_| SnapshotError::Damaged("state cannot be decompressed"))?;
    if state.len() > MAX_STATE_BYTES {
        return Err(SnapshotError::Damaged("state is too large"));
    }
    Ok((head, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn head() -> SnapshotHead {
        SnapshotHead {
            stage: "meter".into(),
            topic: "usage-events".into(),
            partition: 3,
            log_id: "cluster-1".into(),
            offset: 42,
            rules: "r1".into(),
            is_final: false,
            written_at: Timestamp::from_millis(1_795_342_503_123),
            segments: vec![SegmentRef { name: "segment-0-42".into(), bytes: 24, checksum: 7, expires_day: 20_815 }],
            runs: Vec::new(),
        }
    }

    fn head_with_a_run() -> SnapshotHead {
        let name = "run-00000000000000000000-00000000000000000042.cri".into();
        let run = RunRef { name, entries: 5, level: 1, upto: 42, entries_checksum: 8, directory_checksum: u64::MAX, expires_day: 20_815 };
        SnapshotHead { runs: vec![run], ..head() }
    }

    #[test]
    fn a_snapshot_reads_back() {
        let bytes = encode(&head(), b"state").unwrap();
        assert_eq!(decode(&bytes).unwrap(), (head(), b"state".to_vec()));
    }

    #[test]
    fn any_cut_and_any_flipped_bit_is_seen() {
        let bytes = encode(&head(), b"state").unwrap();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
        for index in 0..bytes.len() {
            let mut torn = bytes.clone();
            torn[index] ^= 1;
            assert!(decode(&torn).is_err(), "{index}");
        }
    }

    #[test]
    fn a_newer_container_is_refused_by_name() {
        let mut bytes = encode(&head(), b"").unwrap();
        bytes[6] = b'3';
        assert_eq!(decode(&bytes), Err(SnapshotError::Version { found: '3' }));
    }

    #[test]
    fn the_golden_snapshots_of_all_versions_are_read() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/snapshot_v");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(format!("{golden}2.crs"), encode(&head_with_a_run(), b"state").unwrap()).unwrap();
        }
        for (version, head) in [(1, head()), (2, head_with_a_run())] {
            let (found, state) = decode(&std::fs::read(format!("{golden}{version}.crs")).unwrap()).unwrap();
            assert_eq!((found, state), (head, b"state".to_vec()));
        }
    }
}
