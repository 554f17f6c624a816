//! The S3 server of `scripts/s3.sh`, and a proxy in front of it that can be away.

use std::io::{BufRead, BufReader};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// Ends with its value, or with the process if that is killed: the server reads until its standard input ends.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// `locked`: no access key is good.
    pub fn start(locked: bool) -> Server {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|directory| directory.join("scripts/s3.sh")).find(|path| path.exists());
        let script = script.unwrap_or_else(|| panic!("scripts/s3.sh is missing"));
        let mut command = Command::new(&script);
        command.arg("serve").args(locked.then_some("locked")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("s3 at http://").map(|address| address.parse().unwrap()));
        let address = address.unwrap_or_else(|| {
            panic!("the S3 server did not start (its words are above): `scripts/s3.sh install` needs python3, its venv module and PyPI")
        });
        Server { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

/// Passes connections on, or closes them all.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    /// `None`: away.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Proxy {
    pub fn start(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), open: Arc::new(Mutex::new(Some(Vec::new()))) };
        let this = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                this.take(client.unwrap(), server);
            }
        });
        proxy
    }

    fn take(&self, client: TcpStream, server: SocketAddr) {
        let mut open = self.open.lock().unwrap();
        let Some(open) = open.as_mut() else { return };
        let upstream = TcpStream::connect(server).unwrap();
        for (mut from, mut to) in
            [(client.try_clone().unwrap(), upstream.try_clone().unwrap()), (upstream.try_clone().unwrap(), client.try_clone().unwrap())]
        {
            std::thread::spawn(move || {
                std::io::copy(&mut from, &mut to).ok();
                to.shutdown(Shutdown::Write).ok();
            });
        }
        open.extend([client, upstream]);
    }

    pub fn go_away(&self) {
        for connection in self.open.lock().unwrap().take().unwrap() {
            connection.shutdown(Shutdown::Both).ok();
        }
    }

    pub fn come_back(&self) {
        *self.open.lock().unwrap() = Some(Vec::new());
    }
}
