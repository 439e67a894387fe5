//! What the HTTP library does alone. Change a floor only with the reason why it is fair.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};

/// The argument that makes this program the floor of writing.
pub(crate) const ECHO: &str = "serve-echo";
/// The argument that makes this program the floor of reading.
pub(crate) const STATIC: &str = "serve-static";

/// As long as an item's answer.
const STATIC_BODY: &[u8] = &[b'x'; 230];

/// Fair for accepting: the same body is read, parsed and answered as JSON by the same HTTP library, and nothing else.
pub(crate) fn serve_echo() -> anyhow::Result<()> {
    let echo = async |body: Bytes| axum::Json(serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default());
    serve(Router::new().route("/echo", post(echo)))
}

/// Fair for reading: as many bytes, from memory, by the same HTTP library.
pub(crate) fn serve_static() -> anyhow::Result<()> {
    serve(Router::new().route("/static", get(async || STATIC_BODY)))
}

fn serve(router: Router) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        println!("listening http://{}", listener.local_addr()?);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router).await?;
        Ok(())
    })
}
