//! How long a partition takes to come back: seconds for each GB of state, of a meter and of a monitor, from a directory.
//!
//! One meter folds events of many users into the open quarter hours of all default grouping sets, one monitor takes what it sends; both are saved and
//! loaded as the service does. `USERS=200000 cargo bench -p runtime --bench recovery`; the time counts that this thread has the
//! processor, so that other work on the machine counts less; reading from the disk is a matter of the clock, and is shown beside.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::local::LocalFileSystem;
use processor::meter::{Meter, MeterPlace, MeterRules};
use processor::monitor::{Monitor, MonitorLimits, MonitorRules, WatchRules};
use processor::pricing::Pricer;
use runtime::io::SystemClock;
use runtime::object_snapshots::{ObjectSnapshots, SnapshotPlace};
use runtime::stage::StageState;
use runtime::store::{Loaded, SnapshotStore, ToSave};
use rustix::time::{ClockId, clock_gettime};
use schemas::calendar::Calendar;
use schemas::identity_run::Segment;
use schemas::rates::Rates;
use schemas::timestamp::{DAY_US, HOUR_US, MINUTE_US};
use schemas::{Dimension, Event, GroupingSet, Kind, Timestamp, Tokens};
use tokio::runtime::Handle;

const START: i64 = 1_795_305_600_000_000;
const QUARTER_HOURS: i64 = 8;
const HORIZON_DAYS: i64 = 35;

struct Names {
    users: Vec<String>,
    small: Vec<String>,
}

fn event<'a>(names: &'a Names, id: &'a str, user: usize, at: i64) -> Event<'a> {
    let mut dimensions = [""; Dimension::COUNT];
    let small = |salt: usize| names.small[(user * 31 + salt * 7) % names.small.len()].as_str();
    for (salt, dimension) in
        [Dimension::Provider, Dimension::Model, Dimension::Feature, Dimension::Route, Dimension::Team].into_iter().enumerate()
    {
        dimensions[dimension as usize] = small(salt);
    }
    dimensions[Dimension::UserId as usize] = &names.users[user];
    Event {
        source: "bench",
        event_id: id,
        occurred_at: Timestamp::from_micros(at),
        kind: Kind::Llm,
        adjusts: "",
        dimensions,
        tokens: Tokens { uncached_input: 100, output: 7, ..Tokens::default() },
        usage_known: true,
        amount: None,
        revenue: None,
        latency_ms: Some(100),
        status: "ok",
        error_type: "",
        tags: &[],
        attributes: &[],
    }
}

fn store(directory: &std::path::Path, stage: &str, handle: &Handle) -> ObjectSnapshots {
    let store = Arc::new(LocalFileSystem::new_with_prefix(directory).unwrap().with_fsync(true));
    let place = SnapshotPlace { stage: stage.into(), topic: "in".into(), partition: 0, log_id: "c".into(), rules: "r".into() };
    ObjectSnapshots::new(store, place, Arc::new(SystemClock::default()), handle.clone())
}

/// Processor time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap().as_secs_f64()
}

/// Saves a state, forgets it, and says how long it takes until `restore` has it again; `cells` counts what is in it.
fn measure<S>(
    name: &str,
    directory: &std::path::Path,
    handle: &Handle,
    (body, segment): (Vec<u8>, Option<Segment>),
    restore: impl FnOnce(&Loaded) -> S,
    cells: impl FnOnce(&S) -> usize,
) {
    let bytes = body.len() + segment.as_ref().map_or(0, |segment| segment.bytes.len());
    let mut writer = store(directory, name, handle);
    writer.save(ToSave {
        offset: 1,
        is_final: false,
        state: StageState { body, segment, today: START / DAY_US, horizon_days: HORIZON_DAYS + 1 },
    });
    while writer.saved().is_none_or(|outcome| outcome.is_err()) {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    let loaded = store(directory, name, handle).load().unwrap().newest.unwrap();
    let read = begun.elapsed().as_secs_f64();
    let begun = cpu_seconds();
    let state = restore(&loaded);
    let restored = cpu_seconds() - begun;
    let cells = cells(&state);
    let per_gb = (read + restored) / (bytes as f64 / 1e9);
    println!(
        "{name:<8} {cells:>10} cells {:>8.1} MB: read {read:>6.2} s (clock), restored {restored:>6.2} s (processor), {per_gb:>5.2} s/GB",
        bytes as f64 / 1e6,
    );
}

fn main() {
    let users: usize = std::env::var("USERS").map_or(200_000, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let names = Names {
        users: (0..users).map(|user| format!("user-{user:08}@example.org")).collect(),
        small: (0..20).map(|number| format!("name-{number:02}")).collect(),
    };
    let sets = || {
        let of = |name: &str, key: &[Dimension]| GroupingSet::new(name, key);
        vec![
            of("total", &[]),
            of("model", &[Dimension::Provider, Dimension::Model]),
            of("feature", &[Dimension::Feature]),
            of("route", &[Dimension::Route]),
            of("team", &[Dimension::Team]),
            of("user", &[Dimension::UserId]),
        ]
    };
    let place = MeterPlace { topic: "in".into(), partition: 0, inputs: 1, shards: 1 };
    let rules = || MeterRules { horizon_us: HORIZON_DAYS * DAY_US, retain_us: 4 * HOUR_US, ..MeterRules::new(sets()) };
    let mut meter = Meter::new(rules(), place.clone(), Pricer::without_prices(), 0);
    let monitor_rules = || MonitorRules {
        sets: sets(),
        budgets: Vec::new(),
        rates: Rates::default(),
        calendar: Calendar::new("UTC").unwrap(),
        retain_us: 2 * DAY_US,
        watch: WatchRules::default(),
        limits: MonitorLimits::default(),
    };
    let mut monitor = Monitor::new(monitor_rules(), 0);
    let (mut offset, mut partial) = (0, 0);
    for quarter in 0..QUARTER_HOURS {
        for user in 0..users {
            let id = format!("req-{offset}");
            let at = START + quarter * 15 * MINUTE_US;
            meter.fold(offset, Timestamp::from_micros(at), &event(&names, &id, user, at)).unwrap();
            offset += 1;
        }
        meter.flush();
        for block in meter.take_blocks() {
            monitor.apply(partial, &block.bytes).unwrap();
            partial += 1;
        }
        monitor.flush(&mut ());
    }
    println!("{users} users in {QUARTER_HOURS} quarter hours, 6 grouping sets, {} identities", meter.identities());
    let state = (meter.snapshot().unwrap(), Some(meter.take_segment()));
    drop(meter);
    let restore = |loaded: &Loaded| {
        let mut meter = Meter::restore(&loaded.body, rules(), place.clone(), Pricer::without_prices()).unwrap();
        loaded.segments.iter().for_each(|segment| meter.restore_segment(segment));
        meter
    };
    measure("meter", directory.path(), runtime.handle(), state, restore, Meter::cells);
    let state = (monitor.snapshot().unwrap(), None);
    drop(monitor);
    let restore = |loaded: &Loaded| Monitor::restore(&loaded.body, monitor_rules()).unwrap();
    measure("monitor", directory.path(), runtime.handle(), state, restore, |monitor| monitor.gauges().cells);
}
