//! A real Apache Kafka (one KRaft node) for tests, by `scripts/kafka.sh`. It ends with the value, or with the process if that is killed.

use std::{
    io::BufRead,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// A running broker, or one that is stopped and keeps its data.
pub(crate) struct Broker {
    directory: PathBuf,
    /// What `kafka.sh env` says.
    environment: String,
    /// Takes the broker down when its standard input ends.
    guard: Child,
    _parent: tempfile::TempDir,
}

static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());

/// Of the workspace, whichever package's test this is.
fn script() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().map(|directory| directory.join("scripts/kafka.sh")).find(|script| script.exists()).unwrap()
}

fn run(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(script());
    let output = command.args(arguments).env("KAFKA_DIR", directory).env("KAFKA_PORT", "0").output().unwrap();
    assert!(output.status.success(), "kafka.sh {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

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
        Broker::up(&["up"])
    }

    /// With a second listener, which wants TLS and a password.
    pub(crate) fn start_secured() -> Broker {
        Broker::up(&["up", "--sasl"])
    }

    fn up(arguments: &[&str]) -> Broker {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("kafka");
        // In a process group of its own: a Ctrl-C at the terminal is not meant for it. It is there before the broker is.
        let mut guard = Command::new("sh")
            .args(["-c", "echo; cat >/dev/null; exec \"$0\" down --wipe 2>/dev/null"])
            .arg(script())
            .env("KAFKA_DIR", &directory)
            .env("KAFKA_STOP_SECONDS", "5")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::BufReader::new(guard.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        let environment = run(&directory, arguments);
        Broker { directory, environment, guard, _parent: parent }
    }

    pub(crate) fn brokers(&self) -> String {
        self.value("KAFKA_BROKERS")
    }

    /// What `kafka.sh env` gives a name.
    pub(crate) fn value(&self, name: &str) -> String {
        let values = self.environment.lines().filter_map(|line| line.split_once('='));
        values.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next().unwrap()
    }

    /// The output of another command of the script.
    pub(crate) fn script(&self, arguments: &[&str]) -> String {
        run(&self.directory, arguments)
    }

    /// Starts a stopped broker on the same port with the same data.
    pub(crate) fn resume(&self) {
        run(&self.directory, &["start-node", "1"]);
    }

    /// Kills the broker; its data stay.
    pub(crate) fn stop(&self) {
        run(&self.directory, &["stop-node", "1", "--hard"]);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().ok();
    }
}
