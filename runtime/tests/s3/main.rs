//! Snapshots in a bucket, behind the S3 protocol, with a real server.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use runtime::io::SystemClock;
use runtime::object_snapshots::{ObjectSnapshots, SnapshotPlace};
use runtime::stage::StageState;
use runtime::state_store::{StateLocation, StateStoreError, open, probe};
use runtime::store::{SnapshotStore, ToSave};
use schemas::identity_run::{Identity, Segment};
use tokio::runtime::Runtime;

use server::{Proxy, Server};

const URL: &str = "s3://state/cost-rhythm/test";
const SECRET: &str = "hunter2hunter2";

/// As `state.url` and the environment describe it.
fn store_at(address: SocketAddr) -> Arc<dyn ObjectStore> {
    let environment = [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "tests".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ];
    let properties = BTreeMap::from([("aws_region".to_owned(), "us-east-1".to_owned())]);
    let location = StateLocation { url: URL, base_dir: "".as_ref(), properties: &properties };
    open(&location, environment.map(|(name, value)| (name.to_owned(), value))).unwrap()
}

fn snapshots(store: &Arc<dyn ObjectStore>, runtime: &Runtime) -> ObjectSnapshots {
    let place = SnapshotPlace { stage: "meter".into(), topic: "in".into(), partition: 0, log_id: "c".into(), rules: "r".into() };
    ObjectSnapshots::new(Arc::clone(store), place, Arc::new(SystemClock::default()), runtime.handle().clone())
}

fn begin(store: &mut ObjectSnapshots, offset: i64) {
    let segment = Some(Segment { bytes: vec![offset as u8; 10], expires_day: 100, is_sealed: false });
    let body = vec![offset as u8; 100_000];
    store.save(ToSave { offset, is_final: false, state: StageState { body, segment, today: 5, horizon_days: 36 } });
}

fn await_saved(store: &mut ObjectSnapshots, offset: i64) {
    let begun = Instant::now();
    loop {
        match store.saved() {
            Some(outcome) => break assert_eq!(outcome.unwrap().offset, offset),
            None => assert!(begun.elapsed() < Duration::from_secs(60), "not saved in a minute: {:?}", store.watch().get()),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn names(store: &Arc<dyn ObjectStore>, runtime: &Runtime) -> Vec<String> {
    let listed = runtime.block_on(store.list_with_delimiter(Some(&"meter/in/0".into()))).unwrap();
    listed.objects.iter().map(|object| object.location.filename().unwrap().to_owned()).collect()
}

fn assert_holds(store: &Arc<dyn ObjectStore>, runtime: &Runtime, offset: i64) {
    let holdings = snapshots(store, runtime).load().unwrap();
    assert!(holdings.broken.is_empty(), "{:?}", holdings.broken);
    let loaded = holdings.newest.unwrap();
    assert_eq!((loaded.head.offset, loaded.body), (offset, vec![offset as u8; 100_000]));
    let all: Vec<u8> = (1..=offset).flat_map(|offset| [offset as u8; 10]).collect();
    assert_eq!(loaded.segments.concat(), all);
}

#[test]
fn snapshots_in_a_bucket_come_back_and_the_last_two_are_kept() {
    let (server, runtime) = (Server::start(false), Runtime::new().unwrap());
    let store = store_at(server.address);
    runtime.block_on(probe(URL, &*store)).unwrap();
    let mut saving = snapshots(&store, &runtime);
    let holdings = saving.load().unwrap();
    assert!(holdings.newest.is_none() && holdings.broken.is_empty());
    for offset in 1..=12 {
        begin(&mut saving, offset);
        await_saved(&mut saving, offset);
    }
    assert_holds(&store, &runtime, 12);
    let names = names(&store, &runtime);
    assert_eq!(names.iter().filter(|name| name.starts_with("snapshot-")).count(), 2, "{names:?}");
    assert!(names.len() < 10, "{names:?}");
    // Beside the bucket's root, where the URL says.
    let path = runtime.block_on(store_root(server.address).list_with_delimiter(None)).unwrap().common_prefixes;
    assert_eq!(path, ["cost-rhythm".into()]);
}

#[test]
fn sealed_identities_in_a_bucket_are_merged_and_read_by_requests() {
    let (server, runtime) = (Server::start(false), Runtime::new().unwrap());
    let store = store_at(server.address);
    let mut saving = snapshots(&store, &runtime);
    saving.load().unwrap();
    // So many that a merge writes more than one part.
    const EACH: u64 = 120_000;
    let identity = |number: u64| {
        let mixed = xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
        Identity { low: mixed as u64, high: (mixed >> 64) as u64, value: number << 16 | 5 }
    };
    for seal in 1..=5 {
        let bytes = ((seal - 1) * EACH..seal * EACH).flat_map(|number| identity(number).to_bytes()).collect();
        let segment = Some(Segment { bytes, expires_day: 41, is_sealed: true });
        let state = StageState { body: vec![1], segment, today: 5, horizon_days: 36 };
        saving.save(ToSave { offset: seal as i64, is_final: false, state });
        await_saved(&mut saving, seal as i64);
    }
    let loaded = snapshots(&store, &runtime).load().unwrap().newest.unwrap();
    assert_eq!(loaded.head.runs.iter().map(|run| run.entries).collect::<Vec<_>>(), [4 * EACH, EACH]);
    for number in (0..6 * EACH).step_by(5003) {
        let wanted = identity(number);
        let found = loaded.runs.iter().find_map(|run| run.find(wanted.low, wanted.high, &mut 0).unwrap());
        assert_eq!(found, (number < 5 * EACH).then_some(wanted));
    }
}

fn store_root(address: SocketAddr) -> object_store::aws::AmazonS3 {
    let builder = object_store::aws::AmazonS3Builder::new().with_bucket_name("state").with_region("us-east-1");
    let builder = builder.with_endpoint(format!("http://{address}")).with_allow_http(true);
    builder.with_access_key_id("tests").with_secret_access_key(SECRET).build().unwrap()
}

#[test]
fn a_store_that_goes_away_and_comes_back_costs_no_snapshot() {
    let (server, runtime) = (Server::start(false), Runtime::new().unwrap());
    let proxy = Proxy::start(server.address);
    let store = store_at(proxy.address);
    let mut saving = snapshots(&store, &runtime);
    begin(&mut saving, 1);
    await_saved(&mut saving, 1);
    proxy.go_away();
    begin(&mut saving, 2);
    std::thread::sleep(Duration::from_secs(2));
    assert!(saving.saved().is_none());
    proxy.come_back();
    await_saved(&mut saving, 2);
    begin(&mut saving, 3);
    await_saved(&mut saving, 3);
    assert_holds(&store, &runtime, 3);
    let written = saving.watch().get().last.unwrap();
    assert!(written.bytes > 30, "{written:?}");
}

#[test]
fn a_store_that_is_away_is_never_taken_for_an_empty_or_damaged_one() {
    let (server, runtime) = (Server::start(false), Runtime::new().unwrap());
    let proxy = Proxy::start(server.address);
    let store = store_at(proxy.address);
    let mut saving = snapshots(&store, &runtime);
    begin(&mut saving, 1);
    await_saved(&mut saving, 1);
    // Away until the load is under way.
    proxy.go_away();
    let back = proxy.clone();
    let returning = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        back.come_back();
    });
    assert_holds(&store, &runtime, 1);
    returning.join().unwrap();
}

#[test]
fn refused_credentials_are_an_error_with_a_remedy_and_without_the_secret() {
    let (server, runtime) = (Server::start(true), Runtime::new().unwrap());
    let store = store_at(server.address);
    let error = runtime.block_on(probe(URL, &*store)).unwrap_err();
    assert!(matches!(error, StateStoreError::Unreachable { .. }), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.starts_with("CR-3105: state.url = \"s3://state/cost-rhythm/test\"") && text.contains("credentials"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
    let mut saving = snapshots(&store, &runtime);
    assert!(saving.load().is_err());
    // It is not tried again for ever: the same keys will not become good.
    begin(&mut saving, 1);
    let begun = Instant::now();
    let error = loop {
        match saving.saved() {
            Some(outcome) => break outcome.unwrap_err().to_string(),
            None => assert!(begun.elapsed() < Duration::from_secs(60)),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(error.contains("cannot write") && !error.contains(SECRET), "{error}");
}
