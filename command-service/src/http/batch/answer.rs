//! What a batch is answered with: each row by itself, unless none was accepted.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::http::body::Faults;
use shared::http::docs::text_header;
use shared::problem::{Problem, ProblemBody, ProblemCode};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as ResponseDoc, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::accepted::{Accepted, X_CONSISTENCY_TOKEN};
use crate::log::NotAccepted;

/// The body of a 202 to a batch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResults<'a> {
    /// How many rows were accepted; at least one.
    #[schema(example = 2)]
    accepted: usize,
    /// How many were refused.
    #[schema(example = 0)]
    refused: usize,
    /// One a row, in the order of the rows.
    results: Vec<RowResult<'a>>,
}

/// What became of a row.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum RowResult<'a> {
    Accepted(AcceptedRow<'a>),
    Refused(RefusedRow<'a>),
}

/// A row that is on the log.
#[derive(Serialize, ToSchema)]
struct AcceptedRow<'a> {
    /// Which row, from 0.
    #[schema(example = 0)]
    index: usize,
    #[serde(flatten)]
    accepted: &'a Accepted,
}

/// A row that is not, or that may be or not if the problem is `OUTCOME_UNKNOWN`.
#[derive(Serialize, ToSchema)]
struct RefusedRow<'a> {
    /// Which row, from 0.
    #[schema(example = 1)]
    index: usize,
    /// Always `refused`.
    #[schema(pattern = "^refused$", example = "refused")]
    status: &'static str,
    /// What the row's own route would have answered; the fields in it are the row's.
    problem: ProblemBody<'a>,
}

/// The 202, for the document.
pub(super) struct BatchAccepted;

/// The 202 if a row was accepted. Otherwise the one problem that tells most: that it is not known whether rows were
/// taken, else what is wrong with the batch, else that the broker is gone.
pub(super) fn answer(
    appended: impl Iterator<Item = (usize, Result<Accepted, NotAccepted>)>,
    at_fault: Vec<(usize, Faults)>,
    request_id: &str,
) -> Result<Response, Problem> {
    let (mut accepted, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for (index, result) in appended {
        match result {
            Ok(row) => drop(accepted.insert(index, row)),
            Err(why) => drop(refused.insert(index, Problem::from(why))),
        }
    }
    let Some((_, last)) = accepted.last_key_value() else { return Err(none_accepted(refused, at_fault)) };
    // Later rows stand later on the log: who has read the last has read them all.
    let token = HeaderValue::from_str(last.token()).expect("base64 is visible ASCII");
    refused.extend(at_fault.into_iter().map(|(index, faults)| (index, Problem::from(faults))));
    let results = (0..accepted.len() + refused.len()).map(|index| match (accepted.get(&index), refused.get(&index)) {
        (Some(accepted), _) => RowResult::Accepted(AcceptedRow { index, accepted }),
        (None, Some(problem)) => {
            RowResult::Refused(RefusedRow { index, status: "refused", problem: problem.body(request_id) })
        }
        (None, None) => unreachable!("each row is accepted or refused"),
    });
    let results = BatchResults { accepted: accepted.len(), refused: refused.len(), results: results.collect() };
    let headers = [(X_CONSISTENCY_TOKEN, token), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::ACCEPTED, headers, Json(results)).into_response())
}

fn none_accepted(not_taken: BTreeMap<usize, Problem>, at_fault: Vec<(usize, Faults)>) -> Problem {
    let (unknown, gone): (Vec<_>, Vec<_>) =
        not_taken.into_values().partition(|problem| problem.code == ProblemCode::OutcomeUnknown);
    let each = at_fault.into_iter().map(|(index, faults)| faults.within(&format!("commands[{index}]")));
    let invalid = each.reduce(Faults::and).map(Problem::from);
    let told = unknown.into_iter().next().or(invalid).or_else(|| gone.into_iter().next());
    told.expect("a batch has rows, and none of them was accepted")
}

impl IntoResponses for BatchAccepted {
    fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("BatchResults"))).build();
        let response = ResponseBuilder::new()
            .description("The log has the rows that were accepted; the writer will decide on each")
            .content("application/json", content)
            .header("X-Consistency-Token", text_header("That of the last row that was accepted: it covers all of them"))
            .header("Cache-Control", text_header("`no-store`"));
        BTreeMap::from([(StatusCode::ACCEPTED.as_str().to_owned(), response.build().into())])
    }
}
