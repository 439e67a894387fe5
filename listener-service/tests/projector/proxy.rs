//! A way to Redis that loses one answer when told to, after Redis has done what was asked.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::settings::RedisAddress;

pub(crate) struct Proxy {
    port: u16,
    loses_next: Arc<AtomicBool>,
}

impl Proxy {
    /// Its threads end with the connections.
    pub(crate) fn to(redis: RedisAddress) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let loses_next = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&loses_next);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((redis.host.as_str(), redis.port)) else { continue };
                let (from, to) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
                std::thread::spawn(move || carry(from, to, &AtomicBool::new(false)));
                let loses = Arc::clone(&shared);
                std::thread::spawn(move || carry(server, client, &loses));
            }
        });
        Self { port, loses_next }
    }

    pub(crate) fn address(&self) -> RedisAddress {
        RedisAddress { host: "127.0.0.1".to_owned(), port: self.port, password: None, database: 0 }
    }

    /// The next answer does not arrive; the connection ends in its place.
    pub(crate) fn lose_next(&self) {
        self.loses_next.store(true, Ordering::SeqCst);
    }

    /// Whether one was lost since.
    pub(crate) fn has_lost(&self) -> bool {
        !self.loses_next.load(Ordering::SeqCst)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, loses: &AtomicBool) {
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if loses.swap(false, Ordering::SeqCst) {
            break;
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
