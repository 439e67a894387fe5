//! A client that remembers all that it sent: what the checker holds the database against.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use shared::id::{CommandId, ItemId};
use shared::text::Sku;
use testkit::checker::{History, Sent};
use testkit::contract::{Answer, Client};
use testkit::poll::eventually;

use crate::program::Program;

/// Of two seconds each, so half a minute.
const OUTCOME_LOOKS: u32 = 15;

/// One accepted command: where its outcome will be.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) command_id: CommandId,
    pub(crate) status_path: String,
    pub(crate) token: String,
}

/// Writes through command-service, reads through query-service; clones share the memory.
#[derive(Clone)]
pub(crate) struct Shop {
    command: Client,
    query: Client,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Shop {
    pub(crate) async fn of(program: &Program) -> Self {
        Self::remembering(program, Arc::default()).await
    }

    /// Goes on, after a restart, with what was sent before.
    pub(crate) async fn remembering(program: &Program, sent: Arc<Mutex<Vec<Sent>>>) -> Self {
        let (command, query) =
            tokio::join!(Client::connect(program.command.clone()), Client::connect(program.query.clone()));
        Self { command, query, sent }
    }

    pub(crate) fn memory(&self) -> Arc<Mutex<Vec<Sent>>> {
        Arc::clone(&self.sent)
    }

    pub(crate) fn history(&self) -> History {
        let commands = self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        History { commands, poison: Vec::new(), complete: true }
    }

    /// Sends one write; `None` if no answer came or the answer was a 504.
    pub(crate) async fn write(
        &self,
        kind: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Option<Accepted> {
        let mut call = self.command.request(method, format!("/api/v1/inventory/items{path}"));
        if let Some(body) = &body {
            call = call.json(body);
        }
        if let Some(key) = key {
            call = call.header("Idempotency-Key", key);
        }
        let answer = call.try_send().await.ok();
        let item_id = item_of(path, body.as_ref());
        match answer {
            Some(answer) if answer.status == 202 => {
                let accepted = accepted(&answer);
                self.remember(kind, item_id, Some(accepted.command_id), true);
                Some(accepted)
            }
            // Refused before anything was enqueued.
            Some(answer) if answer.status == 503 => None,
            Some(answer) if answer.status != 504 => panic!("{method} {path}: {} {}", answer.status, answer.text()),
            _ => {
                self.remember(kind, item_id, None, false);
                None
            }
        }
    }

    fn remember(&self, kind: &str, item_id: ItemId, command_id: Option<CommandId>, accepted: bool) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(Sent {
            command_id,
            item_id,
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
            let outcome = self.query.get(&path).await.expect(200).json();
            match (outcome["status"].as_str().expect("a status"), outcome["code"].as_str()) {
                ("pending", _) => {}
                (status, None) => return status.to_owned(),
                (status, Some(code)) => return format!("{status} {code}"),
            }
        }
        panic!("{path} was still pending");
    }

    /// A read of this process that reflects the write.
    pub(crate) async fn read(&self, path: &str, token: &str) -> Answer {
        self.query.request("GET", format!("/api/v1/inventory{path}")).header("X-Consistency-Token", token).send().await
    }

    /// A read without a token.
    pub(crate) async fn peek(&self, path: &str) -> Answer {
        self.query.get(&format!("/api/v1/inventory{path}")).await
    }
}

fn accepted(answer: &Answer) -> Accepted {
    let body = answer.json();
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

/// Waits until the writer has nothing more to do.
pub(crate) async fn quiet(program: &Program) {
    let listener = Client::connect(program.listener.clone()).await;
    eventually(Duration::from_mins(1), async || {
        let stats = listener.get("/monitoring/stats").await.json();
        if stats["lag"] == 0 && stats["published"] == stats["sequence"] { Ok(()) } else { Err(stats) }
    })
    .await;
}
