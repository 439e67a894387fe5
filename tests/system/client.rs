//! A client that remembers all that it sent: what the checker holds the database against.

mod batch;
mod holds;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::aggregate::AggregateId;
use shared::id::{CommandId, ItemId};
use shared::text::Sku;
use testkit::checker::{History, Sent};
use testkit::contract::{Answer, Client};

use crate::deployment::Deployment;
use testkit::process::SOON;

pub(crate) use batch::Row;
pub(crate) use holds::new_id;

/// Of two seconds each, so half a minute.
const OUTCOME_LOOKS: u32 = 15;
/// Longer than any outage of a test and the start of a broker behind it, for which `kafka/local.sh` waits 90 seconds.
const PATIENCE: Duration = Duration::from_mins(3);
/// Sooner than the answer asks for, to be there when the outage ends.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// One accepted command: where its outcome will be.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) command_id: CommandId,
    pub(crate) status_path: String,
    pub(crate) token: String,
}

/// What was sent, and how often each status was the answer.
#[derive(Default)]
pub(crate) struct Memory {
    sent: Vec<Sent>,
    statuses: BTreeMap<u16, usize>,
}

/// Writes through one command-service, reads through one query-service; clones share the memory.
#[derive(Clone)]
pub(crate) struct Shop {
    commands: Vec<Client>,
    queries: Vec<Client>,
    place: usize,
    memory: Arc<Mutex<Memory>>,
}

impl Shop {
    pub(crate) async fn of(deployment: &Deployment) -> Self {
        Self::remembering(deployment, Arc::default()).await
    }

    /// Goes on, after a restart, with what was sent before.
    pub(crate) async fn remembering(deployment: &Deployment, memory: Arc<Mutex<Memory>>) -> Self {
        Self::between(&deployment.commands(), &deployment.queries(), memory).await
    }

    pub(crate) async fn between(commands: &[String], queries: &[String], memory: Arc<Mutex<Memory>>) -> Self {
        Self { commands: connect(commands).await, queries: connect(queries).await, place: 0, memory }
    }

    /// The same shop, at the process of each service whose turn `place` is.
    pub(crate) fn at(&self, place: u32) -> Self {
        Self { place: usize::try_from(place).expect("fits"), ..self.clone() }
    }

    fn command(&self) -> &Client {
        &self.commands[self.place % self.commands.len()]
    }

    fn query(&self) -> &Client {
        &self.queries[self.place % self.queries.len()]
    }

    pub(crate) fn memory(&self) -> Arc<Mutex<Memory>> {
        Arc::clone(&self.memory)
    }

    pub(crate) fn history(&self) -> History {
        History { commands: self.lock().sent.clone(), poison: Vec::new(), complete: true }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many writes got a 202.
    pub(crate) fn accepted(&self) -> usize {
        self.answered(202)
    }

    /// How many writes got this status.
    pub(crate) fn answered(&self, status: u16) -> usize {
        self.lock().statuses.get(&status).copied().unwrap_or(0)
    }

    /// Sends one write of items.
    pub(crate) async fn write(
        &self,
        kind: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Option<Accepted> {
        let of = AggregateId::Item(item_of(path, body.as_ref()));
        self.ask(kind, &of, method, &format!("/inventory/items{path}"), body, key).await
    }

    /// Sends one write, again after each 503, which says that nothing was taken, and with a key after each 504, which says
    /// that this is unknown; `None` if no answer came, or a 504 without a key.
    async fn ask(
        &self,
        kind: &str,
        of: &AggregateId,
        method: &str,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Option<Accepted> {
        let mut answer = self.send(method, path, body.as_ref(), key).await;
        let began = Instant::now();
        let is_to_repeat = |answer: &Answer| answer.status == 503 || answer.status == 504 && key.is_some();
        while answer.as_ref().is_some_and(is_to_repeat) && began.elapsed() < PATIENCE {
            tokio::time::sleep(RETRY_AFTER).await;
            answer = self.send(method, path, body.as_ref(), key).await;
        }
        match answer {
            Some(answer) if answer.status == 202 => {
                let accepted = accepted(&answer.json());
                self.remember(kind, of, Some(accepted.command_id), true);
                Some(accepted)
            }
            Some(answer) if answer.status != 504 => panic!("{method} {path}: {} {}", answer.status, answer.text()),
            _ => {
                self.remember(kind, of, None, false);
                None
            }
        }
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>, key: Option<&str>) -> Option<Answer> {
        let mut call = self.command().request(method, format!("/api/v1{path}"));
        if let Some(body) = body {
            call = call.json(body);
        }
        if let Some(key) = key {
            call = call.header("Idempotency-Key", key);
        }
        let answer = call.try_send().await.ok()?;
        *self.lock().statuses.entry(answer.status).or_default() += 1;
        Some(answer)
    }

    fn remember(&self, kind: &str, of: &AggregateId, command_id: Option<CommandId>, accepted: bool) {
        self.lock().sent.push(Sent {
            command_id,
            of: of.clone(),
            expected_type: kind.to_owned(),
            accepted,
            unknown: !accepted,
        });
    }

    pub(crate) async fn create(&self, sku: &str, quantity: u32) -> Option<Accepted> {
        let body = serde_json::json!({"sku": sku, "name": format!("Thing {sku}"), "quantity": quantity});
        self.write("ItemCreationRequested", "POST", "", Some(body), None).await
    }

    pub(crate) async fn reserve(&self, sku: &str, quantity: u32, key: Option<&str>) -> Option<Accepted> {
        let body = serde_json::json!({"quantity": quantity});
        self.write("StockReservationRequested", "POST", &format!("/sku/{sku}/reserve"), Some(body), key).await
    }

    pub(crate) async fn release(&self, sku: &str, quantity: u32) -> Option<Accepted> {
        let body = serde_json::json!({"quantity": quantity});
        self.write("StockReleaseRequested", "POST", &format!("/sku/{sku}/release"), Some(body), None).await
    }

    pub(crate) async fn adjust(&self, sku: &str, quantity: i32) -> Option<Accepted> {
        let body = serde_json::json!({"quantity": quantity, "reason": "load"});
        self.write("StockAdjustmentRequested", "POST", &format!("/sku/{sku}/adjust"), Some(body), None).await
    }

    /// The final outcome, as `status` or `status CODE`.
    pub(crate) async fn outcome(&self, accepted: &Accepted) -> String {
        let path = format!("{}&waitMs=2000", accepted.status_path);
        for _ in 0..OUTCOME_LOOKS {
            let outcome = answered(self.query(), &path, None).await.expect(200).json();
            match (outcome["status"].as_str().expect("a status"), outcome["code"].as_str()) {
                ("pending", _) => {}
                (status, None) => return status.to_owned(),
                (status, Some(code)) => return format!("{status} {code}"),
            }
        }
        panic!("{path} was still pending");
    }

    /// A read that reflects the write, of the process after ours, which has not told us of it.
    pub(crate) async fn read(&self, path: &str, token: &str) -> Answer {
        let query = &self.queries[(self.place + 1) % self.queries.len()];
        answered(query, &format!("/api/v1/inventory{path}"), Some(token)).await
    }

    /// A read without a token.
    pub(crate) async fn peek(&self, path: &str) -> Answer {
        answered(self.query(), &format!("/api/v1/inventory{path}"), None).await
    }

    /// How many query-services there are to ask.
    pub(crate) fn readers(&self) -> u32 {
        u32::try_from(self.queries.len()).expect("a few")
    }
}

/// As a client does that is told to try again: a reader that has only Redis answers 503 while that does not answer.
async fn answered(query: &Client, path: &str, token: Option<&str>) -> Answer {
    let began = Instant::now();
    loop {
        let mut call = query.request("GET", path);
        if let Some(token) = token {
            call = call.header("X-Consistency-Token", token);
        }
        let answer = call.send().await;
        if answer.status != 503 || answer.json()["code"] != "SOURCE_UNAVAILABLE" || began.elapsed() > SOON {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn connect(bases: &[String]) -> Vec<Client> {
    let mut clients = Vec::new();
    for base in bases {
        clients.push(Client::connect(base.clone()).await);
    }
    clients
}

/// What a 202 says, or a batch of one of its rows.
fn accepted(body: &Value) -> Accepted {
    let text = |field: &str| body[field].as_str().expect("a 202 has it").to_owned();
    let status_url = text("statusUrl");
    let at = status_url.find("/api/v1").expect("a path of ours");
    Accepted {
        command_id: CommandId::parse(&text("commandId")).expect("an id"),
        status_path: status_url[at..].to_owned(),
        token: text("consistencyToken"),
    }
}

fn item_of(path: &str, body: Option<&Value>) -> ItemId {
    let in_path = path.strip_prefix("/sku/").and_then(|rest| rest.split('/').next());
    let sku = in_path.or_else(|| body.and_then(|body| body["sku"].as_str())).expect("a SKU");
    ItemId::of(&Sku::parse(sku).expect("a SKU"))
}

/// How often each ending came.
pub(crate) fn tally(endings: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    endings.into_iter().fold(BTreeMap::new(), |mut tally, ending| {
        *tally.entry(ending).or_default() += 1;
        tally
    })
}
