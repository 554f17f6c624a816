//! Runs of identities (see [`schemas::identity_run`]) in an object store: written once, merged, opened by their directories.
//!
//! A sealed table becomes a run of level 0. Four runs of a level that follow one another are merged into one of the next level, up to level 3,
//! so that there are few to look up in, and each identity is written five times at most. Merging drops what no longer counts. Nothing
//! is ever in memory as a whole but the sealed table and the directories.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt};
use schemas::identity_run::{Directory, ENTRY_BYTES, Identity, IdentityRun, MAGIC, MAX_ENTRIES, RunWriter, position_of};
use tokio::runtime::Handle;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::patience::Failure;
use crate::snapshot::RunRef;
use crate::stored_run::StoredRun;

/// Runs that are merged into one.
const FAN: usize = 4;
/// Runs of this level are not merged any more: 64 sealed tables.
const MAX_LEVEL: u8 = 3;
/// Entries read at a time when merging: a MiB.
const CHUNK: u64 = (1 << 20) / ENTRY_BYTES as u64;
/// Bytes written at a time when merging; a bucket takes no smaller part but the last.
const PART: usize = 8 << 20;

/// What no longer counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon {
    /// Day number of event time.
    pub(crate) today: i64,
    /// Days after which an identity no longer counts.
    pub(crate) days: i64,
}

/// A run's name: by the offsets whose identities it holds, and by who wrote it.
pub(crate) fn run_name(from: i64, upto: i64, owner: &str) -> String {
    format!("run-{from:020}-{upto:020}-{owner}.cri")
}

/// Where the runs that should be merged now begin.
pub(crate) fn to_merge<'a>(runs: impl ExactSizeIterator<Item = &'a RunRef> + Clone) -> Option<usize> {
    let at = runs.len().checked_sub(FAN)?;
    let mut last = runs.skip(at).map(|run| run.level);
    let level = last.next()?;
    (level < MAX_LEVEL && last.all(|other| other == level)).then_some(at)
}

/// A run of a sealed table's entries, given end to end in any order: its bytes, what a snapshot says of it, its directory.
pub(crate) fn run_of(sealed: &[u8], name: String, upto: i64, expires_day: i64) -> (Vec<u8>, RunRef, Directory) {
    let mut entries: Vec<Identity> = Identity::all_of(sealed).collect();
    entries.sort_unstable_by_key(Identity::key);
    let mut writer = RunWriter::new(entries.len() as u64);
    entries.iter().for_each(|entry| writer.push(entry));
    let written = writer.finish();
    let reference = RunRef {
        name,
        entries: written.directory.entries(),
        level: 0,
        upto,
        entries_checksum: written.entries_checksum,
        directory_checksum: written.directory_checksum,
        expires_day,
    };
    (written.rest, reference, written.directory)
}

/// Opens a run.
///
/// # Errors
/// The store does not answer, or the directory is not the one that was written.
pub(crate) async fn open(store: &Arc<dyn ObjectStore>, path: Path, run: &RunRef, handle: &Handle) -> Result<IdentityRun, Failure> {
    if run.entries > MAX_ENTRIES {
        return Err(Failure::damaged(&path));
    }
    let from = position_of(run.entries);
    let range = from..from + Directory::size(run.entries);
    let bytes = store.get_range(&path, range).await.map_err(|error| Failure::new("read", &path, &error))?;
    let directory = Directory::from_bytes(run.entries, &bytes).filter(|_| xxh3_64(&bytes) == run.directory_checksum);
    let Some(directory) = directory else { return Err(Failure::damaged(&path)) };
    open_known(store, path, run, Arc::new(directory), handle).await
}

/// Opens a run whose directory is known.
///
/// # Errors
/// The store does not answer, or there is no such object.
pub(crate) async fn open_known(
    store: &Arc<dyn ObjectStore>,
    path: Path,
    run: &RunRef,
    directory: Arc<Directory>,
    handle: &Handle,
) -> Result<IdentityRun, Failure> {
    let beginning = GetOptions { range: Some((0..MAGIC.len() as u64).into()), ..GetOptions::default() };
    let found = store.get_opts(&path, beginning).await.map_err(|error| Failure::new("read", &path, &error))?;
    let entries = match found.payload {
        GetResultPayload::File(file, _) => StoredRun::File(path, file),
        GetResultPayload::Stream(_) => StoredRun::in_bucket(store, path, run, handle),
    };
    Ok(IdentityRun::new(directory, Arc::new(entries)))
}

/// Merges runs that follow one another, the oldest first, into one of the next level.
///
/// # Errors
/// The store does not answer, or a run is not what was written. Nothing is left behind but what the store keeps of unfinished writes.
pub(crate) async fn merge(
    store: &dyn ObjectStore,
    runs: &[(Path, RunRef)],
    (path, name): (&Path, String),
    horizon: Horizon,
) -> Result<(RunRef, Directory), Failure> {
    let failure = |error| Failure::new("write", path, &error);
    let mut upload = store.put_multipart(path).await.map_err(failure)?;
    let merged = merge_into(&mut *upload, store, runs, (path, name), horizon).await;
    match &merged {
        Ok(_) => drop(upload.complete().await.map_err(failure)?),
        // What cannot be taken back is not named by any snapshot.
        Err(_) => drop(upload.abort().await),
    }
    merged
}

async fn merge_into(
    upload: &mut dyn MultipartUpload,
    store: &dyn ObjectStore,
    runs: &[(Path, RunRef)],
    (path, name): (&Path, String),
    horizon: Horizon,
) -> Result<(RunRef, Directory), Failure> {
    let failure = |error| Failure::new("write", path, &error);
    let mut readers: Vec<Reader<'_>> = runs.iter().map(|(path, run)| Reader::new(store, path, run)).collect();
    let mut writer = RunWriter::new(runs.iter().map(|(_, run)| run.entries).sum());
    let mut heads = Vec::new();
    for reader in &mut readers {
        heads.push(reader.next().await?);
    }
    while let Some(key) = heads.iter().flatten().map(Identity::key).min() {
        let mut newest = None;
        for (head, reader) in heads.iter_mut().zip(&mut readers) {
            if head.is_some_and(|head| head.key() == key) {
                newest = *head;
                *head = reader.next().await?;
            }
        }
        if let Some(entry) = newest.filter(|entry| entry.counts(horizon.today, horizon.days)) {
            writer.push(&entry);
        }
        if writer.waiting() >= PART {
            upload.put_part(writer.take().into()).await.map_err(failure)?;
        }
    }
    let written = writer.finish();
    upload.put_part(written.rest.into()).await.map_err(failure)?;
    let last = runs.last().map(|(_, run)| run);
    let merged = RunRef {
        name,
        entries: written.directory.entries(),
        level: last.map_or(0, |run| run.level + 1),
        upto: last.map_or(0, |run| run.upto),
        entries_checksum: written.entries_checksum,
        directory_checksum: written.directory_checksum,
        expires_day: runs.iter().map(|(_, run)| run.expires_day).max().unwrap_or(horizon.today),
    };
    Ok((merged, written.directory))
}

/// Reads a run from its beginning to its end, and looks whether it is what was written.
struct Reader<'a> {
    store: &'a dyn ObjectStore,
    path: &'a Path,
    run: &'a RunRef,
    /// Entries read from the store.
    read: u64,
    chunk: std::vec::IntoIter<Identity>,
    hash: Xxh3,
}

impl<'a> Reader<'a> {
    fn new(store: &'a dyn ObjectStore, path: &'a Path, run: &'a RunRef) -> Self {
        let mut hash = Xxh3::new();
        hash.update(MAGIC);
        Reader { store, path, run, read: 0, chunk: Vec::new().into_iter(), hash }
    }

    async fn next(&mut self) -> Result<Option<Identity>, Failure> {
        if let Some(next) = self.chunk.next() {
            return Ok(Some(next));
        }
        if self.read == self.run.entries {
            return if self.hash.digest() == self.run.entries_checksum { Ok(None) } else { Err(Failure::damaged(self.path)) };
        }
        let upto = self.run.entries.min(self.read + CHUNK);
        let range = position_of(self.read)..position_of(upto);
        let bytes = self.store.get_range(self.path, range).await.map_err(|error| Failure::new("read", self.path, &error))?;
        self.hash.update(&bytes);
        self.read = upto;
        self.chunk = Identity::all_of(&bytes).collect::<Vec<_>>().into_iter();
        Ok(self.chunk.next())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use object_store::memory::InMemory;

    use super::*;

    pub(crate) fn identity(number: u64, day: u16) -> Identity {
        let mixed = xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
        Identity { low: mixed as u64, high: (mixed >> 64) as u64, value: number << 16 | u64::from(day) }
    }

    fn run_ref(level: u8) -> RunRef {
        RunRef { level, ..run_of(&[], "run".to_owned(), 1, 9).1 }
    }

    #[test]
    fn four_of_a_level_at_the_end_are_merged() {
        let merged = |levels: &[u8]| {
            let runs: Vec<RunRef> = levels.iter().map(|level| run_ref(*level)).collect();
            to_merge(runs.iter())
        };
        assert_eq!(merged(&[0, 0, 0]), None);
        assert_eq!(merged(&[0, 0, 0, 0]), Some(0));
        assert_eq!(merged(&[1, 1, 1, 0, 0, 0, 0]), Some(3));
        assert_eq!(merged(&[1, 1, 1, 1]), Some(0));
        assert_eq!(merged(&[3, 3, 3, 3]), None);
    }

    #[tokio::test]
    async fn a_merged_run_has_the_newest_of_what_counts_and_nothing_else() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut runs = Vec::new();
        for part in 0..3_u64 {
            // Each repeats half of the one before, as of a later day; the days before 10 no longer count.
            let entries: Vec<u8> = (part * 50..part * 50 + 100).flat_map(|number| identity(number, (8 + part) as u16).to_bytes()).collect();
            let (bytes, reference, _) = run_of(&entries, format!("run-{part}"), part as i64 + 1, 40);
            let path = Path::from(reference.name.clone());
            store.put(&path, bytes.into()).await.unwrap();
            runs.push((path, reference));
        }
        let path = Path::from("merged");
        let horizon = Horizon { today: 12, days: 2 };
        let (reference, directory) = merge(&*store, &runs, (&path, "merged".to_owned()), horizon).await.unwrap();
        assert_eq!((reference.entries, reference.level, reference.upto), (100, 1, 3));
        let opened = open(&store, path.clone(), &reference, &Handle::current()).await.unwrap();
        assert_eq!(*opened.directory(), directory);
        let alone: Vec<u8> = (100..200).flat_map(|number| identity(number, 10).to_bytes()).collect();
        let whole = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(whole, run_of(&alone, "alone".to_owned(), 3, 40).0, "as if it had been written at once");
    }

    #[tokio::test]
    async fn a_damaged_run_is_not_merged_and_not_opened() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let entries: Vec<u8> = (0..100).flat_map(|number| identity(number, 10).to_bytes()).collect();
        let (mut bytes, reference, _) = run_of(&entries, "run".to_owned(), 1, 40);
        let path = Path::from("run");
        bytes[position_of(3) as usize + 20] ^= 1;
        store.put(&path, bytes.clone().into()).await.unwrap();
        let horizon = Horizon { today: 12, days: 35 };
        let error = merge(&*store, &[(path.clone(), reference.clone())], (&Path::from("m"), "m".into()), horizon).await.unwrap_err();
        assert!(error.is_lasting && error.text.contains("run is damaged"), "{}", error.text);
        assert!(open(&store, path.clone(), &reference, &Handle::current()).await.is_ok(), "entries are looked at when they are needed");
        let at = bytes.len() - 1;
        bytes[at] ^= 1;
        store.put(&path, bytes.into()).await.unwrap();
        assert!(open(&store, path, &reference, &Handle::current()).await.is_err());
    }
}
