//! How the registry is reached.

use std::path::PathBuf;
use std::time::Duration;

use schemas::Secret;

/// How the registry is reached, and how much of it is remembered.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Where Confluent's API begins: `http://localhost:8081`, Apicurio: `.../apis/ccompat/v7`.
    pub url: String,
    /// User name of basic authentication; `None`: none.
    pub user: Option<String>,
    /// Its password.
    pub password: Secret,
    /// Certificates (PEM) that servers are trusted by, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Longest time for one request. Default 5 s.
    pub timeout: Duration,
    /// Schemas that are remembered; the longest known one makes room. Default 1000.
    pub cache_entries: usize,
    /// How long "no such id" is remembered. Default 30 s.
    pub negative_for: Duration,
    /// Longest pause between two tries while the registry is silent. Default 10 s.
    pub max_pause: Duration,
}

impl RegistryOptions {
    /// The defaults, for a registry at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        RegistryOptions {
            url: url.into(),
            user: None,
            password: Secret::default(),
            ca_file: None,
            timeout: Duration::from_secs(5),
            cache_entries: 1000,
            negative_for: Duration::from_secs(30),
            max_pause: Duration::from_secs(10),
        }
    }
}
