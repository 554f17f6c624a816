use std::sync::Arc;

use runtime::io::TableSink;
use sinks::clickhouse::ClickHouseSink;

use crate::samples::accounts;
use crate::server::{database, sink_options, text, until_acknowledged};

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_shows_the_accounts_that_all_shards_have_reached() {
    let server = database("accounts").await;
    let handle = ClickHouseSink::start(server.clone(), sink_options(), Arc::new(()), &tokio::runtime::Handle::current());
    let mut sink = handle.table_sink();
    let mut submitted = 0;
    // Shard, shards, counted, revision; then what readers see.
    for (shard, shards, counted, revision, seen) in [
        (0, 2, 50, 10, ""),
        (0, 2, 60, 11, ""),
        (1, 2, 20, 5, "20"),
        (1, 2, 10, 4, "20"),
        (1, 2, 70, 6, "60"),
        // A third shard was added: nothing until it has reported.
        (0, 3, 80, 12, ""),
        (2, 3, 80, 1, "70"),
    ] {
        sink.submit(accounts(shard, shards, counted, revision)).unwrap();
        submitted += 1;
        until_acknowledged(&mut sink, submitted).await;
        let sql = "SELECT counted FROM pipeline_accounts WHERE topic = 'usage-events'";
        assert_eq!(text(&server, sql).await, seen, "shard {shard} of {shards} at {counted}");
    }
    assert_eq!(text(&server, "SELECT * FROM pipeline_accounts").await, "usage-events\t0\t70\t70\t0\t0\t0\t0\t0");
}
