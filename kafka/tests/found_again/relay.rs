//! A relay between clients and a broker that changes the brokers in what the broker answers about metadata: it stands in
//! for each of them, and it can take all of them away, as a Kafka does that is not registered yet or any more.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const METADATA: i16 = 3;
/// The one whose layout [`without_broker`] knows; librdkafka and its mock agree on it.
const VERSION: i16 = 12;
const HOST: &[u8] = b"127.0.0.1";

pub(crate) struct Relay {
    port: u16,
    denies: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
}

/// The numbers of a connection's requests for metadata that have no answer yet.
type Asked = Arc<Mutex<HashSet<[u8; 4]>>>;

impl Relay {
    /// In front of `target` (`host:port`), on a free port of 127.0.0.1.
    pub(crate) fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (denies, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let relay = Self { port, denies: Arc::clone(&denies), is_over: Arc::clone(&is_over) };
        let target: SocketAddr = target.parse().expect("an address");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok).take_while(|_| !is_over.load(Ordering::SeqCst)) {
                let server = TcpStream::connect(target).expect("a broker");
                connect(client, server, Arc::clone(&denies)).expect("a connection");
            }
        });
        relay
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on.
    pub(crate) fn denies_brokers(&self, denies: bool) {
        self.denies.store(denies, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address());
    }
}

fn connect(client: TcpStream, server: TcpStream, denies: Arc<AtomicBool>) -> io::Result<()> {
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let [of_broker, of_relay] = [server.peer_addr()?, client.local_addr()?].map(|at| address(at.port()));
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    pass(client.try_clone()?, server.try_clone()?, move |request| {
        if i16::from_be_bytes([request[0], request[1]]) == METADATA {
            assert_eq!(i16::from_be_bytes([request[2], request[3]]), VERSION);
            noted.lock().expect("whole").insert([request[4], request[5], request[6], request[7]]);
        }
        request
    });
    pass(server, client, move |mut answer| {
        if asked.lock().expect("whole").remove(&[answer[0], answer[1], answer[2], answer[3]])
            && denies.load(Ordering::SeqCst)
        {
            return without_broker(answer);
        }
        // Metadata has it, and where a group's coordinator is.
        if let Some(at) = answer.windows(of_broker.len()).position(|window| window == of_broker) {
            answer[at..at + of_relay.len()].copy_from_slice(&of_relay);
        }
        answer
    });
    Ok(())
}

/// As it stands in an answer.
fn address(port: u16) -> Vec<u8> {
    [HOST, &i32::from(port).to_be_bytes()].concat()
}

/// Each frame of one direction, until either end has closed.
fn pass(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(Vec<u8>) -> Vec<u8> + Send + 'static) {
    thread::spawn(move || {
        let _: io::Result<()> = (|| {
            loop {
                let mut size = [0; 4];
                from.read_exact(&mut size)?;
                let mut frame = vec![0; usize::try_from(u32::from_be_bytes(size)).expect("fits")];
                from.read_exact(&mut frame)?;
                let frame = change(frame);
                let size = u32::try_from(frame.len()).expect("fits").to_be_bytes();
                to.write_all(&[&size, &*frame].concat())?;
            }
        })();
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}

/// Behind the request's number, no tagged fields, and the throttle time, there is an array of one broker without a rack. A
/// compact length is one more than the length.
fn without_broker(mut answer: Vec<u8>) -> Vec<u8> {
    const LENGTH_AT: usize = 4 + 1 + 4;
    const BROKER: usize = 4 + 1 + HOST.len() + 4 + 1 + 1;
    assert_eq!(answer[LENGTH_AT], 2, "one broker");
    let broker: Vec<u8> = answer.drain(LENGTH_AT + 1..=LENGTH_AT + BROKER).collect();
    assert_eq!((&broker[5..5 + HOST.len()], &broker[BROKER - 2..]), (HOST, &[0, 0][..]), "its host, no rack, no tags");
    answer[LENGTH_AT] = 1;
    answer
}
