//! A TCP proxy in front of a server that fails in the ways networks fail.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Passes everything on.
pub const PASS: u8 = 0;
/// Refuses: closes every connection at once.
pub const REFUSE: u8 = 1;
/// Passes a part of every request on and cuts the connection: a half-written insert.
pub const CUT_REQUEST: u8 = 2;
/// Passes requests on, and cuts the connection when the answer comes: an insert that was taken and looks as if it was not.
pub const CUT_ANSWER: u8 = 3;
/// Passes everything on, each piece late: a slow server.
pub const SLOW: u8 = 4;

/// How late.
const LATE: Duration = Duration::from_millis(300);

/// Bytes of a request that is cut.
const PART: usize = 20_000;

/// How soon a connection sees that the mode has changed.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub struct Proxy {
    pub address: SocketAddr,
    /// Connections that were cut in their course.
    pub cuts: Arc<AtomicU64>,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), cuts: Arc::default(), mode: Arc::default() };
        let (mode, cuts) = (Arc::clone(&proxy.mode), Arc::clone(&proxy.cuts));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let now = mode.load(Ordering::SeqCst);
                let upstream = if now == REFUSE { None } else { TcpStream::connect(server).ok() };
                let Some(upstream) = upstream else { continue };
                let (from_client, to_client) = (client.try_clone().unwrap(), client);
                let (from_server, to_server) = (upstream.try_clone().unwrap(), upstream);
                let request = if now == CUT_REQUEST { PART } else { usize::MAX };
                let answer = if now == CUT_ANSWER { 0 } else { usize::MAX };
                for (from, to, limit) in [(from_client, to_server, request), (from_server, to_client, answer)] {
                    let (mode, cuts) = (Arc::clone(&mode), Arc::clone(&cuts));
                    std::thread::spawn(move || pass(from, to, limit, (&mode, now), &cuts));
                }
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

/// Passes at most `limit` bytes, then closes both connections, as it does when the proxy's mode changes.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: usize, (mode, began_in): (&AtomicU8, u8), cuts: &AtomicU64) {
    from.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    let (mut buffer, mut passed) = (vec![0; 64 * 1024], 0);
    while mode.load(Ordering::SeqCst) == began_in {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let allowed = count.min(limit - passed);
                let is_cut = allowed < count;
                if began_in == SLOW {
                    std::thread::sleep(LATE);
                }
                cuts.fetch_add(u64::from(is_cut), Ordering::SeqCst);
                if to.write_all(&buffer[..allowed]).is_err() || is_cut {
                    break;
                }
                passed += count;
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    for stream in [from, to] {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
