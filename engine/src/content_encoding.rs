//! Request bodies that come compressed: `Content-Encoding`, or ClickHouse's `decompress=1`.

use std::io::Write;

use flate2::write::{GzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

use crate::exception::{Exception, code};
use crate::native_compression;

/// Turns a body's bytes, piece by piece, into what was compressed.
pub(crate) enum Decoder {
    /// Nothing to do.
    Identity,
    /// `gzip`.
    Gzip(GzDecoder<Vec<u8>>),
    /// `deflate`, which means zlib.
    Deflate(ZlibDecoder<Vec<u8>>),
    /// `zstd`.
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
    /// `decompress=1`.
    Native(Vec<u8>),
}

impl Decoder {
    /// The decoder a request asks for.
    ///
    /// # Errors
    /// Code 779 for an encoding that is not read here.
    pub(crate) fn of(headers: &HeaderMap, native: bool) -> Result<Self, Exception> {
        if native {
            return Ok(Self::Native(Vec::new()));
        }
        let encoding = headers.get(CONTENT_ENCODING).map_or("identity", |value| value.to_str().unwrap_or("?"));
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip(GzDecoder::new(Vec::new()))),
            "deflate" => Ok(Self::Deflate(ZlibDecoder::new(Vec::new()))),
            "zstd" => zstd::stream::write::Decoder::new(Vec::new()).map(Self::Zstd).map_err(|error| broken(&error)),
            other => Err(Exception::new(
                code::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                format_args!("Content-Encoding {other} is not read here: use gzip, deflate, zstd or none"),
            )),
        }
    }

    /// Whether bytes pass unchanged, so that the caller can keep them as they are.
    pub(crate) fn is_identity(&self) -> bool {
        matches!(self, Self::Identity)
    }

    /// Takes a piece of the body and returns what it uncovers.
    pub(crate) fn decode(&mut self, piece: &[u8]) -> Result<Vec<u8>, Exception> {
        match self {
            Self::Identity => Ok(piece.to_vec()),
            Self::Gzip(decoder) => {
                decoder.write_all(piece).map_err(|error| broken(&error))?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Deflate(decoder) => {
                decoder.write_all(piece).map_err(|error| broken(&error))?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Zstd(decoder) => {
                decoder.write_all(piece).map_err(|error| broken(&error))?;
                Ok(std::mem::take(decoder.get_mut()))
            }
            Self::Native(buffer) => {
                buffer.extend_from_slice(piece);
                let mut content = Vec::new();
                while let Some(block) = native_compression::take_block(buffer)? {
                    content.extend_from_slice(&block);
                }
                Ok(content)
            }
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// Code 271 when the body ended within a compressed piece.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Exception> {
        match self {
            Self::Identity => Ok(Vec::new()),
            Self::Gzip(decoder) => decoder.finish().map_err(|error| broken(&error)),
            Self::Deflate(decoder) => decoder.finish().map_err(|error| broken(&error)),
            Self::Zstd(mut decoder) => {
                decoder.flush().map_err(|error| broken(&error))?;
                Ok(decoder.into_inner())
            }
            Self::Native(buffer) if buffer.is_empty() => Ok(buffer),
            Self::Native(_) => Err(broken(&"it ends within a block")),
        }
    }
}

fn broken(reason: &dyn std::fmt::Display) -> Exception {
    Exception::new(code::CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", format_args!("Cannot decompress the body: {reason}"))
}
