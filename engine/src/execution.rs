//! Running one statement, on a thread and a connection of its own.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::admission::Place;
use crate::body::Piece;
use crate::connection::{Connection, Counters, ResultBlock};
use crate::core::{Core, Occupancy};
use crate::exception::{Exception, code};
use crate::native_compression;
use crate::native_revision;
use crate::output_format::Assembly;
use crate::request::QueryRequest;

/// Uncompressed bytes of one LZ4 block of a response.
const COMPRESSED_PIECE_BYTES: usize = 1024 * 1024;

/// What the HTTP side hears from the thread, in this order: one `Whole`, or a `Begin` with any number of `Data` and an `End`;
/// and `Failed` at any point instead of what would follow.
pub(crate) enum Event {
    /// The complete answer.
    Whole(Bytes, Counters),
    /// The answer begins, its length unknown.
    Begin,
    /// More of it.
    Data(Bytes),
    /// It is complete.
    End,
    /// There is no answer, or no more of it.
    Failed(Exception),
}

/// How the statement goes into the engine.
pub(crate) enum Work {
    /// Data comes in pieces.
    Insert {
        /// Its format.
        format: String,
        /// Where it comes from.
        pieces: mpsc::Receiver<Piece>,
    },
    /// The result goes out in blocks, or in one piece.
    Query {
        /// The result's format.
        format: String,
        /// How blocks are put together.
        assembly: Assembly,
    },
}

/// One statement, ready to run.
pub(crate) struct Job {
    pub(crate) core: Arc<Core>,
    pub(crate) request: QueryRequest,
    /// The text, for an `INSERT` without its format and data.
    pub(crate) text: Bytes,
    pub(crate) work: Work,
    /// Whether the result's format is `Native`, which has revisions.
    pub(crate) is_native: bool,
    pub(crate) mark: String,
    pub(crate) events: mpsc::Sender<Event>,
    /// The I/O runtime, to wait with a deadline for a client that reads slowly.
    pub(crate) runtime: Handle,
    pub(crate) place: Place,
    pub(crate) occupancy: Arc<Occupancy>,
}

/// The client stopped listening.
struct Gone;

/// Why a statement ended without its answer.
enum Ended {
    Failed(Exception),
    Unheard,
}

impl From<Exception> for Ended {
    fn from(exception: Exception) -> Self {
        Self::Failed(exception)
    }
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Self::Unheard
    }
}

impl Job {
    /// Runs the statement to its end; the connection is closed and the place free when this returns.
    pub(crate) fn run(mut self) {
        let outcome = self.execute();
        if let Err(Ended::Failed(exception)) = outcome {
            self.send(Event::Failed(exception)).ok();
        }
        // In this order: the place tells a shutdown that the directory is free.
        drop(self.occupancy);
        drop(self.place);
    }

    fn execute(&mut self) -> Result<(), Ended> {
        let mut connection = self.connect()?;
        let work = std::mem::replace(&mut self.work, Work::Query { format: String::new(), assembly: Assembly::Whole });
        match work {
            Work::Insert { format, pieces } => self.insert(&mut connection, &format, pieces),
            Work::Query { format, assembly: Assembly::Whole } => self.answer_whole(&mut connection, &format),
            Work::Query { format, assembly } => {
                if self.answer_in_blocks(&mut connection, &format, assembly)? {
                    return Ok(());
                }
                self.answer_whole(&mut connection, &format)
            }
        }
    }

    /// A connection with this request's settings and database, which end with it.
    fn connect(&self) -> Result<Connection, Exception> {
        let mut extra = Vec::new();
        if matches!(self.work, Work::Query { assembly: Assembly::Whole, .. }) {
            extra.push(format!("--max_result_bytes={}", self.core.limits.max_buffered_result_bytes));
        }
        let mut request = self.request.clone();
        let comment = request.settings.iter_mut().rfind(|(name, _)| name == "log_comment");
        match comment {
            Some((_, comment)) => *comment = format!("{} {comment}", self.mark),
            None => extra.push(format!("--log_comment={}", self.mark)),
        }
        let mut connection = self.core.connect(&extra).map_err(|error| Exception::from_engine(&error.to_string()))?;
        let preparations = [request.settings_statement(), request.database_statement()];
        for statement in preparations.into_iter().flatten() {
            connection.query(statement.as_bytes(), "Null", &[])?;
        }
        Ok(connection)
    }

    fn insert(&self, connection: &mut Connection, format: &str, mut pieces: mpsc::Receiver<Piece>) -> Result<(), Ended> {
        let mut stream = connection.insert(&self.text, format, &self.request.parameters)?;
        loop {
            let piece = self.receive(&mut pieces);
            match piece {
                Some(Piece::Data(data)) if stream.append(&data) => {}
                // The engine gave up; finishing says why.
                Some(Piece::Data(_)) | Some(Piece::End) => break,
                Some(Piece::Failed(exception)) => {
                    stream.cancel();
                    return Err(Ended::Failed(exception));
                }
                None => {
                    stream.cancel();
                    return Err(Ended::Failed(stopped()));
                }
            }
        }
        drop(pieces);
        let counters = stream.finish()?;
        self.send(Event::Whole(Bytes::new(), counters))?;
        Ok(())
    }

    fn answer_whole(&self, connection: &mut Connection, format: &str) -> Result<(), Ended> {
        let block = connection.query(&self.text, format, &self.request.parameters)?;
        let counters = block.counters();
        self.check_buffered(block.bytes().len())?;
        self.send(Event::Whole(self.wire(block, 0)?, counters))?;
        Ok(())
    }

    /// Streams the result; false when the engine cannot stream this statement and has not run it.
    fn answer_in_blocks(&self, connection: &mut Connection, format: &str, assembly: Assembly) -> Result<bool, Ended> {
        let mut stream = match connection.stream(&self.text, format, &self.request.parameters) {
            Err(exception) if is_not_streamable(&exception) => return Ok(false),
            started => started?,
        };
        let Some(first) = stream.next()? else {
            self.send(Event::Whole(Bytes::new(), Counters::default()))?;
            return Ok(true);
        };
        let mut counters = first.counters();
        let mut waiting: Option<Vec<u8>> = self.request.wait_end_of_query.then(Vec::new);
        let mut bytes = self.wire(first, 0)?;
        if waiting.is_none() {
            self.send(Event::Begin)?;
        }
        loop {
            match waiting.as_mut() {
                None => self.send(Event::Data(bytes))?,
                Some(whole) => {
                    self.check_buffered(whole.len() + bytes.len())?;
                    whole.extend_from_slice(&bytes);
                }
            }
            if self.is_stopping() {
                return Err(Ended::Failed(stopped()));
            }
            let Some(block) = stream.next()? else { break };
            counters = counters.plus(block.counters());
            let cut = assembly
                .repeated_header_length(block.bytes())
                .ok_or_else(|| Exception::new(code::UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", "a block of the result has no header"))?;
            bytes = self.wire(block, cut)?;
        }
        match waiting {
            None => self.send(Event::End)?,
            Some(whole) => self.send(Event::Whole(Bytes::from(whole), counters))?,
        }
        Ok(true)
    }

    /// A block's bytes from `cut` on, in the revision and compression the client asked for.
    fn wire(&self, block: ResultBlock, cut: usize) -> Result<Bytes, Exception> {
        let bytes = if self.is_native && self.request.native_revision > 0 {
            Bytes::from(native_revision::rewrite(block.bytes(), self.request.native_revision)?)
        } else {
            Bytes::from_owner(block).slice(cut..)
        };
        if self.request.compress {
            return Ok(bytes.chunks(COMPRESSED_PIECE_BYTES).flat_map(native_compression::compress).collect());
        }
        Ok(bytes)
    }

    fn check_buffered(&self, bytes: usize) -> Result<(), Exception> {
        let limit = self.core.limits.max_buffered_result_bytes;
        if bytes as u64 <= limit {
            return Ok(());
        }
        Err(Exception::new(
            code::TOO_MANY_ROWS_OR_BYTES,
            "TOO_MANY_ROWS_OR_BYTES",
            format_args!(
                "the result has more than {limit} bytes, the limit of answers that cannot be streamed; ask for a row format such as RowBinary, TSV or JSONEachRow"
            ),
        ))
    }

    fn is_stopping(&self) -> bool {
        *self.core.stopping.borrow()
    }

    /// The next piece of the data, unless the engine stops first.
    fn receive(&self, pieces: &mut mpsc::Receiver<Piece>) -> Option<Piece> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.core.stopped() => Some(Piece::Failed(stopped())),
                piece = pieces.recv() => piece,
            }
        })
    }

    /// Tells the HTTP side, unless the client does not read or the engine stops while it does not.
    fn send(&self, event: Event) -> Result<(), Gone> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                sent = timeout(self.core.limits.idle_timeout, self.events.send(event)) => match sent {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) | Err(_) => Err(Gone),
                },
                () = self.core.stopped() => Err(Gone),
            }
        })
    }
}

fn is_not_streamable(exception: &Exception) -> bool {
    exception.code == code::BAD_ARGUMENTS && exception.message.contains("Streaming query is not supported")
}

fn stopped() -> Exception {
    Exception::new(code::QUERY_WAS_CANCELLED, "QUERY_WAS_CANCELLED", "the engine is shutting down")
}
