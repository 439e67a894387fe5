//! What the clients remember: every command that they asked for, and everything that they were told of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::aggregate::AggregateId;
use shared::id::CommandId;
use testkit::checker::Sent;

use crate::load::{Level, Request};

/// How many of the newest settled commands readers may look for.
const RECENT: usize = 512;
const NEWEST: usize = 4;

/// Shared by all clients.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    commands: Vec<Remembered>,
    settled: VecDeque<Settled>,
    answers: BTreeMap<String, u64>,
}

/// One command, however often it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(crate) kind: &'static str,
    pub(crate) of: AggregateId,
    /// What its idempotency key is a key of, and the key.
    pub(crate) key: Option<String>,
    pub(crate) command_id: Option<CommandId>,
    /// A 202 came.
    pub(crate) accepted: bool,
    /// An answer came that says that it was not taken, and never will be.
    pub(crate) refused: bool,
    /// At least once no answer came, or one that does not say.
    pub(crate) unclear: bool,
    /// What a reader told of it.
    pub(crate) told: Option<Told>,
}

/// A final outcome, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: String,
    pub(crate) code: Option<String>,
    pub(crate) version: Option<u64>,
    pub(crate) sequence: u64,
}

/// An applied change of a level, which readers must show to whoever brings its token.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) level: Level,
    pub(crate) version: u64,
    pub(crate) token: String,
}

/// Which command of the memory.
pub(crate) type Index = usize;

impl Memory {
    pub(crate) fn asked(&self, request: &Request) -> Index {
        let mut kept = self.lock();
        kept.commands.push(Remembered {
            kind: request.kind,
            of: request.of.clone(),
            key: request.key.as_ref().map(|key| format!("{} {} {key}", request.method, request.path)),
            command_id: None,
            accepted: false,
            refused: false,
            unclear: false,
            told: None,
        });
        kept.commands.len() - 1
    }

    /// A 202 came; what is wrong with it, if it names another command than an earlier one did.
    pub(crate) fn accepted(&self, index: Index, command_id: CommandId) -> Option<String> {
        let command = &mut self.lock().commands[index];
        command.accepted = true;
        let before = command.command_id.replace(command_id).filter(|before| *before != command_id)?;
        Some(format!("sent again under its key, {before} became {command_id}: {command:?}"))
    }

    pub(crate) fn refused(&self, index: Index) {
        self.lock().commands[index].refused = true;
    }

    pub(crate) fn unclear(&self, index: Index) {
        self.lock().commands[index].unclear = true;
    }

    /// A final outcome was read; what is wrong with it, if an earlier one was another.
    pub(crate) fn told(&self, index: Index, told: &Told) -> Option<String> {
        let command = &mut self.lock().commands[index];
        let before = command.told.replace(told.clone()).filter(|before| before != told)?;
        Some(format!("{:?} was told {before:?}, and then {told:?}", command.command_id))
    }

    pub(crate) fn settled(&self, settled: Settled) {
        let mut kept = self.lock();
        kept.settled.push_back(settled);
        if kept.settled.len() > RECENT {
            kept.settled.pop_front();
        }
    }

    pub(crate) fn recent(&self, rng: &mut fastrand::Rng) -> Option<Settled> {
        let kept = self.lock();
        // The newest are the ones that a reader may not have yet.
        let among = kept.settled.len().min(if rng.bool() { NEWEST } else { RECENT });
        (among > 0).then(|| kept.settled[kept.settled.len() - 1 - rng.usize(..among)].clone())
    }

    /// How often this was the answer: a status and a code, or what broke.
    pub(crate) fn answered(&self, what: &str) {
        *self.lock().answers.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn answers(&self) -> BTreeMap<String, u64> {
        self.lock().answers.clone()
    }

    pub(crate) fn commands(&self) -> Vec<Remembered> {
        self.lock().commands.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// Whether nobody knows, at the end, if it was taken.
    pub(crate) fn is_unknown(&self) -> bool {
        self.unclear && !self.accepted && !self.refused
    }

    pub(crate) fn sent(&self) -> Sent {
        Sent {
            command_id: self.command_id,
            of: self.of.clone(),
            expected_type: self.kind.to_owned(),
            accepted: self.accepted,
            unknown: self.is_unknown(),
        }
    }
}
