//! The engine behind TLS, with certificates of a private authority.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use runtime::io::TableSink;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use schemas::{GroupingSet, Money, Secret};
use sinks::clickhouse::{ClickHouse, ClickHouseError, ClickHouseOptions, ClickHouseSink, Fault};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::samples::{rollups, total};
use crate::server::{PASSWORD, address, options, sink_options, text, until_acknowledged};

/// A private certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), file, _directory: directory }
    }

    /// Ends TLS in front of the engine, with a certificate for `localhost`; returns the port.
    async fn serve(&self) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![CertificateDer::from(certificate)], key).unwrap();
        let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (port, engine) = (listener.local_addr().unwrap().port(), address());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(acceptor.clone(), client, engine));
            }
        });
        port
    }
}

async fn pass_on(acceptor: TlsAcceptor, client: TcpStream, engine: SocketAddr) {
    // A client that does not trust the certificate ends here.
    let Ok(mut client) = acceptor.accept(client).await else { return };
    let mut engine = TcpStream::connect(engine).await.unwrap();
    copy_bidirectional(&mut client, &mut engine).await.ok();
}

fn secured(host: &str, port: u16, authority: &Authority, database: &str) -> ClickHouseOptions {
    let url = format!("https://{host}:{port}");
    ClickHouseOptions { url, tls_ca_file: Some(authority.file.clone()), ..options(database) }
}

async fn refusal(options: ClickHouseOptions) -> ClickHouseError {
    let server = ClickHouse::new(options).unwrap();
    let error = server.ping().await.unwrap_err();
    let shown = format!("{error} {error:?} {server:?}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("hunter2"), "{shown}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_and_come_through_tls_with_a_private_authority() {
    let authority = Authority::new("ours");
    let server = ClickHouse::new(secured("localhost", authority.serve().await, &authority, "secured")).unwrap();
    server.migrate(&GroupingSet::defaults()).await.unwrap();
    let handle = ClickHouseSink::start(server.clone(), sink_options(), Arc::new(()), &tokio::runtime::Handle::current());
    let mut sink = handle.table_sink();
    for hour in 0..3 {
        sink.submit(rollups([&total(hour, 1, Money::from_whole(2))])).unwrap();
    }
    until_acknowledged(&mut sink, 3).await;
    assert_eq!(text(&server, "SELECT sum(events), sum(cost) FROM hourly_total").await, "3\t6");
    // The engine has it, not something on the way.
    assert_eq!(text(&ClickHouse::new(options("secured")).unwrap(), "SELECT sum(cost) FROM hourly_total").await, "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_refused_with_the_key_to_look_at() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let port = authority.serve().await;
    let error = refusal(secured("localhost", port, &other, "default")).await;
    assert!(matches!(error, ClickHouseError::Untrusted { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("https://localhost") && error.contains("UnknownIssuer") && error.contains("clickhouse.ca_file"), "{error}");
    // Without a file, the system's authorities do not know it either.
    let error = refusal(ClickHouseOptions { tls_ca_file: None, ..secured("localhost", port, &authority, "default") }).await;
    assert!(error.to_string().contains("clickhouse.ca_file"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host_is_refused_with_the_key_to_look_at() {
    let authority = Authority::new("ours");
    let error = refusal(secured("127.0.0.1", authority.serve().await, &authority, "default")).await;
    // It is waited for: certificates are renewed while we run.
    assert_eq!(error.fault(), Fault::Passing);
    let error = error.to_string();
    assert!(error.contains("not valid for name") && error.contains("localhost") && error.contains("clickhouse.url"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_through_tls_and_not_shown() {
    let authority = Authority::new("ours");
    let options = secured("localhost", authority.serve().await, &authority, "default");
    let error = refusal(ClickHouseOptions { password: Secret::new("hunter2"), ..options }).await;
    assert_eq!((error.code(), error.fault()), (Some(516), Fault::Lasting), "{error}");
    let error = error.to_string();
    for key in ["clickhouse.username", "clickhouse.password_file", "COST_RHYTHM__CLICKHOUSE__PASSWORD"] {
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn a_file_that_holds_no_certificate_is_named_with_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("empty.pem");
    std::fs::write(&file, "nothing").unwrap();
    let options = ClickHouseOptions { url: "https://localhost".to_owned(), tls_ca_file: Some(file), ..ClickHouseOptions::default() };
    let error = ClickHouse::new(options).unwrap_err().to_string();
    assert!(error.contains("clickhouse.ca_file") && error.contains("empty.pem") && error.contains("PEM"), "{error}");
}
