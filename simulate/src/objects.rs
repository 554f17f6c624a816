//! An object store that may lose a process in the middle of a call.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart,
};

use crate::fault::Fault;
use crate::world::{ProcessId, Shared};

/// One process's way to the store that all share.
pub(crate) struct SimObjects {
    /// The store.
    pub(crate) store: Arc<InMemory>,
    /// The world.
    pub(crate) world: Shared,
    /// Whose it is.
    pub(crate) process: ProcessId,
}

impl fmt::Debug for SimObjects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "objects of process {}", self.process)
    }
}

impl fmt::Display for SimObjects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

fn away() -> object_store::Error {
    object_store::Error::Generic { store: "simulated", source: "away".into() }
}

fn fault(world: &Shared, process: ProcessId) -> Fault {
    let mut world = world.lock();
    let fault = world.call(process, true);
    if matches!(fault, Fault::CrashBefore | Fault::CrashWithin | Fault::CrashAfter) {
        world.kill(process);
    }
    fault
}

/// An object in parts, which is seen whole or not at all.
struct SimUpload {
    upload: Box<dyn MultipartUpload>,
    world: Shared,
    process: ProcessId,
}

impl fmt::Debug for SimUpload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "upload of process {}", self.process)
    }
}

#[async_trait]
impl MultipartUpload for SimUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match fault(&self.world, self.process) {
            Fault::None => self.upload.put_part(data),
            _ => Box::pin(async { Err(away()) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        tokio::task::yield_now().await;
        match fault(&self.world, self.process) {
            Fault::None => self.upload.complete().await,
            Fault::CrashAfter | Fault::LiesAboutFailure => {
                self.upload.complete().await?;
                Err(away())
            }
            Fault::CrashBefore | Fault::CrashWithin | Fault::Fails => Err(away()),
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

impl SimObjects {
    /// What happens to a call.
    fn fault(&self) -> Fault {
        fault(&self.world, self.process)
    }

    /// Not what is there already (a rename leaves the old or the new), and not the only snapshot: without any that can be read, a
    /// partition is refused until a person has looked at it, and rightly so.
    async fn may_tear(&self, location: &Path) -> bool {
        let Some((directory, _)) = location.as_ref().rsplit_once('/') else { return false };
        let directory = Path::from(directory);
        let names = self.store.list(Some(&directory)).map(|meta| meta.map(|meta| (meta.location, meta.size)));
        let names: Vec<(Path, u64)> = names.filter_map(|meta| async { meta.ok() }).collect().await;
        let is_new = names.iter().all(|(name, _)| name != location);
        let snapshots = names.iter().filter(|(name, _)| name.filename().is_some_and(|name| name.starts_with("snapshot-")));
        let mut whole = 0;
        for (name, _) in snapshots {
            let Ok(found) = self.store.get_opts(name, GetOptions::default()).await else { continue };
            whole += usize::from(found.bytes().await.is_ok_and(|bytes| runtime::snapshot::decode(&bytes).is_ok()));
        }
        is_new && whole > 0
    }

    /// Of a call that changes nothing.
    async fn read(&self) -> Result<()> {
        tokio::task::yield_now().await;
        if self.fault() == Fault::None { Ok(()) } else { Err(away()) }
    }
}

#[async_trait]
impl ObjectStore for SimObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        tokio::task::yield_now().await;
        let fault = self.fault();
        match fault {
            Fault::CrashBefore | Fault::Fails => return Err(away()),
            Fault::CrashWithin if !self.may_tear(location).await => return Err(away()),
            Fault::CrashWithin => {
                // As a directory without a sync before the rename would show it after a power failure.
                let whole: Vec<u8> = payload.iter().flat_map(|piece| piece.to_vec()).collect();
                let length = self.world.lock().dice.below(whole.len());
                self.store.put_opts(location, whole[..length].to_vec().into(), opts).await?;
                return Err(away());
            }
            Fault::None | Fault::CrashAfter | Fault::LiesAboutFailure => {}
        }
        let put = self.store.put_opts(location, payload, opts).await?;
        tokio::task::yield_now().await;
        if fault == Fault::None { Ok(put) } else { Err(away()) }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.store.put_multipart_opts(location, opts).await?;
        Ok(Box::new(SimUpload { upload, world: self.world.clone(), process: self.process }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read().await?;
        self.store.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.fault() {
            Fault::None | Fault::CrashAfter | Fault::LiesAboutFailure => self.store.delete_stream(locations),
            Fault::CrashBefore | Fault::CrashWithin | Fault::Fails => locations.map(|_| Err(away())).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read().await?;
        let mut listed = self.store.list_with_delimiter(prefix).await?;
        listed.objects = self.world.lock().show(prefix.map_or("", |prefix| prefix.as_ref()), listed.objects);
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
