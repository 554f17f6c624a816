//! `/healthz`, `/readyz`, `/metrics`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use runtime::DriverState;
use tokio::net::TcpListener;

use super::partitions::{PartitionReport, Partitions};

/// What the endpoints report on.
pub struct Reported {
    /// The stages of this process.
    pub stages: Vec<Partitions>,
    /// More lines for `/metrics`, in Prometheus' text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
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
}

/// Serves until the task is dropped. Returns the address that is really listened on.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(listen: SocketAddr, reported: Arc<Reported>) -> std::io::Result<SocketAddr> {
    let app =
        Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).route("/metrics", get(metrics)).with_state(reported);
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "http server ended");
        }
    });
    Ok(address)
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
    let mut text = partition_metrics(&reported.partitions());
    text.push_str(&(reported.metrics)());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// One gauge per figure and partition. The number of names is bounded by the stages' own, that of partitions by the topics.
fn partition_metrics(reports: &[PartitionReport]) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for report in reports {
        let labels = format!("{{stage=\"{}\",topic=\"{}\",partition=\"{}\"}}", report.stage, report.name.topic, report.name.partition);
        let mut add = |name: &str, value: f64| lines.push((format!("cost_rhythm_{name}"), format!("{labels} {value}")));
        add("partition_failed", f64::from(u8::from(report.is_failed().is_some())));
        if let Some(status) = &report.status {
            add("position", status.position as f64);
            add("in_flight", status.in_flight as f64);
            if let Some(offset) = status.snapshot_offset {
                add("snapshot_offset", offset as f64);
            }
            if let Some(lag) = status.lag {
                add("lag", lag as f64);
            }
            for (name, value) in &status.gauges {
                add(name, *value);
            }
        }
    }
    lines.sort();
    let mut text = String::new();
    let mut last = String::new();
    for (name, rest) in lines {
        if name != last {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# TYPE {name} gauge");
            last.clone_from(&name);
        }
        let _ = writeln!(text, "{name}{rest}");
    }
    text
}
