//! The live page and the JSON API behind it.
//!
//! Both only read: ClickHouse's views, with bounds on time, rows and the number of questions at once, and what the pipeline says of itself. Neither can
//! hold up the pipeline: nothing here is waited for by it. One route may be switched on that writes: [`IntakeOptions`]. `openapi.json` describes the API,
//! docs/API.md introduces it.

mod assets;
mod guard;
mod health;
mod intake;
mod lists;
mod parameters;
mod problem;
mod reader;
mod slice;
mod spend;
mod stream;
mod summary;
mod time;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use schemas::GroupingSet;
use serde_json::Value;

pub use assets::{ASSETS, Asset, OPENAPI};
pub use health::{PartitionHealth, PipelineHealth};
pub use intake::{EventDoor, IntakeOptions, NotSent};
pub use reader::{CONNECT, ClickHouseAccess, ReaderError};

use intake::Intake;
use problem::{NOT_FOUND, Problem};
use reader::Reader;
use slice::Tables;
use stream::Stream;
use time::Zone;

/// What the page and the API are made of.
pub struct ConsoleOptions {
    /// Where the figures are.
    pub clickhouse: ClickHouseAccess,
    /// Time zone of business days and months.
    pub time_zone: String,
    /// All grouping sets; those of budgets' own are left out.
    pub sets: Vec<GroupingSet>,
    /// Is there a row per event?
    pub has_usage_events: bool,
    /// Under which URL people reach the page; empty: by address or as localhost only.
    pub public_url: String,
    /// What the pipeline says of itself.
    pub pipeline: Box<dyn Fn() -> PipelineHealth + Send + Sync>,
    /// Where events that are posted go; `None`: none are taken.
    pub intake: Option<IntakeOptions>,
}

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// No way to ClickHouse.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// Not in the database of time zones.
    #[error("windows.time_zone = {0:?} is no time zone")]
    Zone(String),
    /// Nobody can be sent there.
    #[error("http.public_url = {0:?}: expected http://host or https://host, with a port if need be")]
    PublicUrl(String),
}

pub(crate) struct Console {
    reader: Reader,
    tables: Tables,
    business_zone: Zone,
    public_host: String,
    pipeline: Box<dyn Fn() -> PipelineHealth + Send + Sync>,
    stream: Stream,
    intake: Option<Intake>,
}

/// The routes of the page and the API.
///
/// # Errors
/// [`ConsoleError`] names the key.
pub fn router(options: ConsoleOptions) -> Result<Router, ConsoleError> {
    let reader = Reader::new(&options.clickhouse)?;
    let sets = options.sets.into_iter().filter(GroupingSet::is_published).collect();
    let tables = Tables { database: reader.database().to_owned(), sets, has_events: options.has_usage_events };
    let business_zone = Zone::named(&options.time_zone).ok_or(ConsoleError::Zone(options.time_zone))?;
    let public_host = public_host(&options.public_url)?;
    let intake = options.intake.map(Intake::new);
    let console =
        Arc::new(Console { reader, tables, business_zone, public_host, pipeline: options.pipeline, stream: Stream::new(), intake });
    let routes = Router::new()
        .route("/", get(page))
        .route("/alerts/{id}", get(page))
        .route("/assets/{name}", get(asset))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/summary", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.summary(q.as_deref()).await) }))
        .route("/api/v1/spend", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.spend(q.as_deref()).await) }))
        .route("/api/v1/series", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.series(q.as_deref()).await) }))
        .route("/api/v1/budgets", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.budgets(q.as_deref()).await) }))
        .route("/api/v1/rhythm", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.rhythm(q.as_deref()).await) }))
        .route(
            "/api/v1/incidents",
            get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.incidents(q.as_deref()).await) }),
        )
        .route("/api/v1/alerts", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.alerts(q.as_deref()).await) }))
        .route("/api/v1/alerts/{id}", get(alert))
        .route("/api/v1/health", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.health(q.as_deref()).await) }))
        .route("/api/v1/catalog", get(|State(c): State<Arc<Console>>, RawQuery(q)| async move { answer(c.catalog(q.as_deref()).await) }))
        .route("/api/v1/stream", get(stream_route))
        .route(intake::ROUTE, post(take_events))
        .route("/api/{*rest}", any(no_route))
        .method_not_allowed_fallback(no_route)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&console), guard::pass))
        .with_state(console);
    Ok(routes)
}

/// The route that writes, by POST.
pub const INTAKE_ROUTE: &str = intake::ROUTE;

/// Each route of the API that is asked with GET, with the parameters of its query, for the test of `openapi.json`.
pub fn documented_routes() -> Vec<(&'static str, Vec<&'static str>)> {
    let of_slice = |own: &[&'static str]| own.iter().copied().chain(slice::parameter_names()).collect();
    vec![
        ("/api/v1/summary", of_slice(summary::SUMMARY)),
        ("/api/v1/spend", of_slice(spend::SPEND)),
        ("/api/v1/series", of_slice(spend::SERIES)),
        ("/api/v1/budgets", lists::BUDGETS.to_vec()),
        ("/api/v1/rhythm", lists::RHYTHM.to_vec()),
        ("/api/v1/incidents", lists::INCIDENTS.to_vec()),
        ("/api/v1/alerts", lists::ALERTS.to_vec()),
        ("/api/v1/alerts/{id}", Vec::new()),
        ("/api/v1/health", Vec::new()),
        ("/api/v1/catalog", Vec::new()),
        ("/api/v1/stream", Vec::new()),
        ("/api/v1/openapi.json", Vec::new()),
    ]
}

fn public_host(public_url: &str) -> Result<String, ConsoleError> {
    if public_url.is_empty() {
        return Ok(String::new());
    }
    let url = url::Url::parse(public_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let host = url.as_ref().and_then(url::Url::host_str).map(str::to_owned);
    host.ok_or_else(|| ConsoleError::PublicUrl(public_url.to_owned()))
}

fn answer(result: Result<Value, Problem>) -> Response<Body> {
    match result {
        Ok(body) => {
            let mut response = Response::new(Body::from(body.to_string()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn page(headers: HeaderMap) -> Response<Body> {
    match assets::find("index.html") {
        Some(asset) => assets::answer(asset, &headers),
        None => no_route().await,
    }
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response<Body> {
    match assets::find(&name) {
        Some(asset) => assets::answer(asset, &headers),
        None => no_route().await,
    }
}

async fn openapi(headers: HeaderMap) -> Response<Body> {
    assets::answer(&OPENAPI, &headers)
}

async fn alert(State(console): State<Arc<Console>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response<Body> {
    answer(console.alert(&id, query.as_deref()).await)
}

async fn stream_route(State(console): State<Arc<Console>>, RawQuery(query): RawQuery) -> Response<Body> {
    console.stream(query.as_deref()).await.unwrap_or_else(IntoResponse::into_response)
}

async fn take_events(State(console): State<Arc<Console>>, headers: HeaderMap, body: Body) -> Response<Body> {
    console.take_events(&headers, body).await
}

async fn no_route() -> Response<Body> {
    Problem::new(NOT_FOUND, "there is no such route", "/api/v1/openapi.json lists them").into_response()
}
