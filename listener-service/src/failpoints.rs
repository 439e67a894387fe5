//! Named points at which a test breaks this process, and faults that it plants (docs/adr/0014). Only in a build with the
//! feature `failpoints`, which is never shipped.
//!
//! `PLANT=<name>` has this process do wrong, so that a checker can be seen to find it.
//! `FAILPOINT=<name>:<n>:<action>` acts the n-th time that the point is reached: `kill` or `stop`, of this very process.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use shared::settings::SettingsError;

const POINT: &str = "FAILPOINT";
const PLANT: &str = "PLANT";

/// Every point, as it is named where it stands.
pub const POINTS: [&str; 9] = [
    "writer-begin",
    "writer-between",
    "writer-positioned",
    "writer-committed",
    "projector-call",
    "publisher-dead-letter",
    "checkpoint",
    "lease-taking",
    "shutdown",
];

/// Every fault that can be planted; where it stands it is named with `plant-` in front.
pub const FAULTS: [&str; 6] =
    ["drop-event", "drop-command", "apply-twice", "skip-position", "older-document", "dead-letter-twice"];

/// One in so many goes wrong: seldom enough to look like a bug, often enough to be among a hundred.
const EVERY: i128 = 10;
const TURN: i128 = 7;

/// These stand before a call that takes its time: what is to hit the middle of it comes from beside.
const BEFORE_A_CALL: [&str; 2] = ["projector-call", "checkpoint"];
/// The longest such call that matters; a signal that comes after it is worth as much.
const AT_MOST_MICROS: u64 = 3_000;
/// A stop takes hold of the thread that asked for it a moment later. Until then that must not go on.
const STOPS_WITHIN: Duration = Duration::from_millis(50);

/// What happens to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// SIGKILL.
    Kill,
    /// SIGSTOP: it becomes a zombie writer, until SIGCONT.
    Stop,
}

/// A point, when it acts, and how.
#[derive(Debug, PartialEq, Eq)]
struct Armed {
    point: &'static str,
    nth: u64,
    action: Action,
}

/// Arms what the environment says. An error names what there is none of.
pub fn arm() -> Result<(), SettingsError> {
    if let Some(text) = variable(POINT) {
        parse(&text)?.arm();
    }
    if let Some(text) = variable(PLANT) {
        plant(&text)?;
    }
    Ok(())
}

/// Whether this one, of those that are numbered so, is to go wrong.
pub(crate) fn is_turn(number: impl Into<i128>) -> bool {
    number.into() % EVERY == TURN
}

fn plant(name: &str) -> Result<(), SettingsError> {
    let fault = FAULTS
        .into_iter()
        .find(|fault| *fault == name)
        .ok_or_else(|| SettingsError::new(PLANT, format!("there is no fault {name:?}, but {}", FAULTS.join(", "))))?;
    eprintln!("planted: {fault}");
    fail::cfg(format!("plant-{fault}"), "return").map_err(|error| SettingsError::new(PLANT, error))
}

#[expect(clippy::disallowed_methods, reason = "no setting of the product: nothing that is shipped reads it")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn parse(text: &str) -> Result<Armed, SettingsError> {
    let wrong = |detail: String| SettingsError::new(POINT, detail);
    let [name, nth, action] = text.split(':').collect::<Vec<_>>()[..] else {
        return Err(wrong(format!("{text:?} is not <name>:<n>:<action>")));
    };
    let point = POINTS.into_iter().find(|point| *point == name);
    let point = point.ok_or_else(|| wrong(format!("there is no point {name:?}, but {}", POINTS.join(", "))))?;
    let nth = nth.parse().ok().filter(|nth| *nth > 0);
    let nth = nth.ok_or_else(|| wrong(format!("{text:?} does not say which time, from 1 on")))?;
    let action = match action {
        "kill" => Action::Kill,
        "stop" => Action::Stop,
        _ => return Err(wrong(format!("there is no action {action:?}, but kill, stop"))),
    };
    Ok(Armed { point, nth, action })
}

impl Armed {
    fn arm(self) {
        let reached = AtomicU64::new(0);
        let armed = fail::cfg_callback(self.point, move || {
            if reached.fetch_add(1, Ordering::Relaxed) + 1 == self.nth {
                self.act();
            }
        });
        armed.expect("a callback is no text that could be wrong");
    }

    /// What it says is for who looks for the point at which a process ended.
    fn act(&self) {
        let Self { point, nth, action } = *self;
        eprintln!("failpoint {point}, time {nth}: {action:?}");
        if !BEFORE_A_CALL.contains(&point) {
            return action.take();
        }
        let delay = Duration::from_micros(RandomState::new().hash_one(point) % AT_MOST_MICROS);
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            action.take();
        });
    }
}

impl Action {
    fn take(self) {
        let signal = match self {
            Self::Kill => Signal::KILL,
            Self::Stop => Signal::STOP,
        };
        kill_process(getpid(), signal).expect("a process may signal itself");
        std::thread::sleep(STOPS_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_with_its_time_and_its_action() {
        let armed = |text| parse(text).map_err(|error| error.to_string());
        let expected = Armed { point: "writer-begin", nth: 12, action: Action::Kill };
        assert_eq!(armed("writer-begin:12:kill"), Ok(expected));
        assert_eq!(armed("shutdown:1:stop"), Ok(Armed { point: "shutdown", nth: 1, action: Action::Stop }));
        for (text, named) in [
            ("nowhere:1:kill", "\"nowhere\""),
            ("writer-begin:1:burn", "\"burn\""),
            ("writer-begin:0:kill", "which time"),
            ("writer-begin:x:kill", "which time"),
            ("writer-begin", "\"writer-begin\" is not"),
        ] {
            let error = armed(text).expect_err(text);
            assert!(error.starts_with("FAILPOINT: ") && error.contains(named), "{error}");
        }
    }
}
