//! Serves the page over a ClickHouse that is there already: to work on the page without starting a pipeline.
//!
//!     cargo run -p console --example page -- http://127.0.0.1:8123 127.0.0.1:8090
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example for developers")]

use console::{ClickHouseAccess, ConsoleOptions, PartitionHealth, PipelineHealth};
use schemas::GroupingSet;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8123".to_owned());
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let running = PartitionHealth {
        stage: "meter".to_owned(),
        partition: "usage-events/0".to_owned(),
        state: "running",
        reason: None,
        lag: Some(0),
        position: Some(1234),
    };
    let router = console::router(ConsoleOptions {
        clickhouse: ClickHouseAccess {
            client: clickhouse::Client::default().with_url(&url).with_user("default"),
            url,
            database: "cost_rhythm".to_owned(),
        },
        time_zone: "UTC".to_owned(),
        sets: GroupingSet::defaults(),
        has_usage_events: true,
        public_url: String::new(),
        pipeline: Box::new(move || PipelineHealth { partitions: vec![running.clone()], ..PipelineHealth::default() }),
        intake: None,
    });
    let listener = tokio::net::TcpListener::bind(&listen).await.unwrap();
    println!("the page: http://{}/", listener.local_addr().unwrap());
    axum::serve(listener, router.unwrap()).await.unwrap();
}
