//! A request's body: bounded, decompressed, and never waited for without end.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::content_encoding::Decoder;
use crate::exception::{Exception, code};
use crate::options::Limits;

/// What the thread of an `INSERT` receives.
#[derive(Debug)]
pub(crate) enum Piece {
    /// More of the data.
    Data(Bytes),
    /// The client sent all of it.
    End,
    /// It did not.
    Failed(Exception),
}

/// Reads a body once.
pub(crate) struct BodyReader {
    body: Incoming,
    decoder: Option<Decoder>,
    sent_bytes: u64,
    decoded_bytes: u64,
    limits: Limits,
}

impl BodyReader {
    /// # Errors
    /// Code 229 when the body announces more than is allowed.
    pub(crate) fn new(body: Incoming, decoder: Decoder, limits: &Limits) -> Result<Self, Exception> {
        if body.size_hint().lower() > limits.max_body_bytes {
            return Err(too_large(limits.max_body_bytes));
        }
        Ok(Self { body, decoder: Some(decoder), sent_bytes: 0, decoded_bytes: 0, limits: limits.clone() })
    }

    /// The next piece, or `None` when the body ended properly.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Exception> {
        loop {
            if self.decoder.is_none() {
                return Ok(None);
            }
            let frame = timeout(self.limits.idle_timeout, self.body.frame()).await.map_err(|_| self.silent())?;
            let decoded = match frame {
                None => match self.decoder.take() {
                    Some(decoder) => Bytes::from(decoder.finish()?),
                    None => Bytes::new(),
                },
                Some(Err(error)) => return Err(broken(&error)),
                Some(Ok(frame)) => {
                    let Ok(sent) = frame.into_data() else { continue };
                    self.sent_bytes += sent.len() as u64;
                    if self.sent_bytes > self.limits.max_body_bytes {
                        return Err(too_large(self.limits.max_body_bytes));
                    }
                    match self.decoder.as_mut().filter(|decoder| !decoder.is_identity()) {
                        Some(decoder) => Bytes::from(decoder.decode(&sent)?),
                        None => sent,
                    }
                }
            };
            self.decoded_bytes += decoded.len() as u64;
            if self.decoded_bytes > self.limits.max_body_bytes {
                return Err(too_large(self.limits.max_body_bytes));
            }
            if !decoded.is_empty() {
                return Ok(Some(decoded));
            }
        }
    }

    /// Appends the body to `text` until it ends or `text` is beyond `limit`; tells whether it ended.
    pub(crate) async fn read_into(&mut self, text: &mut BytesMut, limit: usize) -> Result<bool, Exception> {
        while text.len() <= limit {
            match self.next().await? {
                Some(piece) => text.extend_from_slice(&piece),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Hands the rest over, after `first`. When nobody listens any more, the rest is still read, so that a client in the
    /// middle of sending can receive its error.
    pub(crate) async fn pump(mut self, first: Bytes, pieces: mpsc::Sender<Piece>) {
        if !first.is_empty() && pieces.send(Piece::Data(first)).await.is_err() {
            return self.drain().await;
        }
        loop {
            let piece = match self.next().await {
                Ok(Some(data)) => Piece::Data(data),
                Ok(None) => Piece::End,
                Err(exception) => Piece::Failed(exception),
            };
            let is_last = !matches!(piece, Piece::Data(_));
            if pieces.send(piece).await.is_err() && !is_last {
                return self.drain().await;
            }
            if is_last {
                return;
            }
        }
    }

    async fn drain(mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }

    fn silent(&self) -> Exception {
        let idle = self.limits.idle_timeout;
        Exception::new(code::SOCKET_TIMEOUT, "SOCKET_TIMEOUT", format_args!("the body paused for more than {idle:?}"))
    }
}

fn too_large(limit: u64) -> Exception {
    Exception::new(code::QUERY_IS_TOO_LARGE, "QUERY_IS_TOO_LARGE", format_args!("the body is larger than {limit} bytes, the limit"))
}

fn broken(error: &hyper::Error) -> Exception {
    Exception::new(code::NETWORK_ERROR, "NETWORK_ERROR", format_args!("the body did not arrive whole: {error}"))
}
