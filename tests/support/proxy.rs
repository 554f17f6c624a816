//! A TCP proxy in front of the engine that fails in the ways networks fail.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Passes everything on.
pub const PASS: u8 = 0;
/// Refuses: closes every connection at once.
pub const REFUSE: u8 = 1;
/// Passes a part of every request on and cuts the connection: a half-written insert.
pub const CUT_REQUEST: u8 = 2;
/// Passes requests on, and cuts the connection when the answer comes: an insert that was taken and looks as if it was not.
pub const CUT_ANSWER: u8 = 3;

/// Bytes of a request that is cut.
const PART: usize = 20_000;

pub struct Proxy {
    pub port: u16,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    pub fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), mode: Arc::default() };
        let mode = Arc::clone(&proxy.mode);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let now = mode.load(Ordering::SeqCst);
                let server = if now == REFUSE { None } else { TcpStream::connect(("127.0.0.1", server_port)).ok() };
                let Some(server) = server else { continue };
                let (from_client, to_client) = (client.try_clone().unwrap(), client);
                let (from_server, to_server) = (server.try_clone().unwrap(), server);
                let (up, down) = (Arc::clone(&mode), Arc::clone(&mode));
                let request = if now == CUT_REQUEST { PART } else { usize::MAX };
                let answer = if now == CUT_ANSWER { 0 } else { usize::MAX };
                std::thread::spawn(move || pass(from_client, to_server, request, &up, now));
                std::thread::spawn(move || pass(from_server, to_client, answer, &down, now));
            }
        });
        proxy
    }

    pub fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

/// Passes at most `limit` bytes, then closes both connections, as it does when the proxy's mode changes.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: usize, mode: &AtomicU8, began_in: u8) {
    from.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (mut buffer, mut passed) = (vec![0; 64 * 1024], 0);
    while mode.load(Ordering::SeqCst) == began_in {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let allowed = count.min(limit - passed);
                if to.write_all(&buffer[..allowed]).is_err() || allowed < count {
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
