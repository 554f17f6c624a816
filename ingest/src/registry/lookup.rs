//! Schemas by id, without ever blocking the asker.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cache::{Cache, Entry};
use super::client::{Registered, RegistryClient, RegistryError};
use super::options::RegistryOptions;
use crate::codec::{SchemaError, WriterSchema};

/// Ids that may wait for an answer; further ones are asked for later.
const MAX_ASKED: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How the registry is doing, for health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryState {
    /// It answered last time, or was not asked yet.
    Up,
    /// Messages wait for it.
    Silent {
        /// Since its first failure.
        since: Instant,
    },
    /// There is none.
    NotConfigured,
}

/// What a lookup gives.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Events can be read with it.
    Known(Arc<WriterSchema>),
    /// It is registered, but events cannot be read with it.
    Incompatible(SchemaError),
    /// The registry says that there is no such id.
    Unknown,
    /// Not answered yet, and why: ask again later.
    Waiting(String),
}

/// A handle on the registry; clones share one cache and one thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    shared: Arc<Mutex<Shared>>,
    questions: SyncSender<u32>,
}

#[derive(Debug)]
struct Shared {
    cache: Cache,
    silent: Option<(Instant, String)>,
}

impl SchemaRegistry {
    /// Starts the thread; asks nothing yet.
    ///
    /// # Errors
    /// [`RegistryError::Configuration`] when the options cannot work or no thread can be started.
    pub fn start(options: &RegistryOptions) -> Result<Self, RegistryError> {
        let client = RegistryClient::new(options)?;
        let cache = Cache::new(options.cache_entries, options.negative_for);
        let shared = Arc::new(Mutex::new(Shared { cache, silent: None }));
        let (questions, asked) = sync_channel(MAX_ASKED);
        let thread = LookupThread { client, shared: Arc::clone(&shared), asked, waiting: VecDeque::new(), max_pause: options.max_pause };
        thread::Builder::new()
            .name("schema-registry".into())
            .spawn(move || thread.run())
            .map_err(|error| RegistryError::Configuration(format!("cannot start a thread: {error}")))?;
        Ok(SchemaRegistry { shared, questions })
    }

    /// What is known about an id; asks the registry if nothing is. Returns at once.
    pub fn lookup(&self, id: u32) -> Lookup {
        let mut shared = lock(&self.shared);
        match shared.cache.get(id, Instant::now()) {
            Some(Entry::Known(schema)) => Lookup::Known(schema),
            Some(Entry::Incompatible(error)) => Lookup::Incompatible(error),
            Some(Entry::Unknown(_)) => Lookup::Unknown,
            Some(Entry::Asked) => Lookup::Waiting(shared.why_waiting()),
            None => {
                match self.questions.try_send(id) {
                    Ok(()) => shared.cache.put(id, Entry::Asked),
                    // Asked again with the next try.
                    Err(TrySendError::Full(_)) => {}
                    Err(TrySendError::Disconnected(_)) => {
                        shared.be_silent("the lookup thread has ended, which is a bug: restart".to_owned())
                    }
                }
                Lookup::Waiting(shared.why_waiting())
            }
        }
    }

    /// How the registry is doing.
    pub fn state(&self) -> RegistryState {
        match &lock(&self.shared).silent {
            None => RegistryState::Up,
            Some((since, _)) => RegistryState::Silent { since: *since },
        }
    }
}

impl Shared {
    fn be_silent(&mut self, why: String) {
        match &mut self.silent {
            Some((_, last)) => *last = why,
            None => {
                tracing::warn!(%why, "the schema registry is silent: messages whose schema is not known yet wait");
                self.silent = Some((Instant::now(), why));
            }
        }
    }

    fn why_waiting(&self) -> String {
        match &self.silent {
            None => "asking the schema registry".to_owned(),
            Some((_, why)) => why.clone(),
        }
    }
}

/// A panic elsewhere leaves the cache whole: every change to it is one insertion.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct LookupThread {
    client: RegistryClient,
    shared: Arc<Mutex<Shared>>,
    asked: Receiver<u32>,
    waiting: VecDeque<u32>,
    max_pause: Duration,
}

impl LookupThread {
    fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(id) = self.next() else { return };
            match self.client.schema(id) {
                Ok(answer) => {
                    self.waiting.pop_front();
                    self.answered(id, answer);
                    pause = FIRST_PAUSE;
                }
                Err(error) => {
                    self.failed(&error);
                    match self.asked.recv_timeout(pause) {
                        Ok(id) => self.take(id),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                    pause = (pause * 2).min(self.max_pause);
                }
            }
        }
    }

    /// The id to ask for; `None` when nobody is left to ask.
    fn next(&mut self) -> Option<u32> {
        if self.waiting.is_empty() {
            let id = self.asked.recv().ok()?;
            self.take(id);
        }
        loop {
            match self.asked.try_recv() {
                Ok(id) => self.take(id),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        self.waiting.front().copied()
    }

    fn take(&mut self, id: u32) {
        if self.waiting.len() < MAX_ASKED {
            self.waiting.push_back(id);
        } else {
            // Whoever needs it asks again.
            lock(&self.shared).cache.forget(id);
        }
    }

    fn answered(&self, id: u32, answer: Option<Registered>) {
        let entry = match answer.map(|registered| compile(&registered)) {
            None => Entry::Unknown(Instant::now()),
            Some(Ok(schema)) => Entry::Known(Arc::new(schema)),
            Some(Err(error)) => Entry::Incompatible(error),
        };
        let mut shared = lock(&self.shared);
        shared.cache.put(id, entry);
        if shared.silent.take().is_some() {
            tracing::info!("the schema registry answers again");
        }
    }

    fn failed(&self, error: &RegistryError) {
        lock(&self.shared).be_silent(error.to_string());
    }
}

fn compile(registered: &Registered) -> Result<WriterSchema, SchemaError> {
    let kind = registered.schema_type.as_deref().unwrap_or("AVRO");
    if kind != "AVRO" {
        return Err(SchemaError::Incompatible(format!("the schema's type is {kind}, expected AVRO")));
    }
    if registered.references.as_ref().is_some_and(|references| !references.is_empty()) {
        return Err(SchemaError::Incompatible("the schema refers to other subjects; register it as one whole".into()));
    }
    WriterSchema::parse(&registered.schema)
}
