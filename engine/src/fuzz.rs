//! What reads requests, for `fuzz/`.

use hyper::{HeaderMap, Method};

use crate::native_compression::take_block;
use crate::request::QueryRequest;
use crate::statement::Statement;
use crate::{multipart, tokens};

/// An address's query part up to the first newline, and a body behind it.
pub fn front(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (query, body) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    if let Ok(query) = std::str::from_utf8(query)
        && let Ok(request) = QueryRequest::read(&Method::POST, query, &HeaderMap::new())
    {
        request.settings_statement();
        request.database_statement();
    }
    tokens::Tokens::new(body).for_each(drop);
    drop(Statement::read(body));
    drop(multipart::fields(body, "boundary"));
    let mut blocks = body.to_vec();
    while let Ok(Some(block)) = take_block(&mut blocks) {
        drop(block);
    }
}
