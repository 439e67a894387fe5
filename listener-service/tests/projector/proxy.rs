//! A way to Redis that loses one answer when told to, after Redis has done what was asked; or that brings one call late.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::settings::RedisAddress;

pub(crate) struct Proxy {
    port: u16,
    loses_next: Arc<AtomicBool>,
    holds: Arc<Mutex<Option<&'static str>>>,
}

impl Proxy {
    /// Its threads end with the connections.
    pub(crate) fn to(redis: RedisAddress) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let loses_next = Arc::new(AtomicBool::new(false));
        let holds = Arc::new(Mutex::new(None));
        let shared = (Arc::clone(&loses_next), Arc::clone(&holds));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((redis.host.as_str(), redis.port)) else { continue };
                let (from, to) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
                let (loses, holds) = shared.clone();
                std::thread::spawn(move || carry(from, to, |bytes| hold(bytes, &holds)));
                std::thread::spawn(move || carry(server, client, |_| !loses.swap(false, Ordering::SeqCst)));
            }
        });
        Self { port, loses_next, holds }
    }

    pub(crate) fn address(&self) -> RedisAddress {
        RedisAddress { host: "127.0.0.1".to_owned(), port: self.port, password: None, database: 0 }
    }

    /// The next answer does not arrive; the connection ends in its place.
    pub(crate) fn lose_next(&self) {
        self.loses_next.store(true, Ordering::SeqCst);
    }

    /// What is sent next and has `words` in it stays on the way until it is let go, even if its sender gives up.
    pub(crate) fn hold(&self, words: &'static str) {
        *self.holds.lock().expect("no panic") = Some(words);
    }

    /// Lets go.
    pub(crate) fn let_go(&self) {
        *self.holds.lock().expect("no panic") = None;
    }

    /// Whether one was lost since.
    pub(crate) fn has_lost(&self) -> bool {
        !self.loses_next.load(Ordering::SeqCst)
    }
}

/// Until an end is closed, or `passes` says no.
fn carry(mut from: TcpStream, mut to: TcpStream, passes: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !passes(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn hold(bytes: &[u8], holds: &Mutex<Option<&'static str>>) -> bool {
    let is_held = || {
        let words = *holds.lock().expect("no panic");
        words.is_some_and(|words| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
    };
    while is_held() {
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
