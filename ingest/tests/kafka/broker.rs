//! A real Apache Kafka (one KRaft node) for tests. It ends with the value, or with the process if that is killed.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

/// Where `scripts/kafka.sh install` has put Kafka (`$KAFKA_JARS` names another place); installs it when it is not there.
fn jars() -> PathBuf {
    static ONCE: Mutex<()> = Mutex::new(());
    if let Ok(jars) = std::env::var("KAFKA_JARS") {
        return jars.into();
    }
    let _one_at_a_time = ONCE.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = std::env::var("COST_RHYTHM_CACHE")
        .map_or_else(|_| Path::new(&std::env::var("HOME").unwrap()).join(".cache/cost-rhythm"), PathBuf::from);
    let jars = cache.join("kafka/4.1.1/libs");
    if !jars.exists() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/kafka.sh");
        assert!(Command::new(script).arg("install").status().unwrap().success(), "scripts/kafka.sh install failed");
    }
    jars
}

/// A running broker, or one that is stopped and keeps its data.
pub(crate) struct Broker {
    directory: tempfile::TempDir,
    port: u16,
    process: Mutex<Option<(Child, ChildStdin)>>,
}

static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());

impl Broker {
    /// One broker for all tests that run at the same time.
    pub(crate) fn shared() -> Arc<Broker> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let broker = Arc::new(Broker::start());
            *shared = Arc::downgrade(&broker);
            broker
        })
    }

    pub(crate) fn start() -> Broker {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (first, second) = (free(), free());
        let (port, controller) = (first.local_addr().unwrap().port(), second.local_addr().unwrap().port());
        drop((first, second));
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\nlog.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\ntransaction.state.log.num.partitions=4\n\
             group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\nlog.retention.check.interval.ms=1000\n",
            data.display()
        );
        fs::write(directory.path().join("server.properties"), properties).unwrap();
        let broker = Broker { directory, port, process: Mutex::new(None) };
        let mut format = Command::new("java");
        format.arg("-cp").arg(format!("{}/*", jars().display())).arg("kafka.tools.StorageTool");
        let format = format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]).arg(broker.properties()).output();
        let format = format.unwrap();
        assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stderr));
        broker.resume();
        broker
    }

    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn properties(&self) -> PathBuf {
        self.directory.path().join("server.properties")
    }

    fn java(&self, class: &str) -> Command {
        // The shell kills the server when its standard input closes, which happens even if the test is killed.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "exec 3<&0; \"$@\" </dev/null & pid=$!; (cat <&3 >/dev/null; kill -9 $pid 2>/dev/null) & wait $pid",
            "sh",
            "java",
            "-Xmx512m",
            "-cp",
        ]);
        command.arg(format!("{}/*", jars().display())).arg(class).stdin(Stdio::piped());
        command
    }

    /// Starts a stopped broker on the same port with the same data.
    pub(crate) fn resume(&self) {
        let log = fs::File::create(self.directory.path().join("out.log")).unwrap();
        let mut command = self.java("kafka.Kafka");
        let mut child = command.arg(self.properties()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        *self.process.lock().unwrap() = Some((child, stdin));
        let begun = Instant::now();
        let admin = ingest::kafka::KafkaConnection::plaintext(self.brokers()).client_config().unwrap();
        loop {
            let up = ingest::kafka::Admin::new(&admin, Duration::from_secs(2)).unwrap().cluster_id();
            if up.is_ok() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{}", fs::read_to_string(self.directory.path().join("out.log")).unwrap());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills the broker; its data stay.
    pub(crate) fn stop(&self) {
        if let Some((mut child, stdin)) = self.process.lock().unwrap().take() {
            drop(stdin);
            child.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}
