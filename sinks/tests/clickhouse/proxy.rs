//! A TCP proxy in front of the engine that can fail in the ways networks fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Passes everything on.
pub const PASS: u8 = 0;
/// Closes every connection at once.
pub const DOWN: u8 = 1;
/// Passes requests on, waits for the server's answer and cuts the connection instead of passing it back.
pub const CUT_ANSWER: u8 = 2;

#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    mode: Arc<AtomicU8>,
    pub cuts: Arc<AtomicU64>,
}

impl Proxy {
    pub async fn start(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), mode: Arc::default(), cuts: Arc::default() };
        let this = proxy.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(this.clone().serve(client, server));
            }
        });
        proxy
    }

    pub fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn serve(self, mut client: TcpStream, server: SocketAddr) {
        if self.mode.load(Ordering::SeqCst) == DOWN {
            return;
        }
        let mut upstream = TcpStream::connect(server).await.unwrap();
        if self.mode.load(Ordering::SeqCst) == PASS {
            // A connection of good times is closed when bad times begin.
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut upstream) => {}
                () = self.no_longer_passing() => {}
            }
            return;
        }
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = upstream.split();
        let mut answer = vec![0; 64 * 1024];
        tokio::select! {
            _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            _ = from_server.read(&mut answer) => {
                self.cuts.fetch_add(1, Ordering::SeqCst);
                to_client.shutdown().await.ok();
            }
        }
    }

    async fn no_longer_passing(&self) {
        while self.mode.load(Ordering::SeqCst) == PASS {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}
