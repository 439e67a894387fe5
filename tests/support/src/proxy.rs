//! A small TCP proxy in front of one address, whose link a test makes bad and good again while it runs.
//!
//! It has a thread and a runtime of its own, so that callers need none. What [`Proxy::set`] asked for holds when it
//! returns. Connections, and what is under way in each, are bounded; all of it ends when the proxy is dropped.

mod connection;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc as orders, watch};
use tokio::task::JoinSet;

use crate::kafka::free_port;

/// Further ones wait in the system's queue until one has ended.
const CONNECTIONS: usize = 1024;
const QUEUE: u32 = 1024;
/// Of a port that somebody else took between being found free and being bound.
const TRIES: usize = 20;
const OBEYS_WITHIN: Duration = Duration::from_secs(10);

/// How the way through the proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Everything passes at once.
    Clear,
    /// Each piece arrives later by so much, in both directions and in order.
    Delayed(Duration),
    /// Connections stay open and new ones are accepted, but nothing passes, not even that an end has closed. What was
    /// under way arrives once the link is whole again, as it does behind a cable that was pulled.
    Cut,
    /// Connections are closed, and new ones refused.
    Refused,
    /// The connections of this moment end with an RST, at both ends; new ones pass.
    Reset,
    /// Everything passes in pieces of 1 to so many bytes, a millisecond apart, so that frames are torn.
    Sliced(usize),
}

/// What connections follow.
#[derive(Debug, Clone, Copy)]
struct State {
    link: Link,
    /// How often all connections were ended. One that began before such an end is ended by it.
    ends: u64,
}

type Order = (Link, mpsc::Sender<()>);

/// A proxy; it ends, with its connections, when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    orders: Option<orders::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of `target` (`host:port`), which need not be there yet, on a free port.
    #[expect(clippy::needless_pass_by_value, reason = "an address is given as it is at hand: text or a SocketAddr")]
    pub fn before(target: impl ToString) -> Self {
        let bound = (0..TRIES).find_map(|_| Self::at(free_port(), target.to_string()).ok());
        bound.expect("a port that stays free for a moment")
    }

    /// In front of `target`, on this port of 127.0.0.1. An error if it is taken.
    #[expect(clippy::needless_pass_by_value, reason = "as above")]
    pub fn at(port: u16, target: impl ToString) -> io::Result<Self> {
        let target = target.to_string();
        let (orders, incoming) = orders::unbounded_channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::Builder::new().name(format!("proxy-{port}")).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let socket = bind(port).and_then(|socket| socket.listen(QUEUE));
                match socket.and_then(|listener| Ok((listener.local_addr()?.port(), listener))) {
                    Ok((port, listener)) => {
                        let _ = ready.send(Ok(port));
                        serve(listener, port, target, incoming).await;
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
        })?;
        match is_ready.recv().expect("it says how it began") {
            Ok(port) => Ok(Self { port, orders: Some(orders), thread: Some(thread) }),
            Err(error) => {
                let _ = thread.join();
                Err(error)
            }
        }
    }

    /// The port on 127.0.0.1, the same for as long as the proxy lives.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on. Connections that this ends have ended when it returns.
    pub fn set(&self, link: Link) {
        let (done, is_done) = mpsc::channel();
        let orders = self.orders.as_ref().expect("taken only when dropped");
        orders.send((link, done)).expect("its thread lives as long");
        is_done.recv_timeout(OBEYS_WITHIN).expect("it obeys soon");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether anybody is let in. A shut door keeps its port: a socket that is bound and does not listen refuses.
enum Door {
    Open(TcpListener),
    Shut(TcpSocket),
}

impl Door {
    async fn visitor(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Open(listener) => listener.accept().await,
            Self::Shut(_) => std::future::pending().await,
        }
    }

    fn turned(self, port: u16, link: Link) -> Self {
        match (self, link) {
            (Self::Open(listener), Link::Refused) => {
                drop(listener);
                Self::Shut(bind(port).expect("its own port, which it left just now"))
            }
            (Self::Shut(socket), _) if link != Link::Refused => {
                Self::Open(socket.listen(QUEUE).expect("the port is bound"))
            }
            (door, _) => door,
        }
    }
}

fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections of before may linger on the port.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    Ok(socket)
}

/// Until nobody can order anything any more.
async fn serve(listener: TcpListener, port: u16, target: String, mut orders: orders::UnboundedReceiver<Order>) {
    let mut door = Door::Open(listener);
    let state = watch::Sender::new(State { link: Link::Clear, ends: 0 });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some((link, done)) = order else { return };
                door = door.turned(port, link);
                let ends_all = matches!(link, Link::Refused | Link::Reset);
                state.send_modify(|state| *state = State { link, ends: state.ends + u64::from(ends_all) });
                if ends_all {
                    while connections.join_next().await.is_some() {}
                }
                let _ = done.send(());
            }
            Some(_) = connections.join_next() => {}
            Ok((client, _)) = door.visitor(), if connections.len() < CONNECTIONS => {
                connections.spawn(connection::run(client, target.clone(), state.subscribe()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
