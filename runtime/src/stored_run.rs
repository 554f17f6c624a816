//! Where the entries of a run lie, and how one of them is read.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use schemas::identity_run::{ENTRY_BYTES, ReadError, ReadRun, position_of};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use xxhash_rust::xxh3::Xxh3;

use crate::patience::Failure;
use crate::snapshot::RunRef;

/// Look-ups in a bucket after which the run is copied to this machine. New events come to a few in a million; so many come when old events are sent again.
const COPIED_AFTER: u32 = 256;
/// One copy is made at a time.
static COPYING: Semaphore = Semaphore::const_new(1);
/// Bytes copied at a time.
const PART: u64 = 8 << 20;

/// The entries of a run.
#[derive(Debug)]
pub(crate) enum StoredRun {
    /// In a directory; the file is open, so that a look-up is one read and no more.
    File(Path, File),
    /// In a bucket.
    Bucket(Arc<BucketRun>),
}

/// A look-up is a request, until there is a copy.
#[derive(Debug)]
pub(crate) struct BucketRun {
    store: Arc<dyn ObjectStore>,
    path: Path,
    handle: Handle,
    entries: u64,
    checksum: u64,
    looked_up: AtomicU32,
    /// Look-ups after which a copy is tried: twice as many after each that failed.
    copied_after: AtomicU32,
    /// An unnamed file below TMPDIR, which goes with the process.
    copy: OnceLock<File>,
}

impl StoredRun {
    pub(crate) fn in_bucket(store: &Arc<dyn ObjectStore>, path: Path, run: &RunRef, handle: &Handle) -> Self {
        StoredRun::Bucket(Arc::new(BucketRun {
            store: Arc::clone(store),
            path,
            handle: handle.clone(),
            entries: run.entries,
            checksum: run.entries_checksum,
            looked_up: AtomicU32::new(0),
            copied_after: AtomicU32::new(COPIED_AFTER),
            copy: OnceLock::new(),
        }))
    }
}

impl ReadRun for StoredRun {
    fn read(&self, entry: u64) -> Result<[u8; ENTRY_BYTES], ReadError> {
        match self {
            StoredRun::File(path, file) => from_file(path, file, entry),
            StoredRun::Bucket(run) => match run.copy.get() {
                // What cannot be read of the copy is still in the bucket.
                Some(file) => from_file(&run.path, file, entry).or_else(|_| run.request(entry)),
                None => run.request(entry),
            },
        }
    }
}

fn from_file(path: &Path, file: &File, entry: u64) -> Result<[u8; ENTRY_BYTES], ReadError> {
    let mut bytes = [0; ENTRY_BYTES];
    match file.read_exact_at(&mut bytes, position_of(entry)) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(ReadError { text: format!("cannot read {path}: {error}"), is_lasting: true }),
    }
}

impl BucketRun {
    fn request(self: &Arc<Self>, entry: u64) -> Result<[u8; ENTRY_BYTES], ReadError> {
        if self.looked_up.fetch_add(1, Ordering::Relaxed) == self.copied_after.load(Ordering::Relaxed) {
            let run = Arc::clone(self);
            self.handle.spawn(async move {
                // One after the other. A semaphore that nobody closes always gives.
                let _turn = COPYING.acquire().await;
                // A run that was merged meanwhile is nobody's any more.
                if Arc::strong_count(&run) > 1 {
                    run.copy().await;
                }
            });
        }
        let from = position_of(entry);
        let bytes = self.handle.block_on(self.store.get_range(&self.path, from..from + ENTRY_BYTES as u64)).map_err(|error| {
            let failure = Failure::new("read", &self.path, &error);
            ReadError { is_lasting: failure.is_lasting, text: failure.text }
        })?;
        bytes[..].try_into().map_err(|_| ReadError { text: format!("{} is too short", self.path), is_lasting: true })
    }

    /// Without a copy look-ups stay requests, slower and as right, and it is tried again after as many.
    async fn copy(&self) {
        match self.copied().await {
            Ok(file) => drop(self.copy.set(file)),
            Err(reason) => {
                tracing::warn!(run = %self.path, reason, "old identities are looked up in the bucket one by one: they cannot be copied here");
                self.copied_after.store(self.copied_after.load(Ordering::Relaxed).saturating_mul(2), Ordering::Relaxed);
                self.looked_up.store(0, Ordering::Relaxed);
            }
        }
    }

    async fn copied(&self) -> Result<File, String> {
        let mut file = tempfile::tempfile().map_err(|error| format!("no file in {}: {error}", std::env::temp_dir().display()))?;
        let (mut from, end, mut hash) = (0, position_of(self.entries), Xxh3::new());
        while from < end {
            let upto = end.min(from + PART);
            let bytes =
                self.store.get_range(&self.path, from..upto).await.map_err(|error| Failure::new("read", &self.path, &error).text)?;
            hash.update(&bytes);
            file.write_all(&bytes).map_err(|error| format!("{}: {error}", std::env::temp_dir().display()))?;
            from = upto;
        }
        if hash.digest() == self.checksum { Ok(file) } else { Err(Failure::damaged(&self.path).text) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use object_store::memory::InMemory;
    use object_store::{GetOptions, PutPayload};
    use schemas::identity_run::IdentityRun;

    use super::*;
    use crate::identity_runs::tests::identity;
    use crate::identity_runs::{open, run_of};

    const ENTRIES: u64 = 1000;

    struct Stand {
        runtime: tokio::runtime::Runtime,
        store: Arc<dyn ObjectStore>,
        path: Path,
        run: IdentityRun,
    }

    impl Stand {
        /// A run in a bucket; `damage` flips a bit of an entry that nobody looks up.
        fn new(damage: bool) -> Self {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let entries: Vec<u8> = (0..ENTRIES).flat_map(|number| identity(number, 10).to_bytes()).collect();
            let (mut bytes, reference, _) = run_of(&entries, "run".to_owned(), 1, 40);
            if damage {
                bytes[position_of(0) as usize + ENTRY_BYTES - 1] ^= 1;
            }
            let path = Path::from("run");
            runtime.block_on(store.put(&path, PutPayload::from(bytes))).unwrap();
            let run = runtime.block_on(open(&store, path.clone(), &reference, runtime.handle())).unwrap();
            Stand { runtime, store, path, run }
        }

        fn look_up(&self, number: u64) -> Result<bool, ReadError> {
            let wanted = identity(number, 10);
            Ok(self.run.find(wanted.low, wanted.high, &mut 0)? == Some(wanted))
        }

        fn remove(&self) {
            self.runtime.block_on(self.store.delete(&self.path)).unwrap();
        }
    }

    #[test]
    fn what_is_looked_up_often_is_copied_and_needs_the_bucket_no_more() {
        let stand = Stand::new(false);
        for number in 0..u64::from(COPIED_AFTER) - 1 {
            assert_eq!(stand.look_up(number), Ok(true));
        }
        let kept = stand.runtime.block_on(async { stand.store.get_opts(&stand.path, GetOptions::default()).await?.bytes().await }).unwrap();
        stand.remove();
        assert!(stand.look_up(1).is_err(), "not often enough for a copy");
        stand.runtime.block_on(stand.store.put(&stand.path, kept.into())).unwrap();
        assert_eq!(stand.look_up(2), Ok(true));
        let begun = Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        stand.remove();
        while stand.look_up(3).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no copy");
        }
        for number in 0..ENTRIES {
            assert_eq!(stand.look_up(number), Ok(true), "{number}");
        }
        assert_eq!(stand.look_up(ENTRIES), Ok(false));
    }

    #[test]
    fn a_damaged_run_is_not_copied() {
        let stand = Stand::new(true);
        let numbers: Vec<u64> = (0..ENTRIES).filter(|number| stand.look_up(*number) == Ok(true)).collect();
        assert!(numbers.len() as u64 >= ENTRIES - 1 && ENTRIES > 2 * u64::from(COPIED_AFTER));
        std::thread::sleep(Duration::from_millis(300));
        stand.remove();
        assert!(stand.look_up(numbers[0]).is_err());
    }
}
