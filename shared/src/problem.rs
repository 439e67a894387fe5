//! Errors as clients see them: `application/problem+json` (RFC 9457). The one file that knows HTTP status codes.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The stable code of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemCode {
    /// A path segment is no id or no SKU.
    InvalidId,
    /// A header that we act on is wrong.
    InvalidHeader,
    /// The body is no JSON.
    MalformedJson,
    /// No such route, or no such document.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body's media type is not JSON.
    UnsupportedMediaType,
    /// The body or the query breaks the contract.
    ValidationFailed,
    /// The log cannot take the command now; nothing was enqueued.
    BrokerUnavailable,
    /// The token's write has not been applied within the wait.
    ReadModelBehind,
    /// What this service reads from cannot be reached.
    SourceUnavailable,
    /// The log did not say whether it took the command.
    OutcomeUnknown,
    /// A fault of ours.
    Internal,
}

impl ProblemCode {
    /// Every code, for the docs.
    pub const ALL: [Self; 13] = [
        Self::InvalidId,
        Self::InvalidHeader,
        Self::MalformedJson,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::BrokerUnavailable,
        Self::ReadModelBehind,
        Self::SourceUnavailable,
        Self::OutcomeUnknown,
        Self::Internal,
    ];

    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidId => ("INVALID_ID", StatusCode::BAD_REQUEST, "Invalid id in the path"),
            Self::InvalidHeader => ("INVALID_HEADER", StatusCode::BAD_REQUEST, "Invalid header"),
            Self::MalformedJson => ("MALFORMED_JSON", StatusCode::BAD_REQUEST, "Malformed JSON"),
            Self::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::BodyTooLarge => ("BODY_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, "Body too large"),
            Self::UnsupportedMediaType => {
                ("UNSUPPORTED_MEDIA_TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::ValidationFailed => ("VALIDATION_FAILED", StatusCode::UNPROCESSABLE_ENTITY, "Validation failed"),
            Self::BrokerUnavailable => {
                ("BROKER_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "The log cannot take the command now")
            }
            Self::ReadModelBehind => {
                ("READ_MODEL_BEHIND", StatusCode::SERVICE_UNAVAILABLE, "The write has not been applied yet")
            }
            Self::SourceUnavailable => {
                ("SOURCE_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "The source cannot be read now")
            }
            Self::OutcomeUnknown => {
                ("OUTCOME_UNKNOWN", StatusCode::GATEWAY_TIMEOUT, "Not known whether the command was taken")
            }
            Self::Internal => ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        }
    }

    /// The code itself.
    pub const fn as_str(self) -> &'static str {
        self.parts().0
    }

    /// Its HTTP status.
    pub const fn status(self) -> StatusCode {
        self.parts().1
    }

    /// Its title.
    pub const fn title(self) -> &'static str {
        self.parts().2
    }
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The path of the field or the name of the parameter; empty for the body as a whole.
    #[schema(example = "quantity")]
    pub field: String,
    /// What is wrong, stable.
    #[schema(example = "OUT_OF_RANGE")]
    pub code: &'static str,
    /// What is wrong, in words.
    #[schema(example = "must be a whole number from 1 to 1000000000")]
    pub detail: String,
}

/// An error on its way to the client; [`crate::http::context`] adds the request id and writes it out.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What kind.
    pub code: ProblemCode,
    /// What is wrong with this request, in words.
    pub detail: String,
    /// Every field at fault at once.
    pub errors: Vec<FieldError>,
}

/// The body of every error, as RFC 9457 has it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// A URN of the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:inventory:problem:validation-failed")]
    pub kind: String,
    /// The same for every problem of this code.
    #[schema(example = "Validation failed")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What is wrong with this request.
    #[schema(example = "1 field is at fault")]
    pub detail: &'a str,
    /// `urn:request:` and the request id.
    #[schema(example = "urn:request:0b8a2a4e-8a3c-4d38-9f0f-3d9c2c6d3a51")]
    pub instance: String,
    /// The stable code (docs/ERRORS.md).
    #[schema(example = "VALIDATION_FAILED")]
    pub code: &'static str,
    /// Every field at fault; for `VALIDATION_FAILED` only.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub errors: &'a [FieldError],
}

impl Problem {
    /// A problem without fields.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// One or more fields at fault.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.field.is_empty() => only.detail.clone(),
            [only] => format!("{} {}", only.field, only.detail),
            several => format!("{} fields are at fault", several.len()),
        };
        Self { code: ProblemCode::ValidationFailed, detail, errors }
    }

    /// The body of the answer to this request.
    pub fn body(&self, request_id: &str) -> ProblemBody<'_> {
        ProblemBody {
            kind: format!("urn:inventory:problem:{}", self.code.as_str().to_ascii_lowercase().replace('_', "-")),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            instance: format!("urn:request:{request_id}"),
            code: self.code.as_str(),
            errors: &self.errors,
        }
    }

    /// The response as the client gets it.
    pub fn render(&self, request_id: &str) -> Response {
        let bytes = serde_json::to_vec(&self.body(request_id)).expect("text and numbers always serialise");
        let mut response = (self.code.status(), bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
