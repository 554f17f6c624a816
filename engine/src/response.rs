//! Answers, as ClickHouse shapes them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use crate::connection::Counters;
use crate::core::Core;
use crate::exception::Exception;
use crate::execution::Event;
use crate::keeper::Keeper;
use crate::native_compression;
use crate::output_format::content_type;

/// How long a broken answer stays open after its exception was written, so that the exception leaves this machine first.
const EXCEPTION_FLUSH: Duration = Duration::from_millis(50);

/// What every answer to a statement carries in its headers.
pub(crate) struct AnswerHead {
    pub(crate) query_id: String,
    pub(crate) format: String,
    /// Marks an exception in the middle of the body.
    pub(crate) exception_tag: String,
}

/// A complete answer.
pub(crate) fn whole(core: &Core, head: &AnswerHead, body: Bytes, counters: Counters) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(body)));
    set_head(core, head, &mut response, counters);
    response
}

/// An answer that is still being made.
pub(crate) fn streamed(core: &Core, head: &AnswerHead, stream: EventStream) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Stream(Box::new(stream)));
    set_head(core, head, &mut response, Counters::default());
    set(&mut response, "x-clickhouse-exception-tag", &head.exception_tag);
    response
}

/// An exception instead of an answer.
pub(crate) fn failed(version: &str, query_id: Option<&str>, exception: &Exception) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from(exception.render(version)))));
    *response.status_mut() = exception.status();
    set(&mut response, CONTENT_TYPE.as_str(), "text/plain; charset=UTF-8");
    set(&mut response, "x-clickhouse-exception-code", &exception.code.to_string());
    if let Some(query_id) = query_id {
        set(&mut response, "x-clickhouse-query-id", query_id);
    }
    if exception.status() == StatusCode::SERVICE_UNAVAILABLE {
        set(&mut response, RETRY_AFTER.as_str(), "1");
    }
    response
}

/// A short text.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(text.into())));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE.as_str(), "text/html; charset=UTF-8");
    response
}

fn set_head(core: &Core, head: &AnswerHead, response: &mut Response<AnswerBody>, counters: Counters) {
    let summary = format!(
        "{{\"read_rows\":\"{}\",\"read_bytes\":\"{}\",\"written_rows\":\"{}\",\"written_bytes\":\"{}\",\
         \"total_rows_to_read\":\"0\",\"result_rows\":\"{}\",\"result_bytes\":\"0\",\"elapsed_ns\":\"0\"}}",
        counters.read_rows, counters.read_bytes, counters.written_rows, counters.written_bytes, counters.result_rows
    );
    set(response, CONTENT_TYPE.as_str(), content_type(&head.format));
    set(response, "x-clickhouse-server-display-name", "cost-rhythm-engine");
    set(response, "x-clickhouse-query-id", &head.query_id);
    set(response, "x-clickhouse-format", &head.format);
    set(response, "x-clickhouse-timezone", &core.timezone);
    set(response, "x-clickhouse-summary", &summary);
}

/// Sets a header; a value that cannot be one is left out.
fn set(response: &mut Response<AnswerBody>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// Stops a statement whose client has gone away.
pub(crate) struct StopWhenGone {
    keeper: Keeper,
    mark: Option<String>,
}

impl StopWhenGone {
    /// Watches the statement with this mark, if it is one to be stopped.
    pub(crate) fn new(keeper: Keeper, mark: Option<String>) -> Self {
        Self { keeper, mark }
    }

    /// The statement has ended by itself.
    pub(crate) fn ended(&mut self) {
        self.mark = None;
    }
}

impl Drop for StopWhenGone {
    fn drop(&mut self) {
        if let Some(mark) = &self.mark {
            self.keeper.stop(mark);
        }
    }
}

/// The body of an answer.
pub(crate) enum AnswerBody {
    /// Known to its end.
    Whole(Option<Bytes>),
    /// Comes from a running statement.
    Stream(Box<EventStream>),
}

/// The events of a running statement as a body.
pub(crate) struct EventStream {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) watch: StopWhenGone,
    pub(crate) exception_tag: String,
    pub(crate) version: String,
    pub(crate) compress: bool,
    /// Set once an exception was written: the connection breaks off when it is over.
    pub(crate) breaking: Option<Pin<Box<Sleep>>>,
}

/// The body ends here although the statement did not succeed; breaking off is how clients that do not know
/// the exception's frame notice.
#[derive(Debug, thiserror::Error)]
#[error("the statement failed in the middle of its answer")]
pub(crate) struct BrokenAnswer;

impl EventStream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenAnswer>>> {
        if let Some(breaking) = self.breaking.as_mut() {
            ready!(breaking.as_mut().poll(context));
            return Poll::Ready(Some(Err(BrokenAnswer)));
        }
        let event = ready!(self.events.poll_recv(context));
        Poll::Ready(match event {
            Some(Event::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Event::End) => {
                self.watch.ended();
                None
            }
            Some(Event::Failed(exception)) => {
                self.watch.ended();
                self.breaking = Some(Box::pin(sleep(EXCEPTION_FLUSH)));
                Some(Ok(Frame::data(self.exception_frame(&exception))))
            }
            // The statement's thread is gone, or spoke out of turn.
            Some(Event::Begin | Event::Whole(..)) | None => Some(Err(BrokenAnswer)),
        })
    }

    /// As `WriteBufferFromHTTPServerResponse.cpp` writes it since ClickHouse 25.11.
    fn exception_frame(&self, exception: &Exception) -> Bytes {
        let message = exception.render(&self.version);
        let tag = &self.exception_tag;
        let text = format!("\r\n__exception__\r\n{tag}\r\n{message}{} {tag}\r\n__exception__\r\n", message.len());
        if self.compress { Bytes::from(native_compression::compress(text.as_bytes())) } else { Bytes::from(text) }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenAnswer;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenAnswer>>> {
        match self.get_mut() {
            Self::Whole(body) => Poll::Ready(body.take().filter(|body| !body.is_empty()).map(|body| Ok(Frame::data(body)))),
            Self::Stream(stream) => stream.poll_next(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
