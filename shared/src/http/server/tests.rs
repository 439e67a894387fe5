//! Which connections are ended, with looks that the tests make: what happens between them is no matter of time.

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::patience::{self, LOOKS};
use super::*;

/// More than both ends of a connection have room for.
const LARGE: usize = 64 * 1024 * 1024;
const PIECE: usize = LARGE / 16;
const ENOUGH: Duration = Duration::from_secs(10);

struct World {
    server: Server,
    listener: TcpListener,
    /// A request for `/slow` has come.
    begun: Arc<Notify>,
    /// It may be answered.
    go: Arc<Notify>,
}

impl World {
    async fn new() -> Self {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            async move || {
                begun.notify_one();
                go.notified().await;
            }
        };
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/slow", get(slow))
            .route("/large", get(async || vec![b'x'; LARGE]));
        let listener = bind("127.0.0.1", 0, "PORT").await.expect("bound");
        Self { server: Server::new(InContext::new("test", router)), listener, begun, go }
    }

    async fn connect(&mut self) -> TcpStream {
        let (ours, theirs) = tokio::join!(TcpStream::connect(local_address(&self.listener)), self.listener.accept());
        self.server.open(theirs.expect("accepted").0, ());
        ours.expect("connected")
    }

    /// The first look after it was opened finds the sign of that.
    fn look_until_over(&mut self) {
        (0..=LOOKS).for_each(|_| self.server.connections.look());
    }
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.expect("sent");
}

/// Some bytes, or none if it was ended.
async fn receive(stream: &mut TcpStream) -> usize {
    let mut room = vec![0; PIECE];
    let read = tokio::time::timeout(ENOUGH, stream.read(&mut room)).await.expect("something or the end comes in time");
    read.unwrap_or(0)
}

#[tokio::test]
async fn who_sends_no_whole_head_is_ended_also_if_it_comes_in_drops() {
    let mut world = World::new().await;
    let (mut silent, mut dripping) = (world.connect().await, world.connect().await);
    let mut idle = world.connect().await;
    send(&mut idle, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(receive(&mut idle).await > 0);
    for drop in b"GET /".chunks(1) {
        send(&mut dripping, drop).await;
        tokio::task::yield_now().await;
        world.server.connections.look();
    }
    for stream in [&mut silent, &mut dripping, &mut idle] {
        assert_eq!(receive(stream).await, 0);
    }
}

#[tokio::test]
async fn who_asks_now_and_then_or_waits_for_an_answer_is_not_ended() {
    let mut world = World::new().await;
    let (mut waiting, mut asking) = (world.connect().await, world.connect().await);
    send(&mut waiting, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    world.begun.notified().await;
    for _ in 0..4 {
        (1..LOOKS).for_each(|_| world.server.connections.look());
        send(&mut asking, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(receive(&mut asking).await > 0);
    }
    world.go.notify_one();
    assert!(receive(&mut waiting).await > 0);
    world.look_until_over();
    assert_eq!((receive(&mut waiting).await, receive(&mut asking).await), (0, 0));
}

#[tokio::test]
async fn who_takes_an_answer_slowly_gets_all_of_it_and_who_takes_nothing_does_not() {
    let mut world = World::new().await;
    let (mut slow, mut stuck) = (world.connect().await, world.connect().await);
    for stream in [&mut slow, &mut stuck] {
        send(stream, b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    let (mut taken, mut looks) = (0, 0);
    while taken < LARGE {
        let some = receive(&mut slow).await;
        assert_ne!(some, 0, "ended after {taken}");
        taken += some;
        // The server's turn, to send what there is room for again.
        tokio::time::sleep(Duration::from_millis(1)).await;
        if taken / PIECE > looks {
            looks = taken / PIECE;
            world.server.connections.look();
        }
    }
    assert!(looks > LOOKS as usize);
    world.look_until_over();
    let mut taken = 0;
    loop {
        match receive(&mut stuck).await {
            0 => break,
            some => taken += some,
        }
    }
    assert!(taken < LARGE, "{taken}");
}

#[tokio::test]
async fn a_connection_of_http_2_is_kept_for_the_next_request_once_it_had_one() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // `GET http /` by the numbers of HPACK's table, all of it in one frame of this stream.
    let request = |stream: u8| [0, 0, 3, 1, 5, 0, 0, 0, stream, 0x82, 0x86, 0x84];
    let mut world = World::new().await;
    let (mut asking, mut silent) = (world.connect().await, world.connect().await);
    for stream in [&mut asking, &mut silent] {
        send(stream, PREFACE).await;
    }
    for stream in [1, 3] {
        send(&mut asking, &request(stream)).await;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"here") {
            assert_ne!(
                tokio::time::timeout(ENOUGH, asking.read_buf(&mut bytes)).await.expect("in time").expect("read"),
                0
            );
        }
        world.look_until_over();
    }
    while receive(&mut silent).await > 0 {}
}

#[tokio::test]
async fn a_process_that_stood_still_looks_once() {
    let apart = Duration::from_millis(50);
    let mut looks = patience::looks(apart);
    looks.tick().await;
    std::thread::sleep(4 * apart);
    let stood_still = tokio::time::Instant::now();
    looks.tick().await;
    looks.tick().await;
    assert!(stood_still.elapsed() >= apart);
}
