//! Each behaviour, as a client and a server on either side see it. Blocking sockets: the proxy needs no runtime of ours.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::*;
use crate::poll::eventually_blocking;

const SOON: Duration = Duration::from_secs(10);
/// Long enough for what passes to have passed, many times over.
const A_WHILE: Duration = Duration::from_millis(100);

/// Both ends of one connection through the proxy, and the proxy.
struct Pair {
    proxy: Proxy,
    server: TcpListener,
    near: TcpStream,
    far: TcpStream,
}

impl Pair {
    fn new() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::before(server.local_addr().unwrap());
        let (near, far) = connect(&proxy, &server);
        Self { proxy, server, near, far }
    }
}

fn connect(proxy: &Proxy, server: &TcpListener) -> (TcpStream, TcpStream) {
    let mut near = patient(TcpStream::connect(proxy.address()).unwrap());
    let mut far = patient(server.accept().unwrap().0);
    assert_passes(&mut near, &mut far);
    assert_passes(&mut far, &mut near);
    (near, far)
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[track_caller]
fn assert_passes(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"ping").unwrap();
    assert_arrives(to, b"ping");
}

#[track_caller]
fn assert_arrives(at: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    at.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

#[track_caller]
fn assert_silent(at: &mut TcpStream) {
    at.set_read_timeout(Some(A_WHILE)).unwrap();
    let read = at.read(&mut [0; 8]);
    assert!(matches!(&read, Err(error) if error.kind() == ErrorKind::WouldBlock), "{read:?}");
    at.set_read_timeout(Some(SOON)).unwrap();
}

/// How it ended: in order, or with what error.
fn end_of(stream: &mut TcpStream) -> Option<ErrorKind> {
    stream.read(&mut [0; 8]).map(|read| assert_eq!(read, 0)).err().map(|error| error.kind())
}

#[test]
fn what_is_sent_arrives_whole_and_so_does_the_end_of_one_direction() {
    let mut pair = Pair::new();
    let much: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let sent = much.clone();
    let mut near = pair.near.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        near.write_all(&sent).unwrap();
        near.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut read = Vec::new();
    pair.far.read_to_end(&mut read).unwrap();
    sending.join().unwrap();
    assert!(read == much);
    assert_passes(&mut pair.far, &mut pair.near);
}

#[test]
fn a_delay_is_waited_for_and_keeps_the_order_and_ends_when_it_is_taken_away() {
    let mut pair = Pair::new();
    let delay = Duration::from_millis(200);
    pair.proxy.set(Link::Delayed(delay));
    let begun = Instant::now();
    for byte in 0..10 {
        pair.near.write_all(&[byte]).unwrap();
    }
    assert_arrives(&mut pair.far, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let took = begun.elapsed();
    // Each is late by so much, and not by so much more than the one before.
    assert!((delay..delay * 8).contains(&took), "{took:?}");
    pair.proxy.set(Link::Delayed(SOON * 10));
    pair.near.write_all(b"late").unwrap();
    assert_silent(&mut pair.far);
    pair.proxy.set(Link::Clear);
    assert_arrives(&mut pair.far, b"late");
}

#[test]
fn behind_a_cut_nothing_passes_until_the_link_is_whole_again() {
    let mut pair = Pair::new();
    pair.proxy.set(Link::Cut);
    pair.near.write_all(b"to the server").unwrap();
    pair.far.write_all(b"to the client").unwrap();
    assert_silent(&mut pair.far);
    assert_silent(&mut pair.near);
    let mut newcomer = patient(TcpStream::connect(pair.proxy.address()).unwrap());
    newcomer.write_all(b"hello").unwrap();
    assert_silent(&mut newcomer);
    pair.server.set_nonblocking(true).unwrap();
    assert_eq!(pair.server.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    pair.server.set_nonblocking(false).unwrap();
    pair.proxy.set(Link::Clear);
    assert_arrives(&mut pair.far, b"to the server");
    assert_arrives(&mut pair.near, b"to the client");
    assert_arrives(&mut patient(pair.server.accept().unwrap().0), b"hello");
}

#[test]
fn behind_a_cut_nobody_learns_that_the_other_end_is_gone() {
    let Pair { proxy, near, mut far, server: _server } = Pair::new();
    proxy.set(Link::Cut);
    far.write_all(b"never read").unwrap();
    // With an answer unread, this is an RST.
    drop(near);
    assert_silent(&mut far);
    proxy.set(Link::Clear);
    end_of(&mut far);
}

#[test]
fn who_is_refused_is_so_at_once_and_everybody_else_is_closed() {
    let mut pair = Pair::new();
    pair.proxy.set(Link::Refused);
    assert_eq!(end_of(&mut pair.near), None);
    assert_eq!(end_of(&mut pair.far), None);
    let refused = TcpStream::connect(pair.proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    pair.proxy.set(Link::Refused);
    pair.proxy.set(Link::Clear);
    connect(&pair.proxy, &pair.server);
}

#[test]
fn a_reset_is_seen_at_both_ends_and_who_comes_after_it_passes() {
    let mut pair = Pair::new();
    pair.proxy.set(Link::Reset);
    assert_eq!(end_of(&mut pair.near), Some(ErrorKind::ConnectionReset));
    assert_eq!(end_of(&mut pair.far), Some(ErrorKind::ConnectionReset));
    let (mut near, _far) = connect(&pair.proxy, &pair.server);
    pair.proxy.set(Link::Reset);
    assert_eq!(end_of(&mut near), Some(ErrorKind::ConnectionReset));
}

#[test]
fn slices_tear_what_was_sent_at_once_and_lose_nothing() {
    let mut pair = Pair::new();
    pair.proxy.set(Link::Sliced(3));
    let sent: Vec<u8> = (0..200).collect();
    pair.near.write_all(&sent).unwrap();
    let (mut read, mut reads) = (Vec::new(), 0);
    while read.len() < sent.len() {
        let mut buffer = [0; 512];
        let size = pair.far.read(&mut buffer).unwrap();
        read.extend_from_slice(&buffer[..size]);
        reads += 1;
    }
    assert_eq!(read, sent);
    // At most 3 bytes each, unless this thread was too slow to see them one by one.
    assert!(reads > 20, "{reads} reads");
}

#[test]
fn without_a_server_a_connection_is_closed_and_with_one_again_it_passes() {
    let port = free_port();
    let proxy = Proxy::before(format!("127.0.0.1:{port}"));
    let mut early = patient(TcpStream::connect(proxy.address()).unwrap());
    assert_eq!(end_of(&mut early), None);
    let server = TcpListener::bind(("127.0.0.1", port)).unwrap();
    connect(&proxy, &server);
}

#[test]
fn a_proxy_that_is_dropped_leaves_no_thread_no_connection_and_no_port() {
    let mut pair = Pair::new();
    let name = format!("proxy-{}", pair.proxy.port());
    let is_there = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.map(|found| found.trim().to_owned()).any(|found| found == name)
    };
    assert!(is_there());
    pair.proxy.set(Link::Cut);
    let address = pair.proxy.address();
    drop(pair.proxy);
    // A thread that was joined is gone from the list a moment later.
    eventually_blocking(SOON, || !is_there());
    assert_eq!((end_of(&mut pair.near), end_of(&mut pair.far)), (None, None));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_port_that_is_asked_for_is_taken_or_refused_with_a_reason() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = server.local_addr().unwrap();
    let port = free_port();
    let proxy = Proxy::at(port, target).unwrap();
    assert_eq!(proxy.port(), port);
    connect(&proxy, &server);
    assert_eq!(Proxy::at(port, target).unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(proxy);
    Proxy::at(port, target).unwrap();
}
