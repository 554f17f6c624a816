//! Snapshots in an object store: a local directory or a bucket, see [`crate::state_store`].
//!
//! A snapshot lasts once `saved` has told its offset: its segments are durable before it is written, and a write is seen whole or not at
//! all. In a bucket a put is that by itself; in a directory the file is synced, renamed into place, and its directory synced. A save that
//! fails because the store is away is tried again until it is back or the partition has gone; [`ObjectSnapshots::watch`] says so.
//!
//! Objects of one partition, below `STAGE/TOPIC/PARTITION/`:
//! `snapshot-OFFSET-OWNER.crs` (see [`crate::snapshot`]), `segment-FROM-TO-OWNER.crd` (identities counted last) and `run-FROM-TO-OWNER.cri` (all
//! others, see [`schemas::identity_run`]). Writing a new snapshot never touches an older one; those of the last two offsets are kept, and the segments
//! and runs that they name. Before names had an owner they ended with the offset; such ones are read.
//!
//! Two owners may overlap: a former one that lives on (a zombie) writes and removes for a while. Every object is written by one owner alone, so no
//! zombie writes over what the latest owner has written: which identities are in which run does not follow from the log. Only the latest owner removes
//! anything: `owner` names who has loaded last. One who has looked at `owner` just before the new one came removes only what it saw then, and
//! its own newest snapshot does not need that. So the newest snapshot of the latest owner, or the one that it loaded, is always whole; a
//! zombie's may name what was removed, and is passed over.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use schemas::Timestamp;
use schemas::identity_run::{Directory, IdentityRun, Segment, position_of};
use tokio::runtime::Handle;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{Receiver, channel};
use xxhash_rust::xxh3::xxh3_64;

use crate::identity_runs::{self, Horizon, run_name};
use crate::io::{Clock, IoError};
use crate::patience::{Failure, PAUSE, Patience};
use crate::snapshot::{RunRef, SegmentRef, SnapshotHead, decode, encode};
use crate::snapshot_watch::{self, SnapshotWatch};
use crate::store::{Holdings, Loaded, Saved, SnapshotStore, ToSave};

/// Snapshots kept.
const KEPT: usize = 2;
/// How long a load bears with a store that is away. The client repeats reads by itself, but no write that may have arrived.
const LOAD_PATIENCE: Duration = Duration::from_secs(120);

/// Whose snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotPlace {
    /// `meter` or `monitor`.
    pub stage: String,
    /// The log's topic.
    pub topic: String,
    /// The log's partition.
    pub partition: i32,
    /// The log's identity.
    pub log_id: String,
    /// Hash of the rules in force.
    pub rules: String,
}

/// See the module's documentation.
pub struct ObjectSnapshots {
    store: Arc<dyn ObjectStore>,
    place: SnapshotPlace,
    clock: Arc<dyn Clock>,
    handle: Handle,
    /// Segments of the newest snapshot.
    segments: Vec<SegmentRef>,
    /// The offset up to which segments reach.
    segments_to: i64,
    /// Runs of the newest snapshot.
    runs: Vec<OpenRun>,
    saving: Option<Receiver<Result<Written, String>>>,
    watch: SnapshotWatch,
    /// This owner, as nobody else is named.
    owner: u64,
}

type OpenRun = (RunRef, IdentityRun);

struct Written {
    offset: i64,
    segments: Vec<SegmentRef>,
    runs: Vec<OpenRun>,
    bytes: u64,
}

/// Why a snapshot does not come back.
enum Unusable {
    /// It, or a segment, is missing or damaged.
    Broken(String),
    /// The store cannot tell.
    NoAnswer(String),
}

impl From<Failure> for Unusable {
    fn from(failure: Failure) -> Self {
        if failure.is_broken { Unusable::Broken(failure.text) } else { Unusable::NoAnswer(failure.text) }
    }
}

impl ObjectSnapshots {
    /// Over a store; `handle` runs what is slow.
    pub fn new(store: Arc<dyn ObjectStore>, place: SnapshotPlace, clock: Arc<dyn Clock>, handle: Handle) -> Self {
        let owner = RandomState::new().hash_one(clock.now());
        let watch = SnapshotWatch::default();
        ObjectSnapshots { store, place, clock, handle, segments: Vec::new(), segments_to: 0, runs: Vec::new(), saving: None, watch, owner }
    }

    /// With a number of its own that nobody else has or had, instead of a random one.
    #[must_use]
    pub fn owned_by(self, owner: u64) -> Self {
        ObjectSnapshots { owner, ..self }
    }

    /// Shows what becomes of the snapshots.
    pub fn watch(&self) -> SnapshotWatch {
        self.watch.clone()
    }

    /// Says that something will now be published beyond the newest snapshot: it is no longer final.
    ///
    /// # Errors
    /// [`IoError`]
    pub fn reopen(&mut self, loaded: &Loaded) -> Result<(), IoError> {
        let head = SnapshotHead { is_final: false, rules: self.place.rules.clone(), ..loaded.head.clone() };
        let bytes = encode(&head, &loaded.body).map_err(|error| IoError::Fatal(error.to_string()))?;
        let objects = self.objects();
        let name = objects.snapshot_name(head.offset);
        self.handle.block_on(objects.put_once(&name, bytes.into())).map_err(|failure| IoError::Transient(failure.text))
    }

    /// From now on, nobody who has loaded before removes anything. To be done before anything is read.
    fn claim(&self, objects: &Objects) -> Result<(), IoError> {
        let until = self.clock.monotonic() + LOAD_PATIENCE;
        while let Err(failure) = self.handle.block_on(objects.put_once(OWNER, objects.owner.clone().into())) {
            if failure.is_lasting || self.clock.monotonic() >= until {
                return Err(IoError::Transient(failure.text));
            }
            self.clock.sleep(PAUSE);
        }
        Ok(())
    }

    fn objects(&self) -> Objects {
        let (store, handle) = (Arc::clone(&self.store), self.handle.clone());
        Objects { store, handle, place: self.place.clone(), owner: format!("{:016x}", self.owner) }
    }
}

impl SnapshotStore for ObjectSnapshots {
    fn load(&mut self) -> Result<Holdings, IoError> {
        let objects = self.objects();
        self.claim(&objects)?;
        let holdings = self.handle.block_on(objects.newest()).map_err(IoError::Transient)?;
        if let Some(loaded) = &holdings.newest {
            self.segments = loaded.head.segments.clone();
            self.segments_to = loaded.head.offset;
            self.runs = loaded.head.runs.iter().cloned().zip(loaded.runs.iter().cloned()).collect();
        }
        Ok(holdings)
    }

    fn save(&mut self, snapshot: ToSave) {
        let (sender, receiver) = channel();
        let (objects, from) = (self.objects(), self.segments_to);
        let before = (self.segments.clone(), self.runs.clone());
        let (clock, watch) = (Arc::clone(&self.clock), self.watch.clone());
        self.handle.spawn(async move {
            let (now, begun) = (clock.now(), clock.monotonic());
            let patience = Patience::new(sender, watch.clone());
            let outcome = objects.save(snapshot, before, from, now, &patience).await;
            let duration = clock.monotonic().saturating_sub(begun);
            watch.update(|figures| {
                if let Ok(saved) = &outcome {
                    figures.last = Some(snapshot_watch::Written { bytes: saved.bytes, duration, taken_at: now });
                }
                figures.trouble = None;
            });
            patience.answer(outcome);
        });
        self.saving = Some(receiver);
    }

    fn saved(&mut self) -> Option<Result<Saved, IoError>> {
        let outcome = match self.saving.as_mut()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Closed) => Err("the task that saved it has ended".to_owned()),
            Ok(outcome) => outcome,
        };
        self.saving = None;
        Some(outcome.map_err(IoError::Fatal).map(|written| {
            (self.segments, self.runs, self.segments_to) = (written.segments, written.runs, written.offset);
            Saved { offset: written.offset, runs: self.runs.iter().map(|(_, run)| run.clone()).collect() }
        }))
    }
}

/// The slow part, which owns what it needs.
struct Objects {
    store: Arc<dyn ObjectStore>,
    handle: Handle,
    place: SnapshotPlace,
    owner: String,
}

/// The object that names the latest owner.
const OWNER: &str = "owner";

impl Objects {
    fn path(&self, name: &str) -> Path {
        let SnapshotPlace { stage, topic, partition, .. } = &self.place;
        Path::from_iter([stage.as_str(), topic.as_str(), &partition.to_string(), name])
    }

    async fn put(&self, name: &str, payload: PutPayload, patience: &Patience<Written>) -> Result<(), String> {
        patience.repeat(|| self.put_once(name, payload.clone())).await
    }

    async fn put_once(&self, name: &str, payload: PutPayload) -> Result<(), Failure> {
        let path = self.path(name);
        self.store.put(&path, payload).await.map(drop).map_err(|error| Failure::new("write", &path, &error))
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let path = self.path(name);
        let failure = |error| Failure::new("read", &path, &error);
        let result = self.store.get(&path).await.map_err(failure)?;
        result.bytes().await.map(Vec::from).map_err(failure)
    }

    fn snapshot_name(&self, offset: i64) -> String {
        format!("snapshot-{offset:020}-{}.crs", self.owner)
    }

    async fn is_latest_owner(&self) -> Result<bool, String> {
        let named = self.get(OWNER).await.map_err(|failure| failure.text)?;
        Ok(named == self.owner.as_bytes())
    }

    /// Names of the partition's objects.
    async fn names(&self) -> Result<BTreeSet<String>, String> {
        let listed = self
            .store
            .list_with_delimiter(Some(&self.path("")))
            .await
            .map_err(|error| format!("cannot list {}: {error}", self.path("")))?;
        Ok(listed.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect())
    }

    async fn newest(&self) -> Result<Holdings, String> {
        let names = self.names().await?;
        let mut holdings = Holdings::default();
        for name in names.iter().rev().filter(|name| snapshot_offset(name).is_some()) {
            if holdings.newest.as_ref().is_some_and(|loaded| snapshot_offset(name) != Some(loaded.head.offset)) {
                break;
            }
            match self.load(name).await {
                // One that is not final is of somebody who has taken up a final one again, perhaps under other rules.
                Ok(loaded) if holdings.newest.as_ref().is_none_or(|newest| newest.head.is_final) => holdings.newest = Some(loaded),
                Ok(_) => {}
                Err(Unusable::NoAnswer(reason)) => return Err(reason),
                Err(Unusable::Broken(reason)) => {
                    tracing::warn!(snapshot = name, reason, "a snapshot cannot be used");
                    holdings.broken.push(format!("{name}: {reason}"));
                }
            }
        }
        Ok(holdings)
    }

    async fn load(&self, name: &str) -> Result<Loaded, Unusable> {
        let (head, body) = decode(&self.get(name).await?).map_err(|error| Unusable::Broken(error.to_string()))?;
        let mut segments = Vec::new();
        for segment in &head.segments {
            let bytes = self.get(&segment.name).await?;
            if (bytes.len() as u64, xxh3_64(&bytes)) != (segment.bytes, segment.checksum) {
                return Err(Unusable::Broken(format!("{} is damaged", segment.name)));
            }
            segments.push(bytes);
        }
        let mut runs = Vec::new();
        for run in &head.runs {
            runs.push(identity_runs::open(&self.store, self.path(&run.name), run, &self.handle).await?);
        }
        Ok(Loaded { head, body, segments, runs })
    }

    async fn save(
        &self,
        snapshot: ToSave,
        (mut segments, mut runs): (Vec<SegmentRef>, Vec<OpenRun>),
        from: i64,
        now: Timestamp,
        patience: &Patience<Written>,
    ) -> Result<Written, String> {
        let ToSave { offset, is_final, state } = snapshot;
        segments.retain(|segment| segment.expires_day >= state.today);
        runs.retain(|(run, _)| run.expires_day >= state.today);
        let mut written = 0;
        match state.segment {
            Some(sealed) if sealed.is_sealed => {
                // It holds what the segments do.
                segments.clear();
                let horizon = Horizon { today: state.today, days: state.horizon_days };
                written += self.add_run(&mut runs, sealed, offset, horizon, patience).await?;
            }
            Some(segment) if !segment.bytes.is_empty() => {
                let (bytes, first, expires_day) = self.join(&mut segments, segment.bytes, patience).await?;
                let name = format!("segment-{:020}-{offset:020}-{}.crd", first.unwrap_or(from), self.owner);
                let (size, expires_day) = (bytes.len() as u64, expires_day.max(segment.expires_day));
                segments.push(SegmentRef { name: name.clone(), bytes: size, checksum: xxh3_64(&bytes), expires_day });
                self.put(&name, bytes.into(), patience).await?;
                written += size;
            }
            _ => {}
        }
        let SnapshotPlace { stage, topic, partition, log_id, rules } = self.place.clone();
        let run_refs = runs.iter().map(|(run, _)| run.clone()).collect();
        let head = SnapshotHead {
            stage,
            topic,
            partition,
            log_id,
            offset,
            rules,
            is_final,
            written_at: now,
            segments: segments.clone(),
            runs: run_refs,
        };
        let bytes = encode(&head, &state.body).map_err(|error| error.to_string())?;
        written += bytes.len() as u64;
        self.put(&self.snapshot_name(offset), bytes.into(), patience).await?;
        if let Err(reason) = self.clean(&head).await {
            tracing::warn!(reason, "old snapshots cannot be removed yet");
        }
        Ok(Written { offset, segments, runs, bytes: written })
    }

    /// Writes a run of a sealed table, and merges runs when there are many. Returns the bytes of the new runs.
    async fn add_run(
        &self,
        runs: &mut Vec<OpenRun>,
        sealed: Segment,
        offset: i64,
        horizon: Horizon,
        patience: &Patience<Written>,
    ) -> Result<u64, String> {
        let end_of = |runs: &[OpenRun]| runs.last().map_or(0, |(run, _)| run.upto);
        let name = run_name(end_of(runs), offset, &self.owner);
        let (bytes, run, directory) = identity_runs::run_of(&sealed.bytes, name, offset, sealed.expires_day);
        drop(sealed);
        let mut written = bytes.len() as u64;
        self.put(&run.name, bytes.into(), patience).await?;
        runs.push(self.opened(run, directory, patience).await?);
        while let Some(at) = identity_runs::to_merge(runs.iter().map(|(run, _)| run)) {
            let parts: Vec<(Path, RunRef)> = runs[at..].iter().map(|(run, _)| (self.path(&run.name), run.clone())).collect();
            let name = run_name(end_of(&runs[..at]), offset, &self.owner);
            let path = self.path(&name);
            let merge = || identity_runs::merge(&*self.store, &parts, (&path, name.clone()), horizon);
            let (run, directory) = patience.repeat(merge).await?;
            written += position_of(run.entries) + Directory::size(run.entries);
            runs.truncate(at);
            runs.push(self.opened(run, directory, patience).await?);
        }
        Ok(written)
    }

    async fn opened(&self, run: RunRef, directory: Directory, patience: &Patience<Written>) -> Result<OpenRun, String> {
        let directory = Arc::new(directory);
        let open = || identity_runs::open_known(&self.store, self.path(&run.name), &run, Arc::clone(&directory), &self.handle);
        let opened = patience.repeat(open).await?;
        Ok((run, opened))
    }

    /// Joins the new bytes with the last segments as long as those are not more than twice as large: so there are only
    /// about log2(size) segments, and each byte is rewritten as often. Returns the bytes, the first offset and the latest expiry.
    async fn join(
        &self,
        segments: &mut Vec<SegmentRef>,
        new: Vec<u8>,
        patience: &Patience<Written>,
    ) -> Result<(Vec<u8>, Option<i64>, i64), String> {
        let (mut parts, mut size, mut first, mut expires) = (vec![new], 0, None, i64::MIN);
        size += parts[0].len() as u64;
        while let Some(last) = segments.pop_if(|last| last.bytes <= 2 * size) {
            parts.push(patience.repeat(|| self.get(&last.name)).await?);
            size += last.bytes;
            expires = expires.max(last.expires_day);
            first = last.name.get(8..28).and_then(|text| text.parse().ok());
        }
        parts.reverse();
        Ok((parts.concat(), first, expires))
    }

    /// The latest owner, who has just saved this snapshot, removes all but the snapshots of the last offsets, others' of this offset, and the segments
    /// and runs that none of the remaining ones names. It may be told an old list of names: of what that does not know nothing is removed, and what the
    /// new snapshot needs stays whether it is listed or not.
    async fn clean(&self, saved: &SnapshotHead) -> Result<(), String> {
        let (names, offset) = (self.names().await?, saved.offset);
        if !self.is_latest_owner().await? {
            return Ok(());
        }
        let upto: BTreeSet<i64> = names.iter().filter_map(|name| snapshot_offset(name)).filter(|found| *found <= offset).collect();
        let oldest_kept = upto.iter().rev().nth(KEPT - 1).copied().unwrap_or(i64::MIN);
        let own = self.snapshot_name(offset);
        let snapshots = names.iter().filter(|name| **name != own).filter_map(|name| Some((snapshot_offset(name)?, name)));
        let (kept, gone): (Vec<_>, Vec<_>) = snapshots.partition(|(found, _)| *found >= oldest_kept && *found != offset);
        let mut needed = BTreeSet::new();
        let mut need = |head: &SnapshotHead| {
            needed.extend(head.segments.iter().map(|segment| segment.name.clone()));
            needed.extend(head.runs.iter().map(|run| run.name.clone()));
        };
        need(saved);
        for (_, name) in kept {
            let bytes = self.get(name).await.map_err(|failure| failure.text)?;
            need(&decode(&bytes).map_err(|error| error.to_string())?.0);
        }
        let is_part = |name: &str| name.starts_with("segment-") || name.starts_with("run-");
        let unneeded = names.iter().filter(|name| is_part(name) && !needed.contains(*name));
        for name in gone.into_iter().map(|(_, name)| name).chain(unneeded) {
            let path = self.path(name);
            self.store.delete(&path).await.map_err(|error| format!("cannot remove {path}: {error}"))?;
        }
        Ok(())
    }
}

/// Of a snapshot's name.
fn snapshot_offset(name: &str) -> Option<i64> {
    name.strip_prefix("snapshot-")?.get(..20)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use object_store::local::LocalFileSystem;

    use super::*;
    use crate::identity_runs::tests::identity;
    use crate::io::SystemClock;
    use crate::stage::StageState;

    fn open(directory: &std::path::Path, handle: &Handle) -> ObjectSnapshots {
        let store = Arc::new(LocalFileSystem::new_with_prefix(directory).unwrap());
        let place = SnapshotPlace { stage: "meter".into(), topic: "in".into(), partition: 0, log_id: "c".into(), rules: "r".into() };
        ObjectSnapshots::new(store, place, Arc::new(SystemClock::default()), handle.clone())
    }

    fn save(store: &mut ObjectSnapshots, offset: i64) {
        begin(store, offset);
        await_saved(store, offset);
    }

    fn begin(store: &mut ObjectSnapshots, offset: i64) {
        let segment = Some(Segment { bytes: vec![offset as u8; 10], expires_day: 100, is_sealed: false });
        let state = StageState { body: offset.to_string().into_bytes(), segment, today: 5, horizon_days: 36 };
        store.save(ToSave { offset, is_final: false, state });
    }

    fn await_saved(store: &mut ObjectSnapshots, offset: i64) {
        loop {
            match store.saved() {
                Some(outcome) => break assert_eq!(outcome.unwrap().offset, offset),
                None => std::thread::yield_now(),
            }
        }
    }

    fn files(directory: &std::path::Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(directory.join("meter/in/0")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_whole_snapshot_comes_back_with_all_its_segments() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path(), runtime.handle());
        let holdings = store.load().unwrap();
        assert!(holdings.newest.is_none() && holdings.broken.is_empty());
        for offset in 1..=20 {
            save(&mut store, offset);
        }
        let names = files(directory.path());
        assert_eq!(names.iter().filter(|name| name.starts_with("snapshot")).count(), 2, "{names:?}");
        assert!(names.len() < 12, "{names:?}");
        let loaded = open(directory.path(), runtime.handle()).load().unwrap().newest.unwrap();
        assert_eq!((loaded.head.offset, loaded.body), (20, b"20".to_vec()));
        let all: Vec<u8> = (1..=20).flat_map(|offset| [offset; 10]).collect();
        assert_eq!(loaded.segments.concat(), all);
        // The newest is torn: the one before serves, and the damage is told.
        let newest = directory.path().join("meter/in/0").join(store.objects().snapshot_name(20));
        let bytes = std::fs::read(&newest).unwrap();
        std::fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
        let holdings = open(directory.path(), runtime.handle()).load().unwrap();
        assert_eq!(holdings.newest.unwrap().head.offset, 19);
        assert_eq!(holdings.broken.len(), 1);
    }

    #[test]
    fn a_save_waits_for_a_store_that_is_away_and_says_so() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path(), runtime.handle());
        // A file where the directory should be: the store fails as a full disk does.
        std::fs::write(directory.path().join("meter"), b"").unwrap();
        begin(&mut store, 7);
        while store.watch().get().trouble.is_none() {
            assert!(store.saved().is_none());
            std::thread::yield_now();
        }
        std::fs::remove_file(directory.path().join("meter")).unwrap();
        await_saved(&mut store, 7);
        let figures = store.watch().get();
        assert_eq!(figures.trouble, None);
        assert!(figures.last.unwrap().bytes > 10, "{figures:?}");
        assert_eq!(open(directory.path(), runtime.handle()).load().unwrap().newest.unwrap().head.offset, 7);
    }

    #[test]
    fn a_former_owner_that_lives_on_removes_nothing() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (mut former, mut latest) = (open(directory.path(), runtime.handle()), open(directory.path(), runtime.handle()));
        former.load().unwrap();
        for offset in 1..=5 {
            save(&mut former, offset);
        }
        latest.load().unwrap();
        save(&mut latest, 6);
        let before = files(directory.path());
        for offset in 6..=12 {
            save(&mut former, offset);
        }
        let after = files(directory.path());
        assert!(before.iter().all(|name| after.contains(name)), "{before:?} {after:?}");
        save(&mut latest, 13);
        assert_eq!(files(directory.path()).iter().filter(|name| name.starts_with("snapshot")).count(), 2, "the latest one does");
        assert_eq!(open(directory.path(), runtime.handle()).load().unwrap().newest.unwrap().head.offset, 13);
    }

    /// Found by the simulator: which identities are in which run does not follow from the log, so a zombie's snapshot of an offset is another one.
    #[test]
    fn a_former_owner_that_lives_on_writes_over_nothing() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (mut former, mut latest) = (open(directory.path(), runtime.handle()), open(directory.path(), runtime.handle()));
        former.load().unwrap();
        seal(&mut former, 10, 0..100);
        latest.load().unwrap();
        seal(&mut former, 15, 100..150);
        seal(&mut latest, 20, 100..200);
        seal(&mut latest, 30, 200..300);
        // Names a run that the latest owner had no use for.
        seal(&mut former, 30, 150..300);
        let loaded = open(directory.path(), runtime.handle()).load().unwrap().newest.unwrap();
        assert_eq!((loaded.head.offset, found(&loaded.runs, 0..1000)), (30, 300));
        // One more save, and there is one snapshot of that offset again.
        latest.load().unwrap();
        save(&mut latest, 30);
        let names = files(directory.path());
        assert_eq!(names.iter().filter(|name| snapshot_offset(name) == Some(30)).count(), 1, "{names:?}");
    }

    /// A final snapshot that was taken up again, maybe under other rules, is not final, whatever its owners are called.
    #[test]
    fn of_one_offset_the_snapshot_counts_that_is_not_final() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        for owners in [(1, 2), (2, 1)] {
            let directory = tempfile::tempdir().unwrap();
            let mut former = open(directory.path(), runtime.handle()).owned_by(owners.0);
            former.load().unwrap();
            let state = StageState { body: vec![7], segment: None, today: 0, horizon_days: 0 };
            former.save(ToSave { offset: 7, is_final: true, state });
            await_saved(&mut former, 7);
            let mut latest = open(directory.path(), runtime.handle()).owned_by(owners.1);
            let loaded = latest.load().unwrap().newest.unwrap();
            assert!(loaded.head.is_final);
            latest.reopen(&loaded).unwrap();
            assert!(!open(directory.path(), runtime.handle()).load().unwrap().newest.unwrap().head.is_final, "{owners:?}");
        }
    }

    #[test]
    fn a_missing_or_damaged_segment_makes_a_snapshot_unusable() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path(), runtime.handle());
        save(&mut store, 1);
        let segment = directory.path().join("meter/in/0").join(files(directory.path()).iter().find(|n| n.starts_with("segment")).unwrap());
        std::fs::write(&segment, [0; 10]).unwrap();
        let holdings = open(directory.path(), runtime.handle()).load().unwrap();
        assert_eq!((holdings.newest.is_none(), holdings.broken.len()), (true, 1));
        std::fs::remove_file(&segment).unwrap();
        assert!(open(directory.path(), runtime.handle()).load().unwrap().newest.is_none());
    }

    /// A snapshot that seals `identities`, and what its runs find of all up to `upto`.
    fn seal(store: &mut ObjectSnapshots, offset: i64, identities: std::ops::Range<u64>) -> Vec<IdentityRun> {
        let bytes = identities.flat_map(|number| identity(number, 5).to_bytes()).collect();
        let segment = Some(Segment { bytes, expires_day: 41, is_sealed: true });
        store.save(ToSave { offset, is_final: false, state: StageState { body: vec![1], segment, today: 5, horizon_days: 36 } });
        loop {
            match store.saved() {
                Some(outcome) => break outcome.unwrap().runs,
                None => std::thread::yield_now(),
            }
        }
    }

    fn found(runs: &[IdentityRun], numbers: std::ops::Range<u64>) -> usize {
        let is_found = |number: &u64| {
            let wanted = identity(*number, 5);
            runs.iter().any(|run| run.find(wanted.low, wanted.high, &mut 0).unwrap() == Some(wanted))
        };
        numbers.filter(is_found).count()
    }

    #[test]
    fn sealed_identities_become_runs_that_are_merged_and_come_back_without_being_read() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path(), runtime.handle());
        store.load().unwrap();
        save(&mut store, 1);
        for seal_number in 1..=9 {
            let runs = seal(&mut store, seal_number as i64 * 10, (seal_number - 1) * 100..seal_number * 100);
            // Four become one.
            assert_eq!(runs.len() as u64, seal_number / 4 + seal_number % 4);
            assert_eq!(found(&runs, 0..seal_number * 100), seal_number as usize * 100);
            assert_eq!(found(&runs, seal_number * 100..2000), 0);
        }
        save(&mut store, 91);
        let loaded = open(directory.path(), runtime.handle()).load().unwrap().newest.unwrap();
        assert_eq!(loaded.segments, [vec![91; 10]], "what was sealed is in no segment");
        assert_eq!(loaded.head.runs.iter().map(|run| run.entries).collect::<Vec<_>>(), [400, 400, 100]);
        assert_eq!(found(&loaded.runs, 0..1000), 900);
        let names = files(directory.path());
        assert_eq!(names.iter().filter(|name| name.starts_with("run-")).count(), 3, "what was merged is gone: {names:?}");

        std::fs::remove_file(directory.path().join("meter/in/0").join(&loaded.head.runs[1].name)).unwrap();
        let holdings = open(directory.path(), runtime.handle()).load().unwrap();
        assert!(holdings.newest.is_none() && holdings.broken[0].contains("run-"), "{holdings:?}");
    }
}
