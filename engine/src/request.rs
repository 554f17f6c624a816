//! What a request asks for: its statement's text, parameters, settings and how to answer.

use hyper::{HeaderMap, Method};

use crate::connection::Parameter;
use crate::exception::{Exception, code};

/// Parameters of the address that belong to the protocol and are no settings of the engine.
const PROTOCOL_PARAMETERS: &[&str] = &[
    "buffer_size",
    "close_session",
    "http_write_exception_in_output_format",
    "max_request_param_data_size",
    "quota_key",
    "role",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
];

/// A request, without its body.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryRequest {
    /// The text in the address; a body is appended to it.
    pub(crate) query: String,
    /// The database of unqualified names.
    pub(crate) database: Option<String>,
    /// The result's format when the statement names none.
    pub(crate) default_format: String,
    /// Values of `{name:Type}`.
    pub(crate) parameters: Vec<Parameter>,
    /// Settings of this statement only.
    pub(crate) settings: Vec<(String, String)>,
    /// `user` and `password` of the address.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// The client's name of the statement.
    pub(crate) query_id: Option<String>,
    /// The response is wanted in LZ4 blocks.
    pub(crate) compress: bool,
    /// The body comes in such blocks.
    pub(crate) decompress: bool,
    /// The answer begins only when the result is complete.
    pub(crate) wait_end_of_query: bool,
    /// The revision of the `Native` format that the client reads; 0 is the oldest.
    pub(crate) native_revision: u64,
    /// Whether the method forbids changes.
    pub(crate) is_read_only: bool,
}

impl QueryRequest {
    /// Reads the address's query part and the headers.
    ///
    /// # Errors
    /// Code 36 for a setting whose name cannot be one, and 48 for what the engine's front does not have.
    pub(crate) fn read(method: &Method, address_query: &str, headers: &HeaderMap) -> Result<Self, Exception> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut request = Self {
            database: header("x-clickhouse-database"),
            default_format: header("x-clickhouse-format").unwrap_or_default(),
            query_id: header("x-clickhouse-query-id"),
            is_read_only: method != Method::POST,
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(address_query.as_bytes()) {
            request.take_field(&name, value.into_owned())?;
        }
        request.query_id = request.query_id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()));
        if request.default_format.is_empty() {
            request.default_format = "TabSeparated".to_owned();
        }
        Ok(request)
    }

    /// Takes one field of the address or of a form.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn take_field(&mut self, name: &str, value: String) -> Result<(), Exception> {
        match name {
            "query" => self.query.push_str(&value),
            "database" => self.database = Some(value),
            "default_format" => self.default_format = value,
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "query_id" => self.query_id = Some(value),
            "compress" => self.compress = is_on(&value),
            "decompress" => self.decompress = is_on(&value),
            "client_protocol_version" => self.native_revision = value.parse().unwrap_or(0),
            "wait_end_of_query" => self.wait_end_of_query = is_on(&value),
            "framing" => return Err(not_here("framing")),
            name if PROTOCOL_PARAMETERS.contains(&name) => {}
            name => match name.strip_prefix("param_") {
                Some(parameter) => self.parameters.push((parameter.to_owned(), value)),
                None => self.settings.push((checked_name(name)?, value)),
            },
        }
        Ok(())
    }

    /// The statement that sets this request's settings, if there are any. The method's ban on changes comes last, so that no
    /// other setting is refused because of it.
    pub(crate) fn settings_statement(&self) -> Option<String> {
        let mut changes: Vec<String> = Vec::new();
        let mut is_read_only = false;
        for (name, value) in &self.settings {
            if name == "readonly" {
                is_read_only = value != "0";
            } else {
                changes.push(format!("{name} = {}", quoted(value, '\'')));
            }
        }
        let asked = self.settings.iter().rfind(|(name, _)| name == "readonly").map(|(_, value)| value.as_str());
        let level = asked.filter(|_| is_read_only).or(self.is_read_only.then_some("2"));
        changes.extend(level.map(|level| format!("readonly = {}", quoted(level, '\''))));
        (!changes.is_empty()).then(|| format!("SET {}", changes.join(", ")))
    }

    /// The statement that chooses this request's database.
    pub(crate) fn database_statement(&self) -> Option<String> {
        self.database.as_ref().filter(|database| !database.is_empty()).map(|database| format!("USE {}", quoted(database, '`')))
    }
}

fn is_on(value: &str) -> bool {
    matches!(value, "1" | "true" | "yes" | "on")
}

/// A setting's name goes into a statement as it is, so it must be nothing but a name.
fn checked_name(name: &str) -> Result<String, Exception> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name && name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Ok(name.to_owned());
    }
    Err(Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", format_args!("`{name}` cannot be the name of a setting")))
}

fn not_here(what: &str) -> Exception {
    Exception::new(code::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", format_args!("the embedded engine does not support {what}"))
}

/// Quotes a text for a statement.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for letter in text.chars() {
        if letter == quote || letter == '\\' {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: Method, query: &str) -> QueryRequest {
        QueryRequest::read(&method, query, &HeaderMap::new()).unwrap()
    }

    #[test]
    fn parameters_settings_and_protocol_are_told_apart() {
        let request = read(Method::POST, "query=SELECT+%7Bx:UInt8%7D&param_x=5&max_threads=1&session_id=a&compress=1&database=d");
        assert_eq!(request.query, "SELECT {x:UInt8}");
        assert_eq!(request.parameters, [("x".to_owned(), "5".to_owned())]);
        assert!(request.compress && !request.is_read_only);
        assert_eq!(request.settings_statement().as_deref(), Some("SET max_threads = '1'"));
        assert_eq!(request.database_statement().as_deref(), Some("USE `d`"));
    }

    #[test]
    fn get_is_read_only_and_cannot_be_talked_out_of_it() {
        let set = |query| read(Method::GET, query).settings_statement();
        assert_eq!(set("query=x").as_deref(), Some("SET readonly = '2'"));
        assert_eq!(set("readonly=0&a=b'").as_deref(), Some("SET a = 'b\\'', readonly = '2'"));
        assert_eq!(set("readonly=1").as_deref(), Some("SET readonly = '1'"));
    }

    #[test]
    fn a_setting_that_is_no_name_is_refused() {
        let refused = |query| QueryRequest::read(&Method::POST, query, &HeaderMap::new()).unwrap_err().code;
        assert_eq!(refused("a=1&x%3D1,y=2"), 36);
        assert_eq!(refused("framing=1"), 48);
    }
}
