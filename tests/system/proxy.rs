//! A reverse proxy in front of a service. It answers some requests itself, as one does whose service is away, and may
//! change what it passes on.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use reqwest::Client;
use tokio::net::TcpListener;

/// Starts one on a port of its own, for as long as the test's runtime lives, and gives its base URL. What `own` does
/// not answer goes to the service at `base`, and what that answers, if it is 200, through `change`.
pub(crate) async fn before(
    base: &str,
    own: impl Fn(&Request) -> Option<Response> + Clone + Send + Sync + 'static,
    change: fn(&str) -> String,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (base, client) = (base.to_owned(), Client::builder().no_proxy().build().expect("a client"));
    let router = Router::new().fallback(move |request: Request| {
        let (own, base, client) = (own.clone(), base.clone(), client.clone());
        async move {
            match own(&request) {
                Some(answer) => answer,
                None => passed_on(request, &base, &client, change).await,
            }
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn passed_on(request: Request, base: &str, client: &Client, change: fn(&str) -> String) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let mut onward = client.request(parts.method, format!("{base}{}", parts.uri)).body(body);
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        onward = onward.header(CONTENT_TYPE, kind);
    }
    let answer = onward.send().await.expect("the service answers");
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    (status, Body::from(if status == 200 { change(&text) } else { text })).into_response()
}
