//! Errors of the API: `application/problem+json` (RFC 9457) with a stable code, the field, its value and the remedy. The codes are explained in
//! docs/ERRORS.md.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

/// What kind of problem it is: its number, HTTP status and title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
}

const fn kind(code: &'static str, status: StatusCode, title: &'static str) -> Kind {
    Kind { code, status, title }
}

pub(crate) const UNKNOWN_PARAMETER: Kind = kind("CR-5001", StatusCode::BAD_REQUEST, "unknown parameter");
pub(crate) const BAD_VALUE: Kind = kind("CR-5002", StatusCode::BAD_REQUEST, "a value that cannot be taken");
pub(crate) const BAD_COMBINATION: Kind = kind("CR-5003", StatusCode::BAD_REQUEST, "parameters that do not go together");
pub(crate) const BAD_CURSOR: Kind = kind("CR-5004", StatusCode::BAD_REQUEST, "not a cursor of this question");
pub(crate) const NOT_FOUND: Kind = kind("CR-5005", StatusCode::NOT_FOUND, "no such thing");
pub(crate) const BAD_METHOD: Kind = kind("CR-5006", StatusCode::METHOD_NOT_ALLOWED, "read only");
pub(crate) const FOREIGN: Kind = kind("CR-5007", StatusCode::FORBIDDEN, "asked under another name");
pub(crate) const NOT_AN_EVENT: Kind = kind("CR-5008", StatusCode::BAD_REQUEST, "not an event");
pub(crate) const MEDIA_TYPE: Kind = kind("CR-5009", StatusCode::UNSUPPORTED_MEDIA_TYPE, "not a type of events");
pub(crate) const OVERSIZED: Kind = kind("CR-5010", StatusCode::PAYLOAD_TOO_LARGE, "too much at once");
pub(crate) const NO_TOKEN: Kind = kind("CR-5011", StatusCode::UNAUTHORIZED, "not let in");
pub(crate) const CUT_SHORT: Kind = kind("CR-5012", StatusCode::BAD_REQUEST, "the body has not come as a whole");
pub(crate) const UNREACHABLE: Kind = kind("CR-5101", StatusCode::SERVICE_UNAVAILABLE, "ClickHouse does not answer");
pub(crate) const TOO_SLOW: Kind = kind("CR-5102", StatusCode::SERVICE_UNAVAILABLE, "the answer takes too long");
pub(crate) const BUSY: Kind = kind("CR-5103", StatusCode::SERVICE_UNAVAILABLE, "too many questions at once");
pub(crate) const TOO_MANY_STREAMS: Kind = kind("CR-5104", StatusCode::SERVICE_UNAVAILABLE, "too many live connections");
pub(crate) const REFUSED: Kind = kind("CR-5105", StatusCode::INTERNAL_SERVER_ERROR, "ClickHouse refuses the question");
pub(crate) const NOT_TAKEN: Kind = kind("CR-5106", StatusCode::SERVICE_UNAVAILABLE, "Kafka does not take it");

/// A problem as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    words: Box<Words>,
}

#[derive(Clone, Debug)]
struct Words {
    /// The parameter and the value that are to blame, if there are such.
    blamed: Option<(String, String)>,
    detail: String,
    remedy: String,
    /// Of [`BAD_METHOD`]: POST is the method to take.
    allows_post: bool,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Problem { kind, words: Box::new(Words { blamed: None, detail: detail.into(), remedy: remedy.into(), allows_post: false }) }
    }

    /// With the parameter and value that are to blame.
    pub(crate) fn blaming(mut self, parameter: &str, value: &str) -> Self {
        const LONGEST: usize = 200;
        let shown: String = value.chars().take(LONGEST).collect();
        self.words.blamed = Some((parameter.to_owned(), shown));
        self
    }

    /// Another method than POST, where that is the one.
    pub(crate) fn not_posted(method: &axum::http::Method) -> Self {
        let mut problem = Problem::new(BAD_METHOD, format!("{method} is not answered here"), "send events with POST");
        problem.words.allows_post = true;
        problem
    }

    /// A value that cannot be taken.
    pub(crate) fn bad_value(parameter: &str, value: &str, expected: impl std::fmt::Display) -> Self {
        Problem::new(BAD_VALUE, format!("{parameter}: expected {expected}"), format!("correct {parameter}")).blaming(parameter, value)
    }

    /// As the body says it.
    pub(crate) fn json(&self) -> serde_json::Value {
        let mut body = json!({
            "type": format!("urn:cost-rhythm:error:{}", self.kind.code),
            "title": self.kind.title,
            "status": self.kind.status.as_u16(),
            "code": self.kind.code,
            "detail": self.words.detail,
            "remedy": self.words.remedy,
        });
        if let Some((parameter, value)) = &self.words.blamed {
            body["parameter"] = json!(parameter);
            body["value"] = json!(value);
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.json().to_string()));
        *response.status_mut() = self.kind.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.kind.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if self.kind == NO_TOKEN {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.kind == BAD_METHOD {
            let allowed = if self.words.allows_post { "POST" } else { "GET, HEAD" };
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}
