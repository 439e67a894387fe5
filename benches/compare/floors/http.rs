//! What the HTTP library does alone: this program, started with an argument.
//!
//! Fair, for it is the same version of the same library with the same allocator and profile, in a process of its own, and
//! the load sends it the very same bytes over as many connections, without Nagle's delay on both ends.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderName, header};
use axum::routing::{get, post};
use testkit::process::Process;

/// The argument that makes this program the floor of writing.
pub(crate) const ECHO: &str = "serve-echo";
/// The argument, before the file of the answer and how many servers, that makes this program the floor of reading.
pub(crate) const STATIC: &str = "serve-static";

/// What a server says before its address.
const LISTENING: &str = "listening";

/// An item's answer has as many headers, less `x-request-id`, which no two answers share.
pub(super) const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "application/json"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-cache"), "memory"),
    (header::ETAG, "\"i1-1\""),
];

/// Fair for accepting: the same body is read, parsed and answered as JSON, and nothing else. Its answer is shorter than a
/// 202 with its links, which is to the floor's favour.
pub(crate) fn serve_echo() -> anyhow::Result<()> {
    let echo = async |body: Bytes| axum::Json(serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default());
    let accepted = async move |body: Bytes| (axum::http::StatusCode::ACCEPTED, echo(body).await);
    serve(Router::new().route("/api/v1/inventory/items/{item}/reserve", post(accepted)))
}

/// Fair for reading: the very bytes of an item's answer, from memory.
pub(crate) fn serve_static(body: &str, servers: &str) -> anyhow::Result<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let answer = async move || (HEADERS, body.clone());
    let router = Router::new().route("/api/v1/inventory/items/{item}", get(answer));
    let server = || serve(router.clone());
    std::thread::scope(|scope| {
        let servers: Vec<_> = (0..servers.parse()?).map(|_| scope.spawn(server)).collect();
        servers.into_iter().try_for_each(|server| server.join().expect("a server does not panic"))
    })
}

/// The floor of reading as a process that answers `body`, from so many servers with threads of their own.
pub(crate) fn start_static(body: &[u8], folder: &Path, servers: usize) -> anyhow::Result<(Process, Vec<SocketAddr>)> {
    let file = folder.join("item.json");
    std::fs::write(&file, body)?;
    let (floor, address) = start(&[STATIC, file.to_str().context("a path is text")?, &servers.to_string()], folder)?;
    let others = (1..servers).map(|_| Ok(floor.line(LISTENING).parse()?));
    let addresses = std::iter::once(Ok(address)).chain(others).collect::<anyhow::Result<_>>()?;
    Ok((floor, addresses))
}

/// A floor as a process.
pub(crate) fn start(arguments: &[&str], folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let floor = Process::start_with(&std::env::current_exe()?, arguments, arguments[0], folder, &[]);
    let address = floor.line(LISTENING).parse()?;
    Ok((floor, address))
}

pub(super) fn serve(router: Router) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        println!("{LISTENING} {}", listener.local_addr()?);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router).await?;
        Ok(())
    })
}
