//! The write API as an import uses it: commands in batches, each tried again until it is taken or refused for good, and
//! then the outcome of each. Trying again is safe, for every command has its key.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use command_service::QueryBaseUrl;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use shared::text::StoreId;
use tokio::task::JoinSet;

use super::report::Failure;

/// The most commands that a batch may have.
const MAX_COMMANDS: usize = 1000;
/// Of commands in a batch, which may have 1 MiB with what is around them.
const MAX_BYTES: usize = 1_000_000;
/// How many outcomes are asked for at once.
const OUTCOMES_AT_ONCE: usize = 32;
const OUTCOME_WAIT_MS: u32 = 10_000;
/// How long a command may be pending.
const DECIDED_WITHIN: Duration = Duration::from_mins(2);
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// How often what may pass is tried, and how long to wait before the second time; each further wait is twice as long.
const TRIES: u32 = 7;
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest that an answer may ask to wait with `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);
/// How much of a body is told: a proxy's may be a page.
const BODY_CHARACTERS: usize = 200;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It took effect, at this place in the journal.
    Applied { sequence: u64 },
    /// It did not, or nobody knows.
    Failed(Failure),
}

/// Where the two services are.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    command: String,
    query: String,
}

/// What a service answered, or a proxy in front of it.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: String,
}

/// What became of a command that was sent.
#[derive(Debug, Clone)]
enum Sent {
    /// It is on the log; its outcome will be here.
    Accepted(String),
    /// It is not, or nobody knows.
    Refused { failure: Failure, may_pass: bool },
}

impl Api {
    pub(super) fn new(command: &QueryBaseUrl, query: &QueryBaseUrl) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(ANSWER_WITHIN).build()?;
        Ok(Self { client, command: command.to_string(), query: query.to_string() })
    }

    /// Sends commands and waits for their outcomes, which are in the same order. An error if it makes no sense to go on.
    pub(super) async fn decided(&self, commands: &[String]) -> anyhow::Result<Vec<Ended>> {
        let mut ended = Vec::with_capacity(commands.len());
        for batch in batches(commands) {
            let sent = self.sent(batch).await?;
            ended.extend(self.outcomes(sent).await?);
        }
        Ok(ended)
    }

    /// An error if there is no such store, or nobody can tell.
    pub(super) async fn require_store(&self, store: &StoreId) -> anyhow::Result<()> {
        let url = format!("{}/api/v1/stores/{store}", self.query);
        let answer = self.get(&url).await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                bail!("nothing was imported: there is no store {store}; create it first: POST /api/v1/stores")
            }
            _ => bail!("{url} answered {answer}"),
        }
    }

    /// How far the journal is. The answer may be a second old, but not older than an outcome that the same query-service
    /// has told.
    pub(super) async fn sequence(&self) -> anyhow::Result<u64> {
        let url = format!("{}/api/v1/inventory/summary", self.query);
        let answer = self.get(&url).await?;
        answer.json()["sequence"].as_u64().with_context(|| format!("{url} answered {answer}"))
    }

    /// One batch. Each try sends what was not taken before.
    async fn sent(&self, commands: &[String]) -> anyhow::Result<Vec<Sent>> {
        let mut sent: Vec<Option<Sent>> = vec![None; commands.len()];
        let mut wait = FIRST_WAIT;
        for last in (0..TRIES).rev() {
            let open = |sent: &Option<Sent>| matches!(sent, None | Some(Sent::Refused { may_pass: true, .. }));
            let places: Vec<usize> = (0..sent.len()).filter(|&place| open(&sent[place])).collect();
            if places.is_empty() {
                break;
            }
            let rows: Vec<&str> = places.iter().map(|&place| commands[place].as_str()).collect();
            let mut retry_after = None;
            match self.post(&rows).await {
                Ok(answer) if last > 0 && answer.may_pass() => retry_after = answer.retry_after,
                Ok(answer) => {
                    let each = told(&answer, rows.len());
                    let each = each.with_context(|| format!("command-service answered {answer}"))?;
                    places.into_iter().zip(each).for_each(|(place, told)| sent[place] = Some(told));
                }
                Err(error) if last == 0 => return Err(error).context("command-service does not answer"),
                Err(error) => tracing::debug!(%error, "trying again"),
            }
            if last > 0 && sent.iter().any(open) {
                tokio::time::sleep(wait_before_next(wait, retry_after)).await;
                wait *= 2;
            }
        }
        Ok(sent.into_iter().map(|told| told.expect("each was told of, or the last try was an error")).collect())
    }

    /// One try.
    async fn post(&self, rows: &[&str]) -> reqwest::Result<Answer> {
        let url = format!("{}/api/v1/inventory/batches", self.command);
        let body = format!(r#"{{"commands":[{}]}}"#, rows.join(","));
        Answer::to(self.client.post(&url).header("content-type", "application/json").body(body)).await
    }

    async fn outcomes(&self, sent: Vec<Sent>) -> anyhow::Result<Vec<Ended>> {
        let mut ended: Vec<Option<Ended>> = vec![None; sent.len()];
        let mut under_way = JoinSet::new();
        for (place, sent) in sent.into_iter().enumerate() {
            let url = match sent {
                Sent::Refused { failure, .. } => {
                    ended[place] = Some(Ended::Failed(failure));
                    continue;
                }
                Sent::Accepted(url) => self.on_query_service(&url)?,
            };
            if under_way.len() == OUTCOMES_AT_ONCE
                && let Some(done) = under_way.join_next().await
            {
                let (place, outcome): (usize, anyhow::Result<Ended>) = done?;
                ended[place] = Some(outcome?);
            }
            let api = self.clone();
            under_way.spawn(async move { (place, api.outcome(&url).await) });
        }
        while let Some(done) = under_way.join_next().await {
            let (place, outcome) = done?;
            ended[place] = Some(outcome?);
        }
        Ok(ended.into_iter().map(|ended| ended.expect("each was refused or waited for")).collect())
    }

    /// The same path where we were told that query-service is: links may be for the inside of another network.
    fn on_query_service(&self, status_url: &str) -> anyhow::Result<String> {
        let at = status_url.find("/api/v1/").with_context(|| format!("no statusUrl of ours: {status_url}"))?;
        Ok(format!("{}{}", self.query, &status_url[at..]))
    }

    /// An error if no outcome can be read now: the next one would be as slow to fail.
    async fn outcome(&self, status_url: &str) -> anyhow::Result<Ended> {
        let url = format!("{status_url}&waitMs={OUTCOME_WAIT_MS}");
        let began = Instant::now();
        loop {
            let answer = self.get(&url).await?;
            if answer.status != StatusCode::OK {
                return Ok(failed("OUTCOME_UNKNOWN", format!("its outcome could not be read: {answer}")));
            }
            let outcome = answer.json();
            let text = |field: &str| outcome[field].as_str().unwrap_or_default().to_owned();
            return Ok(match outcome["status"].as_str() {
                Some("applied") => match outcome["sequence"].as_u64() {
                    Some(sequence) => Ended::Applied { sequence },
                    None => failed("OUTCOME_UNKNOWN", format!("its outcome makes no sense: {answer}")),
                },
                Some("rejected") => failed(&text("code"), text("detail")),
                Some("dead_lettered") => failed("DEAD_LETTERED", format!("dead letter {}", text("deadLetterId"))),
                Some("pending") if began.elapsed() < DECIDED_WITHIN => continue,
                _ => {
                    failed("OUTCOME_UNKNOWN", format!("it is {} after {} s", text("status"), began.elapsed().as_secs()))
                }
            });
        }
    }

    /// Tries again what may pass; an error if it did not.
    async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            let retry_after = match Answer::to(self.client.get(url)).await {
                Ok(answer) if !answer.may_pass() => return Ok(answer),
                Ok(answer) => answer.retry_after,
                Err(_) => None,
            };
            tokio::time::sleep(wait_before_next(wait, retry_after)).await;
            wait *= 2;
        }
        let last = Answer::to(self.client.get(url)).await;
        let last = last.context("query-service does not answer; --query-url says where it is")?;
        match last.json()["code"].as_str() {
            _ if !last.may_pass() => Ok(last),
            Some("SOURCE_UNAVAILABLE") => {
                bail!("this query-service cannot tell; ask one that has the database file (--query-url): {last}")
            }
            _ => bail!("query-service answered {last}"),
        }
    }
}

impl Answer {
    async fn to(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        Ok(Self { status, retry_after, body: response.text().await? })
    }

    /// By the status alone: whoever stands in between answers with a body of its own.
    fn may_pass(&self) -> bool {
        matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        )
    }

    /// Null if it is none.
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning: String = self.body.chars().take(BODY_CHARACTERS).collect();
        write!(f, "{}: {beginning}", self.status)
    }
}

/// In seconds; a date is as good as none.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Ours, or longer if we were asked to, but not for as long as anybody likes.
fn wait_before_next(ours: Duration, retry_after: Option<Duration>) -> Duration {
    retry_after.map_or(ours, |asked| ours.max(asked.min(LONGEST_RETRY_AFTER)))
}

fn failed(code: &str, detail: String) -> Ended {
    Ended::Failed(Failure { code: code.to_owned(), detail })
}

/// As many in a row as a batch takes.
fn batches(commands: &[String]) -> impl Iterator<Item = &[String]> {
    let mut rest = commands;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fit = rest.iter().take(MAX_COMMANDS).take_while(|command| {
            bytes += command.len() + 1;
            bytes <= MAX_BYTES
        });
        // One alone is never larger: its cells are bounded.
        let (batch, after) = rest.split_at(fit.count().max(1).min(rest.len()));
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// What an answer to a batch of this many rows says of each; an error if it says nothing that we know.
fn told(answer: &Answer, rows: usize) -> anyhow::Result<Vec<Sent>> {
    let body = answer.json();
    match answer.status {
        StatusCode::ACCEPTED => {
            let results = body["results"].as_array().filter(|results| results.len() == rows);
            results.context("not a result for each row")?.iter().map(told_of_row).collect()
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT if body["code"].is_string() => {
            Ok(vec![refused(&body); rows])
        }
        StatusCode::UNPROCESSABLE_ENTITY => Ok((0..rows).map(|row| refused_by_path(&body, row)).collect()),
        _ => bail!("not what a batch is answered with"),
    }
}

fn told_of_row(result: &Value) -> anyhow::Result<Sent> {
    match (result["status"].as_str(), result["statusUrl"].as_str()) {
        (Some("accepted"), Some(url)) => Ok(Sent::Accepted(url.to_owned())),
        (Some("refused"), _) => Ok(refused(&result["problem"])),
        _ => bail!("neither accepted nor refused: {result}"),
    }
}

fn refused(problem: &Value) -> Sent {
    let text = |field: &str| problem[field].as_str().unwrap_or_default().to_owned();
    let may_pass = matches!(text("code").as_str(), "BROKER_UNAVAILABLE" | "OUTCOME_UNKNOWN");
    Sent::Refused { failure: Failure { code: text("code"), detail: text("detail") }, may_pass }
}

/// No row was accepted: those that the problem names are at fault, the others may be tried again without them.
fn refused_by_path(problem: &Value, row: usize) -> Sent {
    let place = format!("commands[{row}]");
    let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let path = |error: &Value| error["field"].as_str().unwrap_or_default().to_owned();
    let of_rows = errors.iter().any(|error| path(error).starts_with("commands["));
    let own: Vec<String> = errors
        .iter()
        .filter_map(|error| {
            let path = path(error);
            let field = path.strip_prefix(&place)?.trim_start_matches('.');
            Some(format!("{field} {}", error["detail"].as_str().unwrap_or_default()))
        })
        .collect();
    if !of_rows {
        return refused(problem);
    }
    let may_pass = own.is_empty();
    let detail = if may_pass { "other rows of its batch were refused".to_owned() } else { own.join("; ") };
    Sent::Refused { failure: Failure::invalid(detail), may_pass }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, retry_after: None, body: body.to_owned() }
    }

    fn each(status: u16, body: &Value, rows: usize) -> Vec<String> {
        let told = told(&answer(status, &body.to_string()), rows).expect("an answer");
        let each = told.into_iter().map(|sent| match sent {
            Sent::Accepted(url) => url,
            Sent::Refused { failure, may_pass } => format!("{} {may_pass}", failure.code),
        });
        each.collect()
    }

    #[test]
    fn each_row_is_accepted_or_refused_for_good_or_for_now() {
        let problem = |code: &str| json!({"status": "refused", "problem": {"code": code, "detail": "x"}});
        let results = json!({"accepted": 1, "refused": 3, "results": [
            {"index": 0, "status": "accepted", "statusUrl": "http://q/api/v1/commands/1?token=t"},
            problem("VALIDATION_FAILED"), problem("BROKER_UNAVAILABLE"), problem("OUTCOME_UNKNOWN"),
        ]});
        assert_eq!(
            each(202, &results, 4),
            [
                "http://q/api/v1/commands/1?token=t",
                "VALIDATION_FAILED false",
                "BROKER_UNAVAILABLE true",
                "OUTCOME_UNKNOWN true"
            ]
        );
        assert!(told(&answer(202, &results.to_string()), 5).is_err());
        assert_eq!(each(503, &json!({"code": "BROKER_UNAVAILABLE"}), 2), ["BROKER_UNAVAILABLE true"; 2]);
        for (status, body) in [(404, "{}"), (502, "<html>"), (503, "<html>"), (503, r#"{"message":"away"}"#)] {
            assert!(told(&answer(status, body), 1).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn an_answer_may_pass_by_its_status_whatever_its_body_is() {
        for (status, may_pass) in [(429, true), (502, true), (503, true), (504, true), (500, false), (404, false)] {
            assert_eq!(answer(status, "<html>").may_pass(), may_pass, "{status}");
        }
        assert!(answer(502, &"é".repeat(10_000)).to_string().len() < 500);
    }

    #[test]
    fn we_wait_as_long_as_we_are_asked_to_but_not_forever() {
        let wait = |asked: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(asked))]);
            wait_before_next(Duration::from_secs(2), retry_after(&headers)).as_secs()
        };
        assert_eq!([wait("7"), wait("1"), wait("86400")], [7, 2, 30]);
        assert_eq!([wait("Wed, 21 Oct 2026 07:28:00 GMT"), wait("-1"), wait("")], [2; 3]);
    }

    #[test]
    fn of_a_batch_that_is_refused_for_some_rows_the_others_may_be_sent_again() {
        let problem = json!({"code": "VALIDATION_FAILED", "detail": "2 fields", "errors": [
            {"field": "commands[1].name", "code": "REQUIRED", "detail": "is required"},
            {"field": "commands[10]", "code": "WRONG_TYPE", "detail": "must be an object"},
        ]});
        let each = each(422, &problem, 11);
        assert_eq!((each[0].as_str(), each[1].as_str()), ("VALIDATION_FAILED true", "VALIDATION_FAILED false"));
        assert_eq!(each[10], "VALIDATION_FAILED false");
        let whole =
            json!({"code": "VALIDATION_FAILED", "detail": "x", "errors": [{"field": "commands", "detail": "x"}]});
        assert!(matches!(refused_by_path(&whole, 0), Sent::Refused { may_pass: false, .. }));
    }

    #[test]
    fn a_batch_has_a_thousand_commands_and_less_than_a_mebibyte() {
        let sizes = |commands: &[String]| batches(commands).map(<[String]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&vec!["{}".to_owned(); 2001]), [1000, 1000, 1]);
        let large = vec!["x".repeat(99_999); 25];
        assert_eq!(sizes(&large), [10, 10, 5]);
    }

    #[test]
    fn outcomes_are_read_where_we_were_told_that_query_service_is() {
        let url = "http://inside:8081/api/v1/commands/1?token=t";
        let base = |text| QueryBaseUrl::parse(text).expect("a URL");
        let api = Api::new(&base("http://c"), &base("http://outside")).expect("a client");
        assert_eq!(api.on_query_service(url).expect("ours"), "http://outside/api/v1/commands/1?token=t");
    }
}
