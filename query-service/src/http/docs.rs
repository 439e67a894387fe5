//! What the operations of this service have in common, added to the document once, and the problems they answer.

use std::collections::BTreeMap;

use shared::http::docs::{problems, text_header};
use shared::problem::ProblemCode;
use utoipa::IntoResponses;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, OpenApi, RefOr, Response, Type};

/// The problems of reading one document.
pub(super) struct DocumentProblems;
/// As [`DocumentProblems`], without a path to be wrong.
pub(super) struct QueryProblems;
/// As [`DocumentProblems`]; an outcome that is not there is `pending` or `unknown`, and never waits for a token alone.
pub(super) struct OutcomeProblems;

impl IntoResponses for DocumentProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ProblemCode::InvalidId,
            ProblemCode::InvalidHeader,
            ProblemCode::NotFound,
            ProblemCode::ValidationFailed,
            ProblemCode::ReadModelBehind,
            ProblemCode::SourceUnavailable,
        ])
    }
}

impl IntoResponses for QueryProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ProblemCode::InvalidHeader,
            ProblemCode::ValidationFailed,
            ProblemCode::ReadModelBehind,
            ProblemCode::SourceUnavailable,
        ])
    }
}

impl IntoResponses for OutcomeProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ProblemCode::InvalidId,
            ProblemCode::InvalidHeader,
            ProblemCode::ValidationFailed,
            ProblemCode::SourceUnavailable,
        ])
    }
}

/// Adds to each operation of `document` what all of them take and answer.
pub(super) fn complete(document: &mut OpenApi) {
    let operations = document.paths.paths.values_mut().filter_map(|item| item.get.as_mut());
    operations.for_each(complete_operation);
}

fn complete_operation(operation: &mut Operation) {
    let is_conditional = operation.responses.responses.contains_key("304");
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(text_parameter(
        "token",
        ParameterIn::Query,
        "As the header `X-Consistency-Token`; both may be given",
    ));
    let tokens = "Tokens that 202s carried, separated by commas: the answer reflects those writes";
    parameters.push(text_parameter("X-Consistency-Token", ParameterIn::Header, tokens));
    if is_conditional {
        let tags = "Tags of earlier answers, or `*`: 304 without a body if one of them is still the present one";
        parameters.push(text_parameter("If-None-Match", ParameterIn::Header, tags));
    }
    let request_id = "Names the request in answers and logs; 1 to 128 visible characters";
    parameters.push(text_parameter("X-Request-ID", ParameterIn::Header, request_id));
    for status in ["200", "304"] {
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
            complete_response(response, is_conditional);
        }
    }
}

fn complete_response(response: &mut Response, is_conditional: bool) {
    let mut add = |name: &str, description: &str| {
        response.headers.insert(name.to_owned(), text_header(description).into());
    };
    add("Cache-Control", "`no-store`");
    add("X-Cache", "Where the answer comes from: `redis`, `memory` or `database`");
    add("X-Stale", "`true` if what is followed cannot be read now, so that something newer may exist; else absent");
    if is_conditional {
        add("ETag", "The version shown, for `If-None-Match` and for `If-Match` of commands");
    }
}

fn text_parameter(name: &str, place: ParameterIn, description: &str) -> RefOr<Parameter> {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(utoipa::openapi::Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build()
        .into()
}
