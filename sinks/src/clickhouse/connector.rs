//! The HTTP client under the `clickhouse` crate: connect timeout, TLS with the system's or one's own authorities.

use clickhouse::Client;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;

use super::error::ClickHouseError;
use super::options::ClickHouseOptions;

/// Below the 3 s after which ClickHouse closes an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client that has not connected yet.
pub(crate) fn client(options: &ClickHouseOptions) -> Result<Client, ClickHouseError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(60)));
    http.set_connect_timeout(Some(options.connect_timeout));
    let https =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls(options)?).https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::with_http_client(HyperClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE_TIMEOUT).build(https)))
}

fn tls(options: &ClickHouseOptions) -> Result<ClientConfig, ClickHouseError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClickHouseError::Option { key: "url", problem: error.to_string() })?;
    if !options.url.starts_with("https://") {
        // Never used: the URL is plain. No authorities are read, so that a machine without any can run.
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    if let Some(path) = &options.tls_ca_file {
        let problem = |problem: String| ClickHouseError::CaFile { path: path.clone(), problem };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(error.to_string()))? {
            let certificate = certificate.map_err(|error| problem(error.to_string()))?;
            roots.add(certificate).map_err(|error| problem(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(problem("has no certificate: expected PEM".to_owned()));
        }
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    use hyper_rustls::ConfigBuilderExt as _;
    let builder = builder.with_native_roots().map_err(|error| ClickHouseError::Option {
        key: "ca_file",
        problem: format!("the system has no certificate authorities ({error}): name a PEM file"),
    })?;
    Ok(builder.with_no_client_auth())
}
