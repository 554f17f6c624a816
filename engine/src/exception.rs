//! Exceptions as ClickHouse words them, and the HTTP status each is answered with.

use hyper::StatusCode;

/// Codes of `src/Common/ErrorCodes.cpp` that this crate raises itself.
pub(crate) mod code {
    /// The request or a value in it makes no sense.
    pub(crate) const BAD_ARGUMENTS: i32 = 36;
    /// Not supported by the engine's front.
    pub(crate) const NOT_IMPLEMENTED: i32 = 48;
    /// The statement does not parse.
    pub(crate) const SYNTAX_ERROR: i32 = 62;
    /// A compressed body that cannot be read.
    pub(crate) const CANNOT_DECOMPRESS: i32 = 271;
    /// A compression or kind of body nobody here reads.
    pub(crate) const UNSUPPORTED_MEDIA_TYPE: i32 = 779;
    /// No place for another statement.
    pub(crate) const TOO_MANY_SIMULTANEOUS_QUERIES: i32 = 202;
    /// The client went silent.
    pub(crate) const SOCKET_TIMEOUT: i32 = 209;
    /// The connection broke inside a body.
    pub(crate) const NETWORK_ERROR: i32 = 210;
    /// Files are not for clients of the front.
    pub(crate) const INTO_OUTFILE_NOT_ALLOWED: i32 = 358;
    /// The statement was stopped.
    pub(crate) const QUERY_WAS_CANCELLED: i32 = 394;
    /// The statement's text or the body is too long.
    pub(crate) const QUERY_IS_TOO_LARGE: i32 = 229;
    /// A result beyond its bound.
    pub(crate) const TOO_MANY_ROWS_OR_BYTES: i32 = 396;
    /// Wrong user or password.
    pub(crate) const AUTHENTICATION_FAILED: i32 = 516;
    /// A request from another site's page.
    pub(crate) const ACCESS_DENIED: i32 = 497;
    /// Not one of ClickHouse's exceptions.
    pub(crate) const UNKNOWN_EXCEPTION: i32 = 1002;
}

/// One exception: what a client gets instead of, or after, its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Exception {
    /// ClickHouse's number of it.
    pub(crate) code: i32,
    /// The whole text, beginning with `Code: N. DB::Exception: `.
    pub(crate) message: String,
}

impl Exception {
    /// An exception raised by the front.
    pub(crate) fn new(code: i32, name: &str, text: impl std::fmt::Display) -> Self {
        Self { code, message: format!("Code: {code}. DB::Exception: {text}. ({name})") }
    }

    /// An exception raised by the engine. Some of its texts carry a version and some do not; the front adds it to all.
    pub(crate) fn from_engine(text: &str) -> Self {
        let text = text.trim();
        let text = match text.rfind(" (version ") {
            Some(end) => &text[..end],
            None => text,
        };
        let digits = text.strip_prefix("Code: ").and_then(|rest| rest.split('.').next());
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(code) => Self { code, message: text.to_owned() },
            None => Self::new(code::UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", text),
        }
    }

    /// What stands in the body, as a server would write it.
    pub(crate) fn render(&self, version: &str) -> String {
        format!("{} (version {version} (embedded build))\n", self.message)
    }

    /// The status as in ClickHouse's `exceptionCodeToHTTPStatus.cpp`, and 503 when there was no place.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            6 | 8 | 15 | 25 | 26 | 27 | 36 | 37 | 38 | 41 | 44 | 53 | 62 | 72 | 117 | 123 | 167 | 168 | 223 | 321 | 376 | 427 | 441
            | 675 | 676 => StatusCode::BAD_REQUEST,
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 152 | 336 | 511 => StatusCode::NOT_FOUND,
            code::QUERY_IS_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
            code::NOT_IMPLEMENTED => StatusCode::NOT_IMPLEMENTED,
            159 => StatusCode::REQUEST_TIMEOUT,
            76 | code::SOCKET_TIMEOUT | code::TOO_MANY_SIMULTANEOUS_QUERIES | 439 => StatusCode::SERVICE_UNAVAILABLE,
            779 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_text_keeps_its_code_and_loses_its_version() {
        let exception = Exception::from_engine("Code: 60. DB::Exception: no. (UNKNOWN_TABLE) (version 26.7.2.1)\n");
        assert_eq!((exception.code, exception.message.as_str()), (60, "Code: 60. DB::Exception: no. (UNKNOWN_TABLE)"));
        assert_eq!(exception.status(), StatusCode::NOT_FOUND);
        assert!(exception.render("26.7.2.1").ends_with("(version 26.7.2.1 (embedded build))\n"));
    }

    #[test]
    fn a_text_without_a_code_becomes_an_unknown_exception() {
        assert_eq!(Exception::from_engine("odd").code, code::UNKNOWN_EXCEPTION);
    }
}
