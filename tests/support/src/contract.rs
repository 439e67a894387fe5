//! An HTTP client for tests that holds every answer to the service's own OpenAPI document.
//!
//! What the document does not name, the service may not answer: no status, header, media type or property. Whoever
//! tests a service therefore tests its document too. [`Call::send_unchecked`] is for what is no API: Swagger, redirects.

mod document;
mod schema;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::Value;

pub use document::Document;

use crate::poll::eventually;

/// Longer than any wait that a client may ask a service for.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Speaks to one service. Clones share connections and the document.
#[derive(Debug, Clone)]
pub struct Client {
    base: Arc<str>,
    http: reqwest::Client,
    document: Arc<Document>,
}

/// One request, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Any method, documented or not.
    pub method: Method,
    /// From the root of the service, with its query.
    pub path: String,
    /// In order; a name may repeat.
    pub headers: Vec<(String, String)>,
    /// Absent is not the same as empty.
    pub body: Option<Vec<u8>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A request in the making.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct Call<'a> {
    client: &'a Client,
    request: Request,
}

impl Client {
    /// Fetches the document of the service at `base` (`http://host:port`), waiting until it answers; panics if it does
    /// not within 30 seconds.
    pub async fn connect(base: impl Into<String>) -> Self {
        let base: Arc<str> = base.into().trim_end_matches('/').into();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER_WITHIN)
            .build()
            .expect("no setting of this client can fail");
        let url = format!("{base}/api-docs/openapi.json");
        let document: Value =
            eventually(CONNECT_WITHIN, async || http.get(&url).send().await?.error_for_status()?.json::<Value>().await)
                .await;
        let document = Document::new(&document).unwrap_or_else(|fault| panic!("{url}: {fault}"));
        Self { base, http, document: Arc::new(document) }
    }

    /// Where the service is: `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The document that every answer is held to.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Begins a request. Panics if `method` is no token.
    pub fn request(&self, method: impl AsRef<str>, path: impl Into<String>) -> Call<'_> {
        let method = method.as_ref().parse().expect("an HTTP method is a token");
        Call { client: self, request: Request { method, path: path.into(), headers: Vec::new(), body: None } }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body).send().await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request("PUT", path).json(body).send().await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }

    /// Sends what was put together elsewhere. Panics if no answer comes, or one that the document does not have.
    pub async fn send(&self, request: Request) -> Answer {
        Call { client: self, request }.send().await
    }

    /// The same, for tests that break connections: `Err` if no answer came. An answer is still held to the document.
    pub async fn try_send(&self, request: Request) -> Result<Answer, reqwest::Error> {
        Call { client: self, request }.try_send().await
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{}", self.base, request.path);
        let mut builder = self.http.request(request.method.clone(), url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let response = builder.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }
}

impl Call<'_> {
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body and `Content-Type: application/json`.
    pub fn json(self, body: &Value) -> Self {
        let bytes = serde_json::to_vec(body).expect("a JSON value can be written");
        self.header("content-type", "application/json").body(bytes)
    }

    /// Sets the body, and no header.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.request.body = Some(bytes.into());
        self
    }

    /// Panics if no answer comes, or one that the document does not have.
    pub async fn send(self) -> Answer {
        let named = format!("{} {}{}", self.request.method, self.client.base, self.request.path);
        self.try_send().await.unwrap_or_else(|error| panic!("{named}: no answer: {error:?}"))
    }

    /// `Err` if no answer came; panics if one came that the document does not have.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let answer = self.client.exchange(&self.request).await?;
        let Request { method, path, .. } = &self.request;
        if let Err(fault) = self.client.document.check(method, path, &answer) {
            panic!("{method} {path} broke its contract: {fault}\nanswer: {answer:#?}\n{}", answer.text());
        }
        Ok(answer)
    }

    /// For what is no API: Swagger, redirects. Panics if no answer comes.
    pub async fn send_unchecked(self) -> Answer {
        let named = format!("{} {}{}", self.request.method, self.client.base, self.request.path);
        self.client.exchange(&self.request).await.unwrap_or_else(|error| panic!("{named}: no answer: {error:?}"))
    }
}

impl Answer {
    /// The body; panics with it if it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The body as text, whatever it is.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, if it is there and visible text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The `code` of a problem; empty if the answer is none.
    pub fn code(&self) -> String {
        let body = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Panics, showing the answer, unless it has this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

#[cfg(test)]
mod tests;
