//! The context of a request put around all that a service answers: ids before, and its metrics and a problem written out after.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::Router;
use axum::extract::MatchedPath;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use http::{Method, Request};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower::Service;

use super::meters::Meters;
use super::{ANSWERING, REQUEST_ID, RequestContext};
use crate::problem::Problem;

/// A router with the context of each request around what it answers. Not a layer of the router's: that would be around each
/// route, in a box of its own, as would each answer to come.
#[derive(Clone)]
pub struct InContext {
    service: &'static str,
    meters: Meters,
    router: Router,
}

impl InContext {
    /// Around all that `router` answers.
    pub fn new(service: &'static str, router: Router) -> Self {
        Self { service, meters: Meters::new(service), router }
    }

    /// What the router will answer.
    pub fn answer(&self, request: Request<Incoming>) -> Answering {
        let started = Instant::now();
        let context = RequestContext::of(request.headers());
        let method = request.method().clone();
        let answering = ANSWERING.scope((self.service, context), self.router.clone().call(request));
        Answering { answering, about: Some(About { method, started, meters: self.meters.clone() }) }
    }
}

pin_project! {
    /// The answer to come.
    pub struct Answering {
        #[pin]
        answering: TaskLocalFuture<(&'static str, RequestContext), RouteFuture<Infallible>>,
        // Until the answer is there.
        about: Option<About>,
    }
}

/// What is told of a request with its answer.
struct About {
    method: Method,
    started: Instant,
    meters: Meters,
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Ok(response) = ready!(this.answering.as_mut().poll(context));
        let once = "an answer is given once";
        let (about, context) = (this.about.take().expect(once), this.answering.take_value().expect(once));
        Poll::Ready(Ok(ANSWERING.sync_scope(context, || about.tell(response))))
    }
}

impl About {
    /// Inside of the context, for what is logged.
    fn tell(self, mut response: Response) -> Response {
        let Self { method, started, meters } = self;
        let context = RequestContext::current();
        let route = context.0.route.get().map_or("unmatched", MatchedPath::as_str);
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            let allow = response.headers().get(http::header::ALLOW).cloned();
            response = problem.render(context.request_id());
            if let Some(allow) = allow {
                response.headers_mut().insert(http::header::ALLOW, allow);
            }
            if response.status().is_server_error() {
                tracing::warn!(%method, route, code = problem.code.as_str(), detail = problem.detail, "answered a problem");
            }
        }
        response.headers_mut().insert(REQUEST_ID, context.0.request.clone());
        meters.record(&method, route, response.status(), started.elapsed());
        response
    }
}
