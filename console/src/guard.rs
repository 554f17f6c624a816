//! What every request of the page and the API passes: reading only (but for events, where those are let in), asked under our own name, with headers that keep a browser from running anything else.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Console;
use crate::intake::{self, Intake};
use crate::problem::{BAD_METHOD, FOREIGN, Problem};

/// Nothing inline, nothing from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(crate) async fn pass(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let mut response = match refuse(&console, &request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refuse(console: &Console, request: &Request) -> Option<Problem> {
    let (method, is_for_events) = (request.method(), request.uri().path() == intake::ROUTE);
    let intake = console.intake.as_ref().filter(|_| is_for_events);
    match (intake, method) {
        (Some(_), &Method::POST) | (None, &Method::GET | &Method::HEAD) => {}
        (Some(_), _) => return Some(Problem::not_posted(method)),
        (None, _) => {
            let is_event = is_for_events && method == Method::POST;
            let remedy = if is_event { "set http.accept_events = true to let events in" } else { "ask with GET" };
            return Some(Problem::new(BAD_METHOD, format!("{method} is not answered here"), remedy));
        }
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !is_ours(host, &console.public_host) && !intake.is_some_and(Intake::asks_for_token) {
        // A page of another site, whose name was made to lead here, could read the answer.
        let remedy = "ask by address or as localhost, or set http.public_url to the name that people use";
        return Some(Problem::new(FOREIGN, "the header Host names neither an address nor this server", remedy).blaming("Host", host));
    }
    if request.uri().path().starts_with("/api/") && is_cross_site(request.headers()) {
        return Some(Problem::new(FOREIGN, "another site asks", "the API answers its own page and programs, not other sites"));
    }
    None
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// An address, `localhost`, or the configured name.
fn is_ours(host: &str, public_host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let is_named = !public_host.is_empty() && name.eq_ignore_ascii_case(public_host);
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") || is_named
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_addresses_localhost_and_the_public_name_are_ours() {
        for host in
            ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "[::1]", "10.1.2.3", "cost.example.org", "Cost.example.org:443"]
        {
            assert!(is_ours(host, "cost.example.org"), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "cost.example.org.evil"] {
            assert!(!is_ours(host, "cost.example.org"), "{host}");
        }
        assert!(!is_ours("", ""));
    }
}
