//! docs/WALKTHROUGH.md, run as it stands: its commands in one bash, against the program, line by line.
//!
//! The grammar of the page:
//!
//! - A block whose fence says `sh` is a step's commands. A block that says `text` right after it is what they print,
//!   standard error included. Without such a block they must print nothing. There are no other blocks.
//! - `sh kcat` is a step that needs kcat. `sh start` starts the program, and its `text` block is what that prints;
//!   `sh stop` is Ctrl-C. These two are done by the test.
//! - `<name>` in a `text` block matches one or more characters without space, quote, comma and brace, and stands for the
//!   same value on the rest of the page. A name that begins with `any` matches up to the next quote, anything each time.
//! - Lines are compared one by one, without white space at their ends and without empty lines at the end of a block.
//!
//! The page has the default ports. The test takes free ones, and exchanges them in the commands and back in the output.
//! Where the page lets cargo run an import, the test runs the program that it was built with.
//! It is walked twice: as it says, with the embedded broker and without Redis; and with `KAFKA_BROKERS` and
//! `REDIS_HOST` naming real ones. What is different then is `X-Cache` alone.

mod matcher;
mod page;
mod program;
mod shell;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use matcher::Values;
use page::{Kind, Step};
use program::{Addresses, Program};
use shell::Shell;
use testkit::kafka::Kafka;
use testkit::redis_server::RedisServer;

const PAGE: &str = include_str!("../../docs/WALKTHROUGH.md");

/// What is ours by default, and not ours here.
struct Real {
    kafka: Kafka,
    redis: RedisServer,
}

/// The page, being walked through.
struct Walk {
    folder: tempfile::TempDir,
    shell: Shell,
    program: Option<Program>,
    real: Option<Real>,
    values: Values,
    has_kcat: bool,
}

impl Walk {
    fn new(has_kcat: bool, real: Option<Real>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let shell = Shell::start(folder.path());
        Self { folder, shell, program: None, real, values: Values::default(), has_kcat }
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        let printed = match step.kind {
            Kind::Start => self.start(),
            Kind::Stop => self.stop()?,
            Kind::Kcat if !self.has_kcat => {
                report(&format!("left out, for want of kcat: {}", step.place()));
                return Ok(());
            }
            Kind::Shell | Kind::Kcat => self.run(&step.commands)?,
        };
        self.values.compare(&step.expected, &printed)
    }

    fn start(&mut self) -> Vec<String> {
        let environment = self.real.as_ref().map(|Real { kafka, redis }| {
            let redis = redis.address();
            let port = redis.port.to_string();
            [("KAFKA_BROKERS", kafka.address()), ("REDIS_HOST", redis.host), ("REDIS_PORT", port)]
        });
        let program = Program::start(self.folder.path(), environment.as_ref().map_or(&[], |pairs| &pairs[..]));
        let printed = program.addresses.lines_for_page(&program.printed);
        self.program = Some(program);
        printed
    }

    fn stop(&mut self) -> Result<Vec<String>, String> {
        let status = self.program.take().ok_or("nothing runs")?.interrupt();
        if status.success() { Ok(Vec::new()) } else { Err(format!("the program ended with {status}")) }
    }

    fn run(&mut self, commands: &str) -> Result<Vec<String>, String> {
        let addresses: &Addresses = &self.program.as_ref().ok_or("nothing runs")?.addresses;
        let printed = self.shell.run(&addresses.commands_from_page(commands))?;
        Ok(addresses.lines_for_page(&printed))
    }

    /// What the program logged, for whoever has to find out why.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join(program::LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// To standard error itself: what goes through `eprintln!` is shown only when a test fails.
fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "walkthrough: {line}");
}

fn has(tool: &str, version: &str) -> bool {
    let run = Command::new(tool).arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}

fn with_any_source(page: &str) -> String {
    ["database", "memory"]
        .iter()
        .fold(page.to_owned(), |page, source| page.replace(&format!("x-cache: {source}"), "x-cache: <any source>"))
}

/// Nothing may be left out where `CI` is set.
fn may_leave_out(missing: &[&str], is_ci: bool) -> Result<(), String> {
    if missing.is_empty() || !is_ci {
        return Ok(());
    }
    Err(format!("{} is missing, and CI leaves nothing out", missing.join(", ")))
}

#[test]
fn the_page_shows_what_the_program_does() {
    walk(None);
}

#[test]
fn the_page_shows_what_the_program_does_with_a_real_kafka_and_a_real_redis() {
    let Some(redis) = RedisServer::start("the walkthrough with real parts", &[]) else { return };
    if let Some(kafka) = Kafka::start() {
        walk(Some(Real { kafka, redis }));
    }
}

fn walk(real: Option<Real>) {
    let present = [("bash", has("bash", "--version")), ("curl", has("curl", "--version")), ("kcat", has("kcat", "-V"))];
    let missing: Vec<&str> = present.iter().filter(|(_, present)| !present).map(|(tool, _)| *tool).collect();
    may_leave_out(&missing, std::env::var_os("CI").is_some()).unwrap_or_else(|why| panic!("{why}"));
    if missing.iter().any(|tool| *tool != "kcat") {
        report(&format!("the whole page is left out, for want of {}", missing.join(", ")));
        return;
    }
    // Redis is read first, but may be a moment behind.
    let page = if real.is_some() { with_any_source(PAGE) } else { PAGE.to_owned() };
    let steps = page::parse(&page).unwrap_or_else(|fault| panic!("docs/WALKTHROUGH.md: {fault}"));
    let mut walk = Walk::new(missing.is_empty(), real);
    for step in &steps {
        if let Err(difference) = walk.take(step) {
            let mut message = format!("{}\n\n{}\n", step.place(), step.commands);
            let _ = write!(message, "{difference}\n\nthe program's last log lines:\n{}", walk.log());
            panic!("{message}");
        }
    }
}

#[test]
fn nothing_is_left_out_in_ci() {
    assert!(may_leave_out(&["kcat"], true).expect_err("refused").contains("kcat"));
    assert_eq!(may_leave_out(&[], true), Ok(()));
    assert_eq!(may_leave_out(&["kcat"], false), Ok(()));
}
