//! Requests to the registry, one at a time, blocking.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::Secret;
use serde::Deserialize;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, http};

use super::options::RegistryOptions;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// Longest answer, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// "Schema not found", "subject not found", "version not found".
const SCHEMA_NOT_FOUND: u32 = 40_403;
const SUBJECT_NOT_FOUND: u32 = 40_401;
const VERSION_NOT_FOUND: u32 = 40_402;

/// The registry gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The options cannot work.
    #[error("schema registry: {0}")]
    Configuration(String),
    /// No answer: it may come later.
    #[error("schema registry at {url} gives no answer: {why}")]
    Unreachable {
        /// Where it was asked.
        url: String,
        /// What happened.
        why: String,
    },
    /// An answer that refuses or is none of this API.
    #[error("schema registry at {url} answered {status}: {message}")]
    Refused {
        /// Where it was asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// The registry's own code, 0 when it gave none.
        code: u32,
        /// The registry's own words.
        message: String,
    },
}

/// May a schema be registered under a subject?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// The subject has no version yet.
    NoVersions,
    /// With the newest version, by the subject's own rule.
    Compatible,
    /// Why not, in the registry's words.
    Incompatible(Vec<String>),
}

/// A registered schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registered {
    pub(super) schema: String,
    #[serde(default)]
    pub(super) schema_type: Option<String>,
    #[serde(default)]
    pub(super) references: Option<Vec<serde_json::Value>>,
}

/// Asks the registry. For decoding use [`super::SchemaRegistry`], which does not block.
#[derive(Clone, Debug)]
pub struct RegistryClient {
    agent: Agent,
    base: String,
    authorization: Option<Secret>,
}

impl RegistryClient {
    /// Prepares requests; sends none.
    ///
    /// # Errors
    /// [`RegistryError::Configuration`]
    pub fn new(options: &RegistryOptions) -> Result<Self, RegistryError> {
        let base = options.url.trim_end_matches('/').to_owned();
        let host = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
        // A wrong one may hold a password: it is not repeated.
        if host.is_none_or(str::is_empty) {
            return Err(RegistryError::Configuration("registry.url: expected http://host:port or https://host:port".to_owned()));
        }
        if base.contains('@') {
            let why = "registry.url: has a user or password in it: use registry.username and registry.password_file";
            return Err(RegistryError::Configuration(why.to_owned()));
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = &options.ca_file {
            let pem = std::fs::read(path)
                .map_err(|error| RegistryError::Configuration(format!("registry.ca_file {}: {error}", path.display())))?;
            let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(RegistryError::Configuration(format!("registry.ca_file {} holds no PEM certificate", path.display())));
            }
            tls = tls.root_certs(RootCerts::from(certificates));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(options.timeout))
            .http_status_as_error(false)
            .tls_config(tls.build())
            .user_agent(concat!("cost-rhythm/", env!("CARGO_PKG_VERSION")))
            .build();
        let authorization = options.user.as_ref().map(|user| {
            let credentials = STANDARD.encode(format!("{user}:{}", options.password.reveal()));
            Secret::new(format!("Basic {credentials}"))
        });
        Ok(RegistryClient { agent: config.new_agent(), base, authorization })
    }

    /// Is there a registry at the address?
    ///
    /// # Errors
    /// [`RegistryError`]
    pub fn probe(&self) -> Result<(), RegistryError> {
        self.get::<serde_json::Value>("/schemas/types").map(|_| ())
    }

    /// The schema of an id; `None` when the registry says that there is none.
    pub(super) fn schema(&self, id: u32) -> Result<Option<Registered>, RegistryError> {
        match self.get(&format!("/schemas/ids/{id}")) {
            Ok(schema) => Ok(Some(schema)),
            Err(RegistryError::Refused { status: 404, code: SCHEMA_NOT_FOUND, .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The text of an id's schema; `None` when the registry says that there is none.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub fn schema_text(&self, id: u32) -> Result<Option<String>, RegistryError> {
        Ok(self.schema(id)?.map(|registered| registered.schema))
    }

    /// Registers an Avro schema (again, if it is there already) and gives its id.
    ///
    /// # Errors
    /// [`RegistryError`]
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            id: u32,
        }
        let answer: Answer = self.post(&format!("/subjects/{}/versions", path_segment(subject)), schema)?;
        Ok(answer.id)
    }

    /// May the schema be registered, by the subject's own rule?
    ///
    /// # Errors
    /// [`RegistryError`]
    pub fn compatibility(&self, subject: &str, schema: &str) -> Result<Compatibility, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            is_compatible: bool,
            #[serde(default)]
            messages: Vec<String>,
        }
        let path = format!("/compatibility/subjects/{}/versions/latest?verbose=true", path_segment(subject));
        match self.post::<Answer>(&path, schema) {
            Ok(Answer { is_compatible: true, .. }) => Ok(Compatibility::Compatible),
            Ok(answer) => Ok(Compatibility::Incompatible(answer.messages)),
            Err(RegistryError::Refused { status: 404, code: SUBJECT_NOT_FOUND | VERSION_NOT_FOUND, .. }) => Ok(Compatibility::NoVersions),
            Err(other) => Err(other),
        }
    }

    fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, RegistryError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.get(&url).header("accept", CONTENT_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.reveal());
        }
        self.answer(request.call())
    }

    fn post<T: for<'de> Deserialize<'de>>(&self, path: &str, schema: &str) -> Result<T, RegistryError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.agent.post(&url).header("accept", CONTENT_TYPE).header("content-type", CONTENT_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.reveal());
        }
        // No schemaType: Avro is the default, and older registries do not know the field.
        self.answer(request.send(serde_json::json!({ "schema": schema }).to_string()))
    }

    fn answer<T: for<'de> Deserialize<'de>>(&self, response: Result<http::Response<Body>, ureq::Error>) -> Result<T, RegistryError> {
        #[derive(Default, Deserialize)]
        struct Fault {
            #[serde(default)]
            error_code: u32,
            #[serde(default)]
            message: String,
        }
        let unreachable = |error: ureq::Error| RegistryError::Unreachable { url: self.base.clone(), why: error.to_string() };
        let mut response = response.map_err(unreachable)?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().map_err(unreachable)?;
        if !status.is_success() {
            let fault: Fault = serde_json::from_slice(&body).unwrap_or_default();
            let message =
                if fault.message.is_empty() { "no explanation; is the URL that of Confluent's API?".to_owned() } else { fault.message };
            return Err(RegistryError::Refused { url: self.base.clone(), status: status.as_u16(), code: fault.error_code, message });
        }
        serde_json::from_slice(&body).map_err(|error| RegistryError::Refused {
            url: self.base.clone(),
            status: status.as_u16(),
            code: 0,
            message: format!("not an answer of Confluent's API: {error}"),
        })
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
fn path_segment(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}
