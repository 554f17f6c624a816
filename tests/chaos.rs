//! Three brokers, one to three instances, the engine behind a failing network: killed, stopped and continued (zombies), cut off, out of disk, by a
//! seeded sequence, while events come in. Afterwards everything equals an undisturbed run over the same topic. The state is in a directory on a disk that
//! fills up, or in a bucket behind a network that is slow and cuts.
//!
//! `make chaos` is the long form. CHAOS_KILLS (instances killed, default 10), CHAOS_RATE (events a second, default 2,000), CHAOS_SEED, CHAOS_STATE
//! (`directory`, `bucket`; default: both, the bucket with a third of the kills).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::outcome::{alerts, assert_equal_views, dead_letters, views};
use support::proxy::{self, Proxy};
use support::{Engine, Kafka, Process, Seeded, Site, s3};

const BROKERS: u64 = 3;
const NAMES: [&str; 3] = ["one", "two", "three"];
/// Long enough for a stopped instance to lose its partitions and to come back as a zombie.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
const SECONDS_PER_KILL: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(600);
/// Of the file system that holds the state of few events: enough for what is in memory, and for all identities of so many events twice.
const STATE_MIB: u64 = 64;
const EVENTS_OF_A_MIB: u64 = 12_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number")))
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success(), "kill {name} {pid}");
}

/// Where the state is, and what can be done to that.
enum State {
    /// On a small file system of its own, where the machine lets us make one.
    Disk {
        path: PathBuf,
        mib: u64,
        is_own: bool,
    },
    Bucket {
        network: Proxy,
        _server: s3::Server,
    },
}

impl State {
    fn directory(path: PathBuf, events: u64) -> Self {
        let mib = STATE_MIB + events / EVENTS_OF_A_MIB;
        std::fs::create_dir_all(&path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(&path).output();
        let is_own = mount.is_ok_and(|output| output.status.success());
        if !is_own {
            eprintln!("a file system of its own for the state cannot be mounted here: its disk will not be full");
        }
        State::Disk { path, mib, is_own }
    }

    fn bucket() -> Self {
        let server = s3::Server::start(false);
        State::Bucket { network: Proxy::start(server.address), _server: server }
    }

    /// Begins a fault of the state, if it is one of this kind.
    fn break_by(&self, fault: Fault) -> bool {
        match (self, fault) {
            // Until nothing more fits.
            (State::Disk { path, mib, is_own: true }, Fault::FillDisk) => {
                let mut ballast = std::fs::File::create(path.join("ballast")).unwrap();
                let _ = (0..*mib).try_for_each(|_| ballast.write_all(&[0; 1024 * 1024]));
                true
            }
            (State::Bucket { network, .. }, Fault::SlowState | Fault::CutState) => {
                network.set(if fault == Fault::SlowState { proxy::SLOW } else { proxy::CUT_ANSWER });
                true
            }
            _ => false,
        }
    }

    fn mend(&self) {
        match self {
            State::Disk { path, .. } => std::fs::remove_file(path.join("ballast")).unwrap(),
            State::Bucket { network, .. } => network.set(proxy::PASS),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let State::Disk { path, is_own: true, .. } = self {
            drop(Command::new("umount").args(["--lazy"]).arg(path).output());
        }
    }
}

/// What can be done to the parts. Each has an end, after which the part is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// An instance, killed and started again.
    KillInstance,
    /// An instance, stopped for longer than the session: a zombie afterwards.
    StopInstance,
    /// An instance that leaves in order and comes back.
    EndInstance,
    KillBroker,
    RestartBroker,
    KillEngine,
    RefuseInserts,
    CutInserts,
    CutAnswers,
    FillDisk,
    SlowState,
    CutState,
}

const FAULTS: [Fault; 15] = [
    Fault::KillInstance,
    Fault::KillInstance,
    Fault::KillInstance,
    Fault::KillInstance,
    Fault::KillInstance,
    Fault::StopInstance,
    Fault::EndInstance,
    Fault::KillBroker,
    Fault::RestartBroker,
    Fault::KillEngine,
    Fault::RefuseInserts,
    Fault::CutInserts,
    Fault::CutAnswers,
    // CutState, where the state is in a bucket.
    Fault::FillDisk,
    Fault::SlowState,
];

struct Chaos<'a> {
    site: &'a Site,
    kafka: &'a Kafka,
    engine: Engine,
    network: Proxy,
    state: State,
    random: Seeded,
    instances: [Option<Process>; 3],
    /// What is broken, and when it is whole again.
    broken: Vec<(Instant, Fault, usize)>,
    broker_comes_back: Option<JoinHandle<()>>,
    done: BTreeMap<Fault, u32>,
    starts_repeated: u32,
    connections_lost: u32,
}

impl Chaos<'_> {
    fn start(&mut self, instance: usize) {
        self.instances[instance] = Some(self.site.run(NAMES[instance]));
    }

    fn is_broken(&self, kinds: &[Fault]) -> bool {
        self.broken.iter().any(|(_, fault, _)| kinds.contains(fault))
    }

    /// One more thing is broken, or nothing if it does not go with what is broken already.
    fn strike(&mut self) {
        let mut fault = FAULTS[self.random.next(FAULTS.len() as u64) as usize];
        // What a bucket has instead of a full disk.
        if fault == Fault::FillDisk && matches!(self.state, State::Bucket { .. }) {
            fault = Fault::CutState;
        }
        let instance = self.random.next(3) as usize;
        let mut which = instance;
        let mut seconds = 1 + self.random.next(5);
        let touched = self.broken.iter().any(|(_, fault, of)| *of == instance && *fault <= Fault::EndInstance);
        match fault {
            Fault::KillInstance | Fault::StopInstance | Fault::EndInstance if touched => return,
            Fault::KillInstance => {
                let Some(process) = self.instances[instance].take() else { return };
                process.kill();
                seconds = self.random.next(2);
            }
            Fault::StopInstance => {
                let Some(process) = &self.instances[instance] else { return };
                signal(process.0.id(), "-STOP");
                seconds = SESSION_TIMEOUT.as_secs() + 2;
            }
            Fault::EndInstance => {
                let Some(process) = self.instances[instance].take() else { return };
                // With the servers away it may not be done within its grace, and says so by its status.
                process.end(Duration::from_secs(30));
            }
            // One broker at a time: two of three are a quorum, and hold what is acknowledged.
            Fault::KillBroker | Fault::RestartBroker => {
                if self.is_broken(&[Fault::KillBroker, Fault::RestartBroker])
                    || self.broker_comes_back.as_ref().is_some_and(|back| !back.is_finished())
                {
                    return;
                }
                which = 1 + self.random.next(BROKERS) as usize;
                let hard: &[&str] = if fault == Fault::KillBroker { &["--hard"] } else { &[] };
                self.kafka.script(&[&["stop-node", &which.to_string()], hard].concat());
            }
            Fault::KillEngine if !self.is_broken(&[Fault::KillEngine]) => self.engine.kill(),
            Fault::RefuseInserts | Fault::CutInserts | Fault::CutAnswers
                if !self.is_broken(&[Fault::RefuseInserts, Fault::CutInserts, Fault::CutAnswers]) =>
            {
                self.network.set(match fault {
                    Fault::RefuseInserts => proxy::REFUSE,
                    Fault::CutInserts => proxy::CUT_REQUEST,
                    _ => proxy::CUT_ANSWER,
                });
            }
            Fault::FillDisk | Fault::SlowState | Fault::CutState
                if !self.is_broken(&[Fault::FillDisk, Fault::SlowState, Fault::CutState]) && self.state.break_by(fault) => {}
            _ => return,
        }
        self.broken.push((Instant::now() + Duration::from_secs(seconds), fault, which));
        *self.done.entry(fault).or_default() += 1;
    }

    /// Makes whole what is due, or everything.
    fn mend(&mut self, everything: bool) {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.broken).into_iter().partition(|(at, ..)| everything || *at <= now);
        self.broken = later;
        for (_, fault, which) in due {
            match fault {
                Fault::KillInstance | Fault::EndInstance => self.start(which),
                Fault::StopInstance => {
                    if let Some(process) = &self.instances[which] {
                        signal(process.0.id(), "-CONT");
                    }
                }
                Fault::KillBroker | Fault::RestartBroker => {
                    let start = self.kafka.command(&["start-node", &which.to_string()]);
                    self.broker_comes_back = Some(std::thread::spawn(move || support::run(start)));
                }
                Fault::KillEngine => self.engine.resume(),
                Fault::RefuseInserts | Fault::CutInserts | Fault::CutAnswers => self.network.set(proxy::PASS),
                Fault::FillDisk | Fault::SlowState | Fault::CutState => self.state.mend(),
            }
        }
        if everything && let Some(back) = self.broker_comes_back.take() {
            back.join().unwrap();
        }
        self.supervise();
    }

    /// An instance that cannot reach a server while it starts ends with status 2 and is started again, as a supervisor does. Nothing else may end one.
    fn supervise(&mut self) {
        for (instance, name) in NAMES.iter().enumerate() {
            let Some(process) = &mut self.instances[instance] else { continue };
            let Some(status) = process.0.try_wait().unwrap() else { continue };
            // A start that finds no server, or a connection that is broken for good: both ask for a supervisor, which we are.
            let has_lost_kafka = has_lost_kafka(self.site, name, status);
            assert!(has_lost_kafka || status.code() == Some(2), "instance {name} ended by itself, {status}; broken: {:?}", self.broken);
            self.start(instance);
            *(if has_lost_kafka { &mut self.connections_lost } else { &mut self.starts_repeated }) += 1;
        }
    }
}

/// Did the instance end because its connection was broken for good? Minutes after brokers died, when leaders move back, static members may be fenced.
fn has_lost_kafka(site: &Site, name: &str, status: ExitStatus) -> bool {
    status.code() == Some(1) && site.log(name).contains("CR-3108")
}

/// For the state in the bucket at this address.
fn bucket_settings(address: SocketAddr) -> String {
    format!(
        "url = \"s3://state/chaos\"\nproperties = {{ aws_endpoint = \"http://{address}\", aws_allow_http = \"true\", aws_region = \"us-east-1\" }}"
    )
}

/// A pipeline over three brokers, its state on a disk of its own, the engine behind the proxy, nearly all identities in runs.
fn rough_site(directory: &Path, kafka: &Kafka, engine: &Engine, network: &Proxy, state: &State) -> Site {
    let mut site = Site::new(directory, "chaos", kafka, engine, "[run]\nshutdown_grace = \"5s\"\n[limits]\nrecent_identities = 1000\n");
    site.amend("[kafka]", &format!("[kafka]\nsession_timeout = \"{}s\"", SESSION_TIMEOUT.as_secs()));
    site.amend(&engine.port.to_string(), &network.address.port().to_string());
    if let State::Bucket { network, .. } = state {
        site.amend("url = \"state-chaos\"", &bucket_settings(network.address));
        site.environment = vec![("AWS_ACCESS_KEY_ID", "tests"), ("AWS_SECRET_ACCESS_KEY", "tests")];
    }
    site
}

#[test]
fn after_all_that_an_unkind_world_does_everything_equals_an_undisturbed_run() {
    let kills = setting("CHAOS_KILLS", 10);
    let wanted = std::env::var("CHAOS_STATE").unwrap_or_default();
    let (directory, bucket) = match wanted.as_str() {
        "directory" => (kills, 0),
        "bucket" => (0, kills),
        "" => (kills, kills / 3),
        _ => panic!("CHAOS_STATE={wanted}: expected directory or bucket"),
    };
    if directory > 0 {
        chaos(directory, |path, events| State::directory(path.join("state-chaos"), events));
    }
    if bucket > 0 {
        chaos(bucket, |_, _| State::bucket());
    }
}

fn chaos(kills: u64, state: impl FnOnce(&Path, u64) -> State) {
    let (rate, seed) = (setting("CHAOS_RATE", 2_000), setting("CHAOS_SEED", 1));
    let events = kills * SECONDS_PER_KILL * rate;
    let directory = tempfile::tempdir().unwrap();
    let kafka = Kafka::start_nodes(directory.path(), BROKERS);
    let engine = Engine::start(directory.path());
    let network = Proxy::start(([127, 0, 0, 1], engine.port).into());
    let state = state(directory.path(), events);
    let site = rough_site(directory.path(), &kafka, &engine, &network, &state);

    let mut chaos = Chaos {
        site: &site,
        kafka: &kafka,
        engine,
        network,
        state,
        random: Seeded(seed),
        instances: [None, None, None],
        broken: Vec::new(),
        broker_comes_back: None,
        done: BTreeMap::new(),
        starts_repeated: 0,
        connections_lost: 0,
    };
    let begun = Instant::now();
    let (count, throttle, seed) = (events.to_string(), rate.to_string(), seed.to_string());
    let load =
        ["--count", &count, "--throttle", &throttle, "--seed", &seed, "--users", "300", "--hours", "48", "--formats", "all", "--trouble"];
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| site.succeed("generate", &load));
        chaos.start(0);
        chaos.site.await_first_rows();
        // From one instance to three.
        chaos.start(1);
        chaos.start(2);
        while !feeding.is_finished() || u64::from(chaos.done.get(&Fault::KillInstance).copied().unwrap_or(0)) < kills {
            let pause = 200 + chaos.random.next(800);
            std::thread::sleep(Duration::from_millis(pause));
            chaos.mend(false);
            chaos.strike();
        }
        feeding.join().unwrap();
    });
    chaos.mend(true);
    eprintln!(
        "{events} events in {:?}, seed {seed}: {:?}, {} starts repeated, {} connections lost for good",
        begun.elapsed(),
        chaos.done,
        chaos.starts_repeated,
        chaos.connections_lost
    );

    // From three to two. The last repair may have started it just now.
    support::await_true(Duration::from_secs(120), "the third instance is up", || {
        chaos.supervise();
        chaos.instances[2].as_ref().is_none_or(Process::handles_sigterm)
    });
    if let Some(third) = chaos.instances[2].take() {
        assert_eq!(third.end(Duration::from_secs(10)).code(), Some(0), "an orderly end");
    }
    let settled = Instant::now();
    while chaos.site.offsets() != Some(events) && settled.elapsed() < PATIENCE {
        chaos.supervise();
        std::thread::sleep(Duration::from_millis(200));
    }
    chaos.site.await_offsets(events, Duration::ZERO);
    eprintln!("all offsets {:?} after the beginning", begun.elapsed());
    chaos.site.succeed("audit", &[]);
    let found = (views(chaos.site), alerts(chaos.site), dead_letters(chaos.site));
    for (name, process) in NAMES.iter().zip(&mut chaos.instances) {
        let Some(status) = process.take().map(|process| process.end(Duration::from_secs(10))) else { continue };
        assert!(status.success() || has_lost_kafka(chaos.site, name, status), "an orderly end of {name}: {status}");
    }

    // The same topic, undisturbed.
    let calm = site.beside("calm", &kafka, &chaos.engine);
    let instance = calm.run("one");
    calm.await_offsets(events, PATIENCE);
    assert_equal_views(&found.0, &views(&calm));
    assert_eq!(found.1, alerts(&calm));
    assert_eq!(found.2, dead_letters(&calm));
    assert!(!found.1.is_empty() && !found.2.is_empty());
    assert_eq!(instance.end(Duration::from_secs(25)).code(), Some(0));
}
