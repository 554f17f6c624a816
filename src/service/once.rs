//! Events on the topic of alerts that are made outside the stages. Who makes them may change at any moment and may die anywhere, so what is sent is decided
//! once, in the store of states:
//!
//! | step | object | after a crash behind it |
//! |---|---|---|
//! | make the event | | made again |
//! | keep it | `NAME.json`, written only if it is not there | these bytes are sent, by whoever comes next |
//! | send it, wait for the acknowledgement | | sent again: the same bytes under the same id |
//! | note that it was sent | `NAME.sent` | nothing is left to do |
//!
//! So a record may stand twice on the topic, but never with other bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode};
use runtime::io::Outbox;
use sinks::kafka::{OutTopics, Producer};
use tokio::runtime::Handle;

use crate::stages::event_record;

/// An event that is not acknowledged so long is sent again later.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// What an event is called in the store, such as `reports/ID`.
pub(super) struct Name(pub(super) String);

impl Name {
    fn event(&self) -> Path {
        Path::from(format!("{}.json", self.0))
    }

    fn mark(&self) -> Path {
        Path::from(format!("{}.sent", self.0))
    }
}

/// Keeps, sends and notes.
pub(super) struct Once {
    /// Where events are kept.
    pub(super) store: Arc<dyn ObjectStore>,
    /// Sends them.
    pub(super) producer: Producer,
    /// Names of topics.
    pub(super) topics: OutTopics,
    /// For I/O.
    pub(super) handle: Handle,
    /// Nothing is waited for any more.
    pub(super) stop: Arc<AtomicBool>,
}

impl Once {
    /// Was it sent?
    pub(super) fn is_sent(&self, name: &Name) -> anyhow::Result<bool> {
        let mark = name.mark();
        match self.handle.block_on(self.store.head(&mark)) {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(anyhow!("{mark} cannot be looked up in state.url: {error}")),
        }
    }

    /// Sends what is kept under the name, and else what `make` makes, and gives it back; what `mark` makes of it stands in the store when it was sent.
    pub(super) fn send(
        &self,
        name: &Name,
        kafka_key: String,
        mark: impl FnOnce(&[u8]) -> anyhow::Result<Vec<u8>>,
        make: impl FnOnce() -> anyhow::Result<Vec<u8>>,
    ) -> anyhow::Result<Vec<u8>> {
        let bytes = match self.load(&name.event())? {
            Some(bytes) => bytes,
            None => self.keep(&name.event(), make()?)?,
        };
        self.produce(kafka_key, bytes.clone())?;
        self.keep(&name.mark(), mark(&bytes)?)?;
        Ok(bytes)
    }

    /// The marks in a folder, by name; objects with names before `drop_before` are removed.
    pub(super) fn marks(&self, folder: &str, drop_before: &str) -> anyhow::Result<Vec<(Path, Vec<u8>)>> {
        let listed = self.handle.block_on(self.store.list(Some(&Path::from(folder))).try_collect::<Vec<_>>());
        let listed = listed.with_context(|| format!("{folder} cannot be listed in state.url"))?;
        let (old, mut kept): (Vec<Path>, Vec<Path>) =
            listed.into_iter().map(|object| object.location).partition(|path| path.filename().is_some_and(|name| name < drop_before));
        for path in old {
            match self.handle.block_on(self.store.delete(&path)) {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => bail!("{path} cannot be removed from state.url: {error}"),
            }
        }
        kept.sort();
        let mut marks = Vec::new();
        for path in kept.into_iter().filter(|path| path.extension() == Some("sent")) {
            if let Some(mark) = self.load(&path)? {
                marks.push((path, mark));
            }
        }
        Ok(marks)
    }

    fn produce(&self, kafka_key: String, payload: Vec<u8>) -> anyhow::Result<()> {
        // One outbox for each: after a failure an outbox sends nothing more.
        let mut outbox = self.producer.outbox(self.topics.clone());
        outbox.send(event_record(kafka_key, payload)).map_err(|_| anyhow!("the producer's queue is full"))?;
        let begun = Instant::now();
        while outbox.acknowledged()? == 0 {
            if begun.elapsed() > ACKNOWLEDGED_WITHIN || self.stop.load(Ordering::SeqCst) {
                bail!("no broker has acknowledged it");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// What stands there after that: these bytes, or those of whoever was first.
    fn keep(&self, path: &Path, bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let put = self.store.put_opts(path, bytes.clone().into(), PutMode::Create.into());
        match self.handle.block_on(put) {
            Ok(_) => Ok(bytes),
            Err(StoreError::AlreadyExists { .. }) => self.load(path)?.with_context(|| format!("{path} in state.url came and went")),
            Err(error) => Err(anyhow!("{path} cannot be written to state.url: {error}")),
        }
    }

    fn load(&self, path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
        let loaded = self.handle.block_on(async { self.store.get(path).await?.bytes().await });
        match loaded {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(anyhow!("{path} cannot be read from state.url: {error}")),
        }
    }
}
