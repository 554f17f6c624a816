//! ClickHouse's HTTP protocol: from a request to the thread of its statement, and back to an answer.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::thread;

use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::auth;
use crate::body::BodyReader;
use crate::content_encoding::Decoder;
use crate::core::Core;
use crate::exception::{Exception, code};
use crate::execution::{Event, Job, Work};
use crate::keeper::Keeper;
use crate::multipart;
use crate::output_format::Assembly;
use crate::request::QueryRequest;
use crate::response::{self, AnswerBody, AnswerHead, EventStream, StopWhenGone};
use crate::statement::Statement;

/// Pieces of a body, or of an answer, that wait between a connection and its statement.
const QUEUED_PIECES: usize = 4;

/// Answers requests; one for all connections.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) core: Arc<Core>,
    pub(crate) keeper: Keeper,
}

impl Front {
    /// Answers one request, whatever it is.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
            return response::text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and POST are understood here\n");
        }
        match request.uri().path() {
            "/ping" | "/replicas_status" => response::text(StatusCode::OK, "Ok.\n"),
            "/" => self.answer_query(request).await,
            path => response::text(StatusCode::NOT_FOUND, format!("There is no handle {path}\n")),
        }
    }

    async fn answer_query(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let mut query_id = None;
        match self.try_answer(request, &mut query_id).await {
            Ok(response) => response,
            Err(exception) => response::failed(&self.core.version, query_id.as_deref(), &exception),
        }
    }

    async fn try_answer(&self, request: Request<Incoming>, known_id: &mut Option<String>) -> Result<Response<AnswerBody>, Exception> {
        let (parts, body) = request.into_parts();
        let address_query = parts.uri.query().unwrap_or_default();
        let mut asked = QueryRequest::read(&parts.method, address_query, &parts.headers)?;
        auth::check(self.core.credentials.as_ref(), &parts.headers, asked.user.as_deref(), asked.password.as_deref())?;
        let query_id = asked.query_id.clone().unwrap_or_else(random_id);
        *known_id = Some(query_id.clone());

        let decoder = Decoder::of(&parts.headers, asked.decompress)?;
        let mut reader = BodyReader::new(body, decoder, &self.core.limits)?;
        if let Some(boundary) = multipart::boundary(&parts.headers) {
            let mut form = BytesMut::new();
            let limit = self.core.limits.max_statement_bytes;
            if !reader.read_into(&mut form, limit).await? {
                return Err(too_long(limit));
            }
            for (name, value) in multipart::fields(&form, &boundary)? {
                asked.take_field(&name, value)?;
            }
        }
        let Some(prepared) = self.prepare(&asked, reader).await? else {
            return Ok(response::text(StatusCode::OK, "Ok.\n"));
        };
        let head = AnswerHead { query_id, format: prepared.format.clone(), exception_tag: random_id()[..16].to_owned() };
        self.run(asked, prepared, head).await
    }

    /// Reads as much of the body as it takes to know the statement; `None` when there is none.
    async fn prepare(&self, asked: &QueryRequest, mut reader: BodyReader) -> Result<Option<Prepared>, Exception> {
        let limit = self.core.limits.max_statement_bytes;
        let mut text = BytesMut::from(asked.query.as_bytes());
        if !text.is_empty() {
            text.extend_from_slice(b"\n");
        }
        let is_insert = |statement: &Result<Statement, Exception>| matches!(statement, Ok(Statement::Insert { .. }));
        let mut statement = Statement::read(&text);
        if !is_insert(&statement) {
            let is_complete = reader.read_into(&mut text, limit).await?;
            statement = Statement::read(&text);
            if (!is_complete || text.len() > limit) && !is_insert(&statement) {
                return Err(too_long(limit));
            }
        }
        let mut text = text.freeze();
        match statement? {
            Statement::Empty if asked.is_read_only => Ok(None),
            Statement::Empty => Err(Exception::new(code::SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error: Empty query")),
            Statement::Insert { head, format, data } => {
                let first = text.split_off(data);
                text.truncate(head);
                let (sender, pieces) = mpsc::channel(QUEUED_PIECES);
                tokio::spawn(reader.pump(first, sender));
                let work = Work::Insert { format, pieces };
                Ok(Some(Prepared { text, work, format: asked.default_format.clone(), stop_when_gone: false }))
            }
            Statement::Plain { streamable, format } => {
                let format = format.unwrap_or_else(|| asked.default_format.clone());
                let assembly = if streamable { Assembly::of(&format) } else { Assembly::Whole };
                let work = Work::Query { format: asked.default_format.clone(), assembly };
                Ok(Some(Prepared { text, work, format, stop_when_gone: streamable }))
            }
        }
    }

    /// Waits for a place, starts the statement's thread, and answers with its first event.
    async fn run(&self, asked: QueryRequest, prepared: Prepared, head: AnswerHead) -> Result<Response<AnswerBody>, Exception> {
        let core = &self.core;
        let place = core.admission.place().await?;
        let occupancy = core.occupancy().ok_or_else(|| unexpected("the engine is shutting down"))?;
        let (events, mut received) = mpsc::channel(QUEUED_PIECES);
        let mark = core.new_mark();
        let mut watch = StopWhenGone::new(self.keeper.clone(), prepared.stop_when_gone.then(|| mark.clone()));
        let compress = asked.compress;
        let job = Job {
            core: Arc::clone(core),
            request: asked,
            text: prepared.text,
            work: prepared.work,
            is_native: head.format.eq_ignore_ascii_case("Native"),
            mark,
            events,
            runtime: Handle::current(),
            place,
            occupancy,
        };
        thread::Builder::new()
            .name("engine-query".to_owned())
            .spawn(move || job.run())
            .map_err(|error| unexpected(&format!("cannot start a thread: {error}")))?;
        match received.recv().await {
            Some(Event::Whole(body, counters)) => {
                watch.ended();
                Ok(response::whole(core, &head, body, counters))
            }
            Some(Event::Begin) => {
                let exception_tag = head.exception_tag.clone();
                let version = core.version.clone();
                let stream = EventStream { events: received, watch, exception_tag, version, compress, breaking: None };
                Ok(response::streamed(core, &head, stream))
            }
            Some(Event::Failed(exception)) => {
                watch.ended();
                Err(exception)
            }
            Some(Event::Data(_) | Event::End) | None => Err(unexpected("the statement ended without an answer")),
        }
    }
}

/// A statement that is ready to run.
struct Prepared {
    text: Bytes,
    work: Work,
    /// The format to name in the answer's headers.
    format: String,
    /// Whether nobody needs the statement once its client is gone.
    stop_when_gone: bool,
}

fn too_long(limit: usize) -> Exception {
    let text = format_args!("the statement is longer than {limit} bytes, the limit");
    Exception::new(code::QUERY_IS_TOO_LARGE, "QUERY_IS_TOO_LARGE", text)
}

fn unexpected(text: &str) -> Exception {
    Exception::new(code::UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", text)
}

/// Sixteen random bytes written as a UUID, from the randomness that hash maps are seeded with.
fn random_id() -> String {
    let number = || RandomState::new().build_hasher().finish();
    let digits = format!("{:016x}{:016x}", number(), number());
    format!("{}-{}-4{}-a{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use super::random_id;

    #[test]
    fn ids_look_like_uuids_and_differ() {
        assert_eq!(random_id().len(), 36);
        assert_ne!(random_id(), random_id());
    }
}
