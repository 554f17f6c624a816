//! `/healthz`, `/readyz`, `/metrics`, and beside them the page and its API (crate `console`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use console::{PartitionHealth, PipelineHealth};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use runtime::DriverState;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::{CONTENT_TYPE, Metrics};
use super::partitions::{PartitionReport, Partitions};

/// Connections at once; four times the live ones of the page.
const MAX_CONNECTIONS: usize = 256;
/// In which a question's head must come, also the next one on a connection that is kept.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// After a connection that could not be taken, such as without a file descriptor.
const ACCEPTED_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// What the endpoints report on.
pub struct Reported {
    /// The stages of this process.
    pub stages: Vec<Partitions>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Trouble outside the partitions (ClickHouse down, registry silent): each is a sentence.
    pub trouble: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

impl Reported {
    fn partitions(&self) -> Vec<PartitionReport> {
        self.stages.iter().flat_map(Partitions::report).collect()
    }

    /// Sentences that say what needs a person.
    fn failures(&self) -> Vec<String> {
        let partitions = self.partitions().into_iter().filter_map(|report| report.is_failed());
        partitions.chain(self.stages.iter().filter_map(Partitions::trouble)).collect()
    }

    /// Sentences that say what is being waited for.
    fn waits(&self) -> Vec<String> {
        let mut waits = Vec::new();
        for PartitionReport { stage, name, status, snapshots, .. } in self.partitions() {
            if let Some(DriverState::Waiting(reason)) = status.map(|status| status.state) {
                waits.push(format!("{stage} {name}: {reason}"));
            }
            if let Some(reason) = snapshots.trouble {
                waits.push(format!("{stage} {name}: a snapshot waits for the state store: {reason}"));
            }
        }
        waits.extend((self.trouble)());
        waits
    }

    /// The same for the page.
    pub fn pipeline_health(&self) -> PipelineHealth {
        PipelineHealth {
            partitions: self.partitions().into_iter().map(partition_health).collect(),
            failures: self.failures(),
            waits: self.waits(),
        }
    }
}

fn partition_health(report: PartitionReport) -> PartitionHealth {
    let refused = report.is_failed();
    let (state, reason) = match (refused, report.status.as_ref().map(|status| &status.state)) {
        (Some(reason), _) => ("failed", Some(reason)),
        (None, Some(DriverState::Waiting(reason))) => ("waiting", Some(reason.clone())),
        (None, Some(DriverState::Stopped)) => ("stopped", None),
        (None, _) => ("running", None),
    };
    PartitionHealth {
        stage: report.stage.to_owned(),
        partition: report.name.to_string(),
        state,
        reason,
        lag: report.status.as_ref().and_then(|status| status.lag),
        position: report.status.as_ref().map(|status| status.position),
    }
}

/// Serves until the task is dropped, the routes of `console` beside its own. Returns the address that is really listened on.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(listen: SocketAddr, reported: Arc<Reported>, console: Router) -> std::io::Result<SocketAddr> {
    let own = Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).route("/metrics", get(metrics));
    let app = own.with_state(reported).merge(console);
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tokio::spawn(accept(listener, app));
    Ok(address)
}

/// So many connections at once, each with a time in which a question must have begun: whoever only connects must not use up what the pipeline needs.
async fn accept(listener: TcpListener, app: Router) {
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(ACCEPTED_AGAIN_AFTER).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
            // Whoever is gone needs no answer.
            drop(http.serve_connection(TokioIo::new(stream), service).await);
            drop(seat);
        });
    }
}

/// 200 while no partition needs a person, else 500 with the reasons.
async fn health(State(reported): State<Arc<Reported>>) -> Response {
    respond(StatusCode::INTERNAL_SERVER_ERROR, "failed", &reported.failures())
}

/// 200 while nothing is failed and nothing is waited for, else 503 with the reasons.
async fn ready(State(reported): State<Arc<Reported>>) -> Response {
    let mut reasons = reported.failures();
    reasons.extend(reported.waits());
    if reported.stages.iter().all(|stage| stage.report().is_empty()) {
        reasons.push("no partition is assigned yet".to_owned());
    }
    respond(StatusCode::SERVICE_UNAVAILABLE, "not ready", &reasons)
}

fn respond(bad: StatusCode, word: &str, reasons: &[String]) -> Response {
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    (bad, format!("{word}\n{}\n", reasons.join("\n"))).into_response()
}

async fn metrics(State(reported): State<Arc<Reported>>) -> Response {
    match reported.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be written: {error}\n")).into_response(),
    }
}
