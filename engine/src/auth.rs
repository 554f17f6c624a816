//! Who may ask: the user and password, and pages of other sites that may not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST};

use crate::exception::{Exception, code};
use crate::options::Credentials;

/// Checks a request's user and password, from the `X-ClickHouse-*` headers, else basic authentication, else the parameters.
///
/// Without configured credentials everyone on this machine may ask, except web pages: those a browser marks as another
/// site's, and those that reach us under a foreign host name (DNS rebinding).
///
/// # Errors
/// Code 516, or 497 for a page.
pub(crate) fn check(
    configured: Option<&Credentials>,
    headers: &HeaderMap,
    parameter_user: Option<&str>,
    parameter_password: Option<&str>,
) -> Result<(), Exception> {
    let Some(configured) = configured else { return check_origin(headers) };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (user, password) = if header("x-clickhouse-user").is_some() || header("x-clickhouse-key").is_some() {
        (header("x-clickhouse-user"), header("x-clickhouse-key"))
    } else if let Some(basic) = basic(headers) {
        (Some(basic.0), Some(basic.1))
    } else {
        (parameter_user.map(str::to_owned), parameter_password.map(str::to_owned))
    };
    let user = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "default".to_owned());
    let same_user = same(&user, &configured.user);
    let same_password = same(&password.unwrap_or_default(), &configured.password);
    if same_user & same_password {
        return Ok(());
    }
    Err(Exception::new(
        code::AUTHENTICATION_FAILED,
        "AUTHENTICATION_FAILED",
        format_args!("{user}: Authentication failed: password is incorrect, or there is no user with such name"),
    ))
}

fn check_origin(headers: &HeaderMap) -> Result<(), Exception> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign_page = matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"));
    let foreign_host = text(HOST.as_str()).is_some_and(|host| !is_local(host));
    if foreign_page || foreign_host {
        return Err(Exception::new(
            code::ACCESS_DENIED,
            "ACCESS_DENIED",
            "the engine has no password and answers only to this machine: use a loopback address, or configure a password",
        ));
    }
    Ok(())
}

/// Whether a `Host` header names this machine by a loopback name or address.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// Compares without telling by its time where the first difference is.
fn same(left: &str, right: &str) -> bool {
    let differences = left.bytes().zip(right.bytes()).fold(0_u8, |sum, (left, right)| sum | (left ^ right));
    left.len() == right.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_password_is_found_in_headers_basic_and_parameters() {
        let configured = Credentials { user: "default".into(), password: "secret".into() };
        let check = |pairs: &[(&'static str, &'static str)], password| {
            check(Some(&configured), &headers(pairs), None, password).map_err(|error| error.code)
        };
        assert_eq!(check(&[("x-clickhouse-user", "default"), ("x-clickhouse-key", "secret")], None), Ok(()));
        assert_eq!(check(&[("authorization", "Basic ZGVmYXVsdDpzZWNyZXQ=")], None), Ok(()));
        assert_eq!(check(&[], Some("secret")), Ok(()));
        assert_eq!(check(&[], None), Err(516));
        assert_eq!(check(&[("x-clickhouse-user", "other"), ("x-clickhouse-key", "secret")], None), Err(516));
    }

    #[test]
    fn without_a_password_pages_of_other_sites_are_refused() {
        let check = |pairs: &[(&'static str, &'static str)]| check(None, &headers(pairs), Some("anyone"), None).is_ok();
        assert!(check(&[("host", "127.0.0.1:8123")]) && check(&[("host", "[::1]:8123")]) && check(&[("host", "localhost")]));
        assert!(!check(&[("host", "evil.example:8123")]));
        assert!(!check(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]));
    }
}
