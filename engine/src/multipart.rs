//! Forms (`multipart/form-data`), in which clients send a statement with its parameters when those are too long for an address.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;

use crate::exception::{Exception, code};

/// The boundary, when the body is a form.
pub(crate) fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = parameters.split(';').filter_map(|parameter| parameter.trim().split_once('='));
    let boundary = named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?.1;
    Some(boundary.trim_matches('"').to_owned())
}

/// The form's fields, in their order.
///
/// # Errors
/// Code 36 when the body is not such a form, and 48 when it holds a file: tables from outside are not supported.
pub(crate) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, Exception> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
    let delimiter = format!("--{boundary}");
    let mut rest = text.split_once(delimiter.as_str()).ok_or_else(|| malformed("it has no boundary"))?.1;
    let mut fields = Vec::new();
    while !rest.starts_with("--") {
        let part = rest.strip_prefix("\r\n").ok_or_else(|| malformed("a boundary does not end its line"))?;
        let (head, after) = part.split_once("\r\n\r\n").ok_or_else(|| malformed("a field has no end of its headers"))?;
        let end = format!("\r\n{delimiter}");
        let (value, next) = after.split_once(end.as_str()).ok_or_else(|| malformed("a field has no end"))?;
        fields.push((field_name(head)?, value.to_owned()));
        rest = next;
    }
    Ok(fields)
}

fn field_name(head: &str) -> Result<String, Exception> {
    let is_disposition = |line: &&str| line.to_ascii_lowercase().starts_with("content-disposition:");
    let line = head.split("\r\n").find(is_disposition).ok_or_else(|| malformed("a field has no name"))?;
    let attributes = line.split(';').map(str::trim);
    if attributes.clone().any(|attribute| attribute.starts_with("filename")) {
        return Err(Exception::new(code::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "the embedded engine does not support external tables"));
    }
    let name = attributes.into_iter().find_map(|attribute| attribute.strip_prefix("name="));
    name.map(|name| name.trim_matches('"').to_owned()).ok_or_else(|| malformed("a field has no name"))
}

fn malformed(reason: &str) -> Exception {
    Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", format_args!("the form cannot be read: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &[(&str, &str)]) -> String {
        let part = |(head, value): &(&str, &str)| format!("--xyz\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        parts.iter().map(part).collect::<String>() + "--xyz--\r\n"
    }

    #[test]
    fn fields_keep_their_text_whatever_it_holds() {
        let body = form(&[("name=\"query\"", "SELECT\r\n {a:String}"), ("name=\"param_a\"", "--xy\r\n")]);
        let fields = fields(body.as_bytes(), "xyz").unwrap();
        assert_eq!(fields, [("query".into(), "SELECT\r\n {a:String}".into()), ("param_a".into(), "--xy\r\n".into())]);
    }

    #[test]
    fn files_and_broken_forms_are_refused() {
        assert_eq!(fields(form(&[("name=\"t\"; filename=\"t.csv\"", "1")]).as_bytes(), "xyz").unwrap_err().code, 48);
        for body in ["", "--xyz", "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb", "--xyz\r\n\r\n\r\nb\r\n--xyz--"] {
            assert_eq!(fields(body.as_bytes(), "xyz").unwrap_err().code, 36, "{body}");
        }
    }

    #[test]
    fn the_boundary_is_found_quoted_or_not() {
        let of = |value: &str| boundary(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]));
        assert_eq!(of("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
        assert_eq!(of("Multipart/Form-Data; charset=x; boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(of("text/plain"), None);
    }
}
