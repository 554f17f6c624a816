//! The thread that keeps the engine open and stops statements.
//!
//! The library closes its engine with the last connection, so one connection stays open here between requests. The C interface
//! cannot stop a statement, but `KILL QUERY` from another connection can: this one.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use tracing::warn;

use crate::connection::Connection;
use crate::core::{MARK_PREFIX, Occupancy};
use crate::error::EngineError;
use crate::request::quoted;

/// What the keeper can be asked for.
enum Command {
    /// Stop the statements whose mark begins so.
    Stop(String),
    /// Close the engine; no statement runs any more.
    Close(SyncSender<()>),
}

/// Asks the keeper; the thread ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct Keeper {
    commands: Sender<Command>,
}

impl Keeper {
    /// Starts the thread with the connection it keeps.
    pub(crate) fn start(connection: Connection, occupancy: Arc<Occupancy>) -> Result<Self, EngineError> {
        let (commands, received) = channel();
        thread::Builder::new()
            .name("engine-keeper".to_owned())
            .spawn(move || {
                let closed = keep(connection, &received);
                drop(occupancy);
                // The one who asked may have given up waiting.
                closed.map(|closed| closed.send(()).ok());
            })
            .map_err(EngineError::Threads)?;
        Ok(Self { commands })
    }

    /// Stops one statement; without an answer, and without effect when it has ended.
    pub(crate) fn stop(&self, mark: &str) {
        self.send(Command::Stop(mark.to_owned()));
    }

    /// Stops every statement that came over HTTP.
    pub(crate) fn stop_all(&self) {
        self.send(Command::Stop(MARK_PREFIX.to_owned()));
    }

    /// Closes the engine; the receiver hears when the directory is free, or is disconnected if it was closed before.
    pub(crate) fn close(&self) -> Receiver<()> {
        let (closed, receiver) = sync_channel(1);
        self.send(Command::Close(closed));
        receiver
    }

    fn send(&self, command: Command) {
        // The keeper is gone only after `close`, when nothing is left to stop.
        self.commands.send(command).ok();
    }
}

/// Serves commands until asked to close; returns whom to tell.
fn keep(mut connection: Connection, commands: &Receiver<Command>) -> Option<SyncSender<()>> {
    while let Ok(command) = commands.recv() {
        match command {
            Command::Stop(mark) => {
                let condition = format!("startsWith(Settings['log_comment'], {})", quoted(&mark, '\''));
                let statement = format!("KILL QUERY WHERE {condition} ASYNC");
                if let Err(exception) = connection.query(statement.as_bytes(), "Null", &[]) {
                    warn!(%exception, "cannot stop a statement");
                }
            }
            Command::Close(closed) => return Some(closed),
        }
    }
    None
}
