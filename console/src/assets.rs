//! The page's files, carried by the program.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use xxhash_rust::xxh3::xxh3_64;

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name below `/assets/`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static [u8],
}

macro_rules! assets {
    ($($name:literal $media_type:literal),* $(,)?) => {
        /// All of them.
        pub const ASSETS: &[Asset] = &[$(Asset { name: $name, media_type: $media_type, content: include_bytes!(concat!("../assets/", $name)) }),*];
    };
}

assets! {
    "index.html" "text/html; charset=utf-8",
    "style.css" "text/css; charset=utf-8",
    "app.js" "text/javascript; charset=utf-8",
    "api.js" "text/javascript; charset=utf-8",
    "format.js" "text/javascript; charset=utf-8",
    "dom.js" "text/javascript; charset=utf-8",
    "chart.js" "text/javascript; charset=utf-8",
    "panels.js" "text/javascript; charset=utf-8",
    "spend.js" "text/javascript; charset=utf-8",
    "alerts.js" "text/javascript; charset=utf-8",
    "icon.svg" "image/svg+xml",
}

/// The description of the API.
pub const OPENAPI: Asset = Asset { name: "openapi.json", media_type: "application/json", content: include_bytes!("../openapi.json") };

/// The file of this name.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The file, or 304 when the browser has this very one.
pub(crate) fn answer(asset: &Asset, headers: &HeaderMap) -> Response<Body> {
    let mark = format!("\"{:016x}\"", xxh3_64(asset.content));
    let is_known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).is_some_and(|known| known.contains(&mark));
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(asset.content) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    // Asked anew each time, and then mostly answered with 304: a new program never meets old files.
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(mark) = HeaderValue::from_str(&mark) {
        own.insert(header::ETAG, mark);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_page_is_smaller_than_150_kb() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.content.len()).sum();
        assert!(bytes < 150_000, "{bytes}");
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let asset = find("index.html").unwrap();
        let first = answer(asset, &HeaderMap::new());
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!((first.status(), answer(asset, &headers).status()), (StatusCode::OK, StatusCode::NOT_MODIFIED));
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        assert_eq!(answer(asset, &headers).status(), StatusCode::OK);
    }
}
