//! One client: it writes as the contract says, with a key, again until an answer comes, and looks at what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::aggregate::AggregateId;
use shared::id::CommandId;

use super::draw::Draw;
use super::{Parties, Request};
use crate::memory::{Index, Settled, Told};
use crate::readers::look;
use crate::world::client;

/// Between two commands of one client, at most.
const PAUSE_MILLIS: u64 = 60;
/// Longer than any outage: a command that has no answer by then has been forgotten.
const PATIENCE: Duration = Duration::from_mins(3);
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How many repetitions wait at most.
const REPETITIONS: usize = 30;

/// What one sending came to.
#[derive(Debug)]
enum Answer {
    Taken {
        command_id: CommandId,
        token: String,
        status_path: String,
    },
    /// It is at fault.
    Refused,
    /// Nothing was enqueued.
    NotTaken,
    /// Nobody knows.
    Unclear,
}

/// Under way.
pub(crate) struct Client {
    parties: Parties,
    http: reqwest::Client,
    /// What it asks for; only that, so that outages do not change it.
    draw: Draw,
    /// Whom it asks, and when.
    whims: fastrand::Rng,
    /// Sent before, and to be sent so many more times.
    again: Vec<(Request, Index, u32)>,
    /// Its last command with a key and a quantity.
    keyed: Option<Request>,
}

impl Client {
    pub(crate) fn new(parties: Parties, seed: u64, number: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let whims = rng.fork();
        Self { parties, http: client(), draw: Draw::new(rng), whims, again: Vec::new(), keyed: None }
    }

    pub(crate) async fn write_while(mut self, writing: Arc<AtomicBool>) {
        while writing.load(Ordering::Relaxed) {
            self.turn().await;
            let pause = self.whims.u64(..PAUSE_MILLIS);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let until = Instant::now() + PATIENCE;
        for (request, index, _) in std::mem::take(&mut self.again) {
            if Instant::now() < until {
                self.take(&request, index).await;
            }
        }
    }

    /// One command more; what comes of it is looked at only at the end.
    pub(super) async fn write(&mut self) {
        let request = self.draw.next_with_key();
        let index = self.parties.memory.asked(&request);
        self.take(&request, index).await;
    }

    /// Asks once, under a key of its own.
    pub(crate) async fn ask(
        &mut self,
        kind: &'static str,
        of: AggregateId,
        method: &'static str,
        path: String,
        body: Option<Value>,
    ) {
        let key = Some(self.draw.key());
        let request = Request { kind, of, method, path, body, key, level: None };
        self.first(request).await;
    }

    async fn turn(&mut self) {
        if !self.again.is_empty() && self.draw.rng.u32(..3) == 0 {
            let place = self.draw.rng.usize(..self.again.len());
            let (request, index, left) = self.again.swap_remove(place);
            if let Some((token, path)) = self.take(&request, index).await
                && self.whims.u32(..8) == 0
            {
                self.follow(&request, index, token, &path).await;
            }
            if left > 1 {
                self.again.push((request, index, left - 1));
            }
            return;
        }
        match self.draw.rng.u32(..100) {
            0 => self.reuse_key().await,
            1 => {
                let request = self.draw.malformed();
                let index = self.parties.memory.asked(&request);
                if self.take(&request, index).await.is_some() {
                    self.parties.journal.violated("contract", format!("was not refused: {request:?}"));
                }
            }
            // Without a key nobody may send it again.
            2..=6 => {
                let request = self.draw.next();
                self.first(request).await;
            }
            _ => {
                let request = self.draw.next_with_key();
                if request.path.ends_with("/adjust") {
                    self.keyed = Some(request.clone());
                }
                let index = self.first(request.clone()).await;
                let more = self.draw.rng.u32(..4);
                if more > 0 && self.again.len() < REPETITIONS {
                    self.again.push((request, index, more));
                }
            }
        }
    }

    /// The same key with another body is another command, which must be rejected, or the first if it comes sooner.
    async fn reuse_key(&mut self) {
        let Some(mut request) = self.keyed.take() else { return };
        request.body = Some(json!({"quantity": 1, "storeId": "main", "reason": "the key of another command"}));
        request.level = None;
        self.first(request).await;
    }

    async fn first(&mut self, request: Request) -> Index {
        let index = self.parties.memory.asked(&request);
        let taken = self.take(&request, index).await;
        if let Some((token, status_path)) = taken
            && self.whims.u32(..4) == 0
        {
            self.follow(&request, index, token, &status_path).await;
        }
        index
    }

    /// Sends it until there is an answer, and says where its outcome will be if it was taken.
    async fn take(&mut self, request: &Request, index: Index) -> Option<(String, String)> {
        let memory = Arc::clone(&self.parties.memory);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.send(request).await {
                Answer::Taken { command_id, token, status_path } => {
                    if let Some(fault) = memory.accepted(index, command_id) {
                        self.parties.journal.violated("twice", fault);
                    }
                    return Some((token, status_path));
                }
                Answer::Refused => {
                    memory.refused(index);
                    return None;
                }
                Answer::NotTaken => {}
                Answer::Unclear => {
                    memory.unclear(index);
                    request.key.as_ref()?;
                }
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        self.parties.journal.violated("liveness", format!("no answer within {PATIENCE:?}: {request:?}"));
        None
    }

    async fn send(&mut self, request: &Request) -> Answer {
        let place = &self.parties.commands[self.whims.usize(..self.parties.commands.len())];
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).expect("a method");
        let mut call = self.http.request(method, format!("{}/api/v1{}", place.base, request.path));
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        if let Some(key) = &request.key {
            call = call.header("Idempotency-Key", key);
        }
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => {
                self.parties.memory.answered(if error.is_connect() { "not connected" } else { "broken off" });
                return Answer::Unclear;
            }
        };
        let status = answer.status().as_u16();
        let Ok(body) = answer.json::<Value>().await else {
            self.parties.memory.answered("broken off");
            return Answer::Unclear;
        };
        self.parties.memory.answered(&format!("{status} {}", body["code"].as_str().unwrap_or_default()));
        self.read(status, &body, request)
    }

    fn read(&self, status: u16, body: &Value, request: &Request) -> Answer {
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        match status {
            202 => {
                let status_url = text("statusUrl");
                let path = status_url.find("/api/v1").map(|at| status_url[at..].to_owned());
                if let (Ok(command_id), Some(status_path)) = (CommandId::parse(&text("commandId")), path) {
                    Answer::Taken { command_id, token: text("consistencyToken"), status_path }
                } else {
                    self.parties.journal.violated("contract", format!("a 202 without its fields: {body}"));
                    Answer::Unclear
                }
            }
            503 => Answer::NotTaken,
            504 => Answer::Unclear,
            422 => Answer::Refused,
            _ => {
                self.parties.journal.violated("contract", format!("{status} {body} for {request:?}"));
                Answer::Refused
            }
        }
    }

    /// What a process tells of the level to whoever brings the token as soon as there is one.
    async fn look_at_once(&mut self, request: &Request, token: &str) -> Option<(String, u64)> {
        let level = request.level.as_ref()?;
        let place = self.whims.usize(..self.parties.queries.len());
        let version = look(&self.http, &self.parties, place, level, Some(token)).await?;
        Some((self.parties.queries[place].name.clone(), version))
    }

    /// Looks, a few times, whether it has ended, wherever it happens to ask.
    async fn follow(&mut self, request: &Request, index: Index, token: String, path: &str) {
        let shown = self.look_at_once(request, &token).await;
        for _ in 0..3 {
            let number = self.whims.usize(..self.parties.queries.len());
            let place = &self.parties.queries[number];
            let life = place.life();
            let Ok(answer) = self.http.get(format!("{}{path}&waitMs=1000", place.base)).send().await else { return };
            let status = answer.status().as_u16();
            let Ok(body) = answer.json::<Value>().await else { return };
            match (status, body["status"].as_str()) {
                (200, Some("pending")) | (503, _) => {}
                (200, Some("unknown")) => {
                    self.parties.journal.violated("lost", format!("{} does not know {path}", place.name));
                    return;
                }
                (200, Some(_)) => {
                    let told = told(&body);
                    if let (Some(level), Some(version), "applied") = (&request.level, told.version, &*told.status) {
                        if place.life() == life {
                            self.parties.floors.raise(number, life, level, version);
                        }
                        if let Some((name, shown)) = shown.filter(|(_, shown)| *shown < version) {
                            let seen = format!("{name} told version {shown} with the token of {told:?}");
                            self.parties.journal.violated("staleReads", seen);
                        }
                        self.parties.memory.settled(Settled { level: level.clone(), version, token });
                    }
                    if let Some(fault) = self.parties.memory.told(index, &told) {
                        self.parties.journal.violated("invented", fault);
                    }
                    return;
                }
                _ => {
                    self.parties.journal.violated("contract", format!("{path}: {status} {body}"));
                    return;
                }
            }
        }
    }
}

fn told(outcome: &Value) -> Told {
    Told {
        status: outcome["status"].as_str().unwrap_or_default().to_owned(),
        code: outcome["code"].as_str().map(str::to_owned),
        version: outcome["version"].as_u64(),
        sequence: outcome["sequence"].as_u64().unwrap_or_default(),
    }
}
