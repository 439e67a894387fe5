//! The OpenAPI document of a service, complete: what every answer can have is added here once, not at each route.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response as Described;
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{ContentBuilder, Info, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Type};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::Config;

use super::context::{InContext, note_route, noted};
use super::health::Readiness;
use crate::problem::{PROBLEM_JSON, Problem, ProblemBody, ProblemCode};

/// The tag of what every service has.
const OPERATIONS: &str = "operations";

/// Where the document is served.
const DOCUMENT: &str = "/api-docs/openapi.json";

/// The problems that an operation can answer, for its `responses(...)`.
pub fn problems(codes: &[ProblemCode]) -> BTreeMap<String, RefOr<Described>> {
    let mut by_status: BTreeMap<String, Vec<ProblemCode>> = BTreeMap::new();
    for &code in codes {
        by_status.entry(code.status().as_str().to_owned()).or_default().push(code);
    }
    by_status.into_iter().map(|(status, codes)| (status, problem_response(&codes).into())).collect()
}

fn problem_response(codes: &[ProblemCode]) -> Described {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    let mut response = ResponseBuilder::new().description(names.join(", ")).content(PROBLEM_JSON, content);
    response = response.header("Cache-Control", text_header("`no-store`"));
    if codes.iter().any(|code| code.status() == http::StatusCode::SERVICE_UNAVAILABLE) {
        response = response.header("Retry-After", text_header("Seconds after which trying again makes sense"));
    }
    response.build()
}

/// A response header with a text value.
pub fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .description(Some(description))
        .build()
}

/// INTERNAL, which any operation may answer.
#[derive(Debug, Clone, Copy)]
pub struct AnyProblem;

impl IntoResponses for AnyProblem {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[ProblemCode::Internal])
    }
}

/// `INVALID_ID`.
#[derive(Debug, Clone, Copy)]
pub struct InvalidId;

impl IntoResponses for InvalidId {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[ProblemCode::InvalidId])
    }
}

/// `NOT_FOUND`: the route is there, the document is not.
#[derive(Debug, Clone, Copy)]
pub struct NoSuchDocument;

impl IntoResponses for NoSuchDocument {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[ProblemCode::NotFound])
    }
}

/// `VALIDATION_FAILED`.
#[derive(Debug, Clone, Copy)]
pub struct Invalid;

impl IntoResponses for Invalid {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[ProblemCode::ValidationFailed])
    }
}

/// `SOURCE_UNAVAILABLE`.
#[derive(Debug, Clone, Copy)]
pub struct Unavailable;

impl IntoResponses for Unavailable {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        problems(&[ProblemCode::SourceUnavailable])
    }
}

/// The router and the document of a service: `api` with the routes of operations, Swagger, redirects, 404 and 405 as
/// problems, and around everything the request context.
pub fn complete(title: &str, description: &str, readiness: Readiness, api: OpenApiRouter) -> (InContext, OpenApi) {
    let service = readiness.service();
    let (router, mut document) = api.merge(super::operations::routes(readiness)).split_for_parts();
    document.info = Info::builder()
        .title(title)
        .description(Some(description))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(utoipa::openapi::License::new("MIT")))
        .build();
    document.servers = None;
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    let mut nested = Vec::new();
    ProblemBody::schemas(&mut nested);
    schemas.extend(nested);
    let mut tags = BTreeSet::new();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_request_id(operation);
            tags.extend(operation.tags.iter().flatten().cloned());
        }
    }
    // What every service has comes last on the page.
    tags.remove(OPERATIONS);
    document.tags = Some(tags.into_iter().chain([OPERATIONS.to_owned()]).map(Tag::new).collect());
    let json = Bytes::from(document.to_json().expect("a document always serialises"));
    let pages = Router::new()
        .route(DOCUMENT, get(async move || ([(header::CONTENT_TYPE, "application/json")], json)))
        .route("/swagger/{*file}", get(swagger).with_state(Arc::new(Config::from(DOCUMENT).try_it_out_enabled(true))))
        .route("/swagger/", get(to_swagger))
        .route("/swagger", get(to_swagger))
        .route("/", get(to_swagger))
        .route_layer(map_request(noted));
    let router = router.merge(pages).fallback(no_such_route).method_not_allowed_fallback(no_such_method);
    (InContext::new(service, router), document)
}

fn add_request_id(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response
                .headers
                .insert("X-Request-ID".to_owned(), text_header("The request's `X-Request-ID`, or a fresh one").into());
        }
    }
}

/// One of Swagger's files. They are kept uncompressed: a client need not be able to unpack them.
async fn swagger(
    file: Result<Path<String>, PathRejection>,
    State(config): State<Arc<Config<'static>>>,
) -> Result<Response, Problem> {
    let Path(file) = file.map_err(|error| Problem::new(ProblemCode::InvalidId, error.to_string()))?;
    match utoipa_swagger_ui::serve(&file, config) {
        Ok(Some(found)) => {
            Ok(([(header::CONTENT_TYPE, found.content_type)], Bytes::from(found.bytes.into_owned())).into_response())
        }
        Ok(None) => Err(Problem::new(ProblemCode::NotFound, format!("Swagger has no file {file:?}"))),
        Err(error) => Err(Problem::new(ProblemCode::Internal, error.to_string())),
    }
}

async fn to_swagger() -> Redirect {
    Redirect::temporary("/swagger/index.html")
}

async fn no_such_route(uri: http::Uri) -> Problem {
    Problem::new(ProblemCode::NotFound, format!("there is no route {}; see /swagger/index.html", uri.path()))
}

async fn no_such_method(request: Request) -> Problem {
    note_route(request.extensions());
    let (method, path) = (request.method(), request.uri().path());
    let detail = format!("{method} is not allowed on {path}; the header Allow names what is");
    Problem::new(ProblemCode::MethodNotAllowed, detail)
}
