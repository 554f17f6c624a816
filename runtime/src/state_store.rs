//! Opens `state.url`: a directory, or a bucket of an object store.
//!
//! What a snapshot needs of a store is that a put is seen whole or not at all, and that it lasts once it has returned.
//!
//! - **Directory** (a plain path or `file://`): written to a file beside, `fsync` of the file, rename, `fsync` of the directory, and of every
//!   directory that was made on the way. A deletion is not synced: an object that comes back after a power cut is an old snapshot, which
//!   is harmless.
//! - **S3** (`s3://`, `s3a://`), **Google Cloud Storage** (`gs://`), **Azure Blob Storage** (`az://`, `abfs://`, `abfss://`), and the `https://`
//!   addresses of these three: a put is atomic and durable by their own word, and a read or listing after it sees it.
//!
//! Other `http://` servers (WebDAV) promise neither and are refused; so is `memory://`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutPayload, parse_url_opts};
use url::Url;

/// The object that a probe writes and removes again.
const PROBE: &str = "cost-rhythm-probe";

/// No write to a file goes on for so long after its last byte.
const UNFINISHED_AGE: Duration = Duration::from_secs(3600);

/// Where state is kept, and how that place is reached.
#[derive(Clone, Debug)]
pub struct StateLocation<'a> {
    /// A directory or a URL.
    pub url: &'a str,
    /// The directory that a relative path is relative to.
    pub base_dir: &'a std::path::Path,
    /// Settings of the store, as in `aws_region`; they win over the environment. No secrets.
    pub properties: &'a BTreeMap<String, String>,
}

/// Why the place cannot be used. Texts name the key of the configuration and the remedy, and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum StateStoreError {
    /// A URL of a kind that is not supported, or a setting that its store does not have.
    #[error("CR-3103: state.url = {url:?}: {reason}")]
    Unsupported {
        /// As configured.
        url: String,
        /// What was expected.
        reason: String,
    },
    /// The directory cannot be made or opened, or the store's client cannot be made.
    #[error("CR-3104: state.url = {url:?}: {reason}")]
    Unusable {
        /// As configured.
        url: String,
        /// What was found.
        reason: String,
    },
    /// The store does not answer, or does not let us write and remove.
    #[error(
        "CR-3105: state.url = {url:?}: the object \"cost-rhythm-probe\" cannot be written and removed there: {reason}; check the address, the bucket, its rights and the credentials in the environment"
    )]
    Unreachable {
        /// As configured.
        url: String,
        /// The store's words.
        reason: String,
    },
}

/// Opens a store. `environment` holds the process's variables; those that begin with `AWS_`, `GOOGLE_` or `AZURE_`, as the URL's store
/// calls for, are its settings and credentials. Asks nothing over the network.
///
/// # Errors
/// [`StateStoreError::Unsupported`], [`StateStoreError::Unusable`]
pub fn open(
    location: &StateLocation<'_>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Arc<dyn ObjectStore>, StateStoreError> {
    let unsupported = |reason: String| StateStoreError::Unsupported { url: location.url.to_owned(), reason };
    let unusable = |reason: String| StateStoreError::Unusable { url: location.url.to_owned(), reason };
    if !location.url.contains("://") || location.url.starts_with("file://") {
        return open_directory(location);
    }
    let url = Url::parse(location.url).map_err(|error| unsupported(format!("no URL: {error}")))?;
    let (scheme, _) = ObjectStoreScheme::parse(&url).map_err(|_| unsupported(EXPECTED.to_owned()))?;
    let kind = Kind::of(&scheme).ok_or_else(|| unsupported(EXPECTED.to_owned()))?;
    if let Some(unknown) = location.properties.keys().find(|key| !kind.knows(key)) {
        return Err(unsupported(format!("state.properties.{unknown}: {} has no such setting; remove it or correct its name", kind.name())));
    }
    // Ours: the `ring` that the rest of the program's TLS uses. It fails when there is one already, which then serves.
    drop(rustls::crypto::ring::default_provider().install_default());
    let variables = environment.into_iter().filter(|(name, _)| name.starts_with(kind.prefix()));
    let properties = location.properties.iter().map(|(key, value)| (key.clone(), value.clone()));
    let (store, path) = parse_url_opts(&url, variables.chain(properties)).map_err(|error| unusable(error.to_string()))?;
    Ok(if path.as_ref().is_empty() { Arc::from(store) } else { Arc::new(PrefixStore::new(store, path)) })
}

/// Writes and removes a small object: are address, rights and credentials right?
///
/// # Errors
/// [`StateStoreError::Unreachable`]
pub async fn probe(url: &str, store: &dyn ObjectStore) -> Result<(), StateStoreError> {
    let unreachable = |error: object_store::Error| StateStoreError::Unreachable { url: url.to_owned(), reason: error.to_string() };
    let path = Path::from(PROBE);
    store.put(&path, PutPayload::from_static(b"cost-rhythm")).await.map_err(unreachable)?;
    match store.delete(&path).await {
        // Another instance that probes at the same time was quicker.
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(unreachable(error)),
    }
}

const EXPECTED: &str = "expected a directory or a URL of S3 (s3://BUCKET/PATH), Google Cloud Storage (gs://) or Azure (az://, abfss://): \
     no other kind writes an object whole or not at all";

fn open_directory(location: &StateLocation<'_>) -> Result<Arc<dyn ObjectStore>, StateStoreError> {
    let unusable = |reason: String| StateStoreError::Unusable { url: location.url.to_owned(), reason };
    if let Some(unknown) = location.properties.keys().next() {
        return Err(unusable(format!("state.properties.{unknown}: a directory has no settings; remove it")));
    }
    let path: PathBuf = location.base_dir.join(location.url.trim_start_matches("file://"));
    std::fs::create_dir_all(&path).map_err(|error| unusable(format!("cannot make {}: {error}", path.display())))?;
    remove_unfinished(&path);
    let store = LocalFileSystem::new_with_prefix(&path).map_err(|error| unusable(error.to_string()))?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// Removes what writes that were cut off have left: the store writes to `NAME#NUMBER` first, and lists no such file. One that somebody
/// else is writing to just now is younger. What cannot be removed does no harm but take room.
fn remove_unfinished(directory: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            remove_unfinished(&path);
            continue;
        }
        let number = name.to_str().and_then(|name| name.rsplit_once('#')).map_or("", |(_, number)| number);
        let is_unfinished = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|modified| modified.elapsed().ok());
        if is_unfinished && age.is_some_and(|age| age >= UNFINISHED_AGE) {
            match std::fs::remove_file(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "removed what a write that was cut off has left"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "a write that was cut off cannot be removed"),
            }
        }
    }
}

/// The object stores that keep what snapshots need.
#[derive(Clone, Copy)]
enum Kind {
    S3,
    Google,
    Azure,
}

impl Kind {
    fn of(scheme: &ObjectStoreScheme) -> Option<Self> {
        match scheme {
            ObjectStoreScheme::AmazonS3 => Some(Kind::S3),
            ObjectStoreScheme::GoogleCloudStorage => Some(Kind::Google),
            ObjectStoreScheme::MicrosoftAzure => Some(Kind::Azure),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::S3 => "S3",
            Kind::Google => "Google Cloud Storage",
            Kind::Azure => "Azure Blob Storage",
        }
    }

    /// Of the environment's variables.
    fn prefix(self) -> &'static str {
        match self {
            Kind::S3 => "AWS_",
            Kind::Google => "GOOGLE_",
            Kind::Azure => "AZURE_",
        }
    }

    fn knows(self, key: &str) -> bool {
        match self {
            Kind::S3 => key.parse::<AmazonS3ConfigKey>().is_ok(),
            Kind::Google => key.parse::<GoogleConfigKey>().is_ok(),
            Kind::Azure => key.parse::<AzureConfigKey>().is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_open(url: &str, properties: &[(&str, &str)]) -> Result<String, String> {
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let directory = tempfile::tempdir().unwrap();
        let location = StateLocation { url, base_dir: directory.path(), properties: &properties };
        let environment = [("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_ACCESS_KEY_ID", "a"), ("AZURE_STORAGE_ACCOUNT_NAME", "account")];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
        open(&location, environment).map(|store| format!("{store} {store:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_chooses_its_store_and_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let file_url = format!("file://{}", directory.path().display());
        for (url, shown) in [
            ("state", "LocalFileSystem"),
            (file_url.as_str(), "LocalFileSystem"),
            ("s3://bucket", "AmazonS3(bucket)"),
            ("s3://bucket/a/b", "PrefixObjectStore(a/b)"),
            ("az://container/a", "account"),
        ] {
            let store = try_open(url, &[]).unwrap();
            assert!(store.contains(shown), "{url}: {store}");
            assert!(!store.contains("hunter2"), "{url}: {store}");
        }
    }

    #[test]
    fn properties_reach_the_store_and_unknown_ones_are_refused_by_name() {
        assert!(try_open("s3://bucket", &[("aws_region", "eu-north-7")]).unwrap().contains("eu-north-7"));
        for url in ["s3://bucket", "az://container", "state"] {
            let error = try_open(url, &[("aws_regoin", "x")]).unwrap_err();
            assert!(error.contains("state.properties.aws_regoin"), "{error}");
        }
    }

    #[test]
    fn what_does_not_write_whole_objects_is_refused() {
        for url in ["http://127.0.0.1:1/dav", "https://example.org/dav", "memory:///", "ftp://example.org/x", "s3://", "://"] {
            let error = try_open(url, &[]).unwrap_err();
            assert!(error.starts_with("CR-3103: state.url = ") && error.contains(url), "{error}");
        }
    }

    #[tokio::test]
    async fn a_probe_leaves_nothing_behind_and_says_what_keeps_it_from_writing() {
        let directory = tempfile::tempdir().unwrap();
        let location = StateLocation { url: "s", base_dir: directory.path(), properties: &BTreeMap::new() };
        let store = open(&location, []).unwrap();
        probe("s", &*store).await.unwrap();
        assert_eq!(std::fs::read_dir(directory.path().join("s")).unwrap().count(), 0);
        // A directory stands where the probe's object would be.
        std::fs::create_dir_all(directory.path().join("s").join(PROBE).join("x")).unwrap();
        let error = probe("s", &*store).await.unwrap_err().to_string();
        assert!(error.starts_with("CR-3105: state.url = \"s\"") && error.contains(PROBE), "{error}");
    }

    #[test]
    fn what_a_write_that_was_cut_off_has_left_is_removed_after_an_hour() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("state/meter/in/0");
        std::fs::create_dir_all(&place).unwrap();
        let old = std::time::SystemTime::now() - UNFINISHED_AGE * 2;
        for (name, is_old) in [("run-1.cri#1", true), ("run-2.cri#2", false), ("run-3.cri", true), ("notes#x", true)] {
            let file = std::fs::File::create(place.join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        let properties = BTreeMap::new();
        let location = StateLocation { url: "state", base_dir: directory.path(), properties: &properties };
        open(&location, []).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["notes#x", "run-2.cri#2", "run-3.cri"]);
    }
}
