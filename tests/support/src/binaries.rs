//! The services' own programs, built once for the whole run as they are shipped.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// For quick work on one's own machine: the name of another profile than `release`, `dev` say.
const PROFILE_VARIABLE: &str = "INVENTORY_TEST_PROFILE";

const BREAKABLE: &str = "breakable-listener";

/// Where the program of this name is. The first caller builds all of them, which is nothing to do after `.ci/run` or
/// `cargo build --release --workspace --bins`.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| build(&["--bins"])).join(name)
}

/// Where the listener is that tests break (docs/adr/0014). Its first caller builds it.
pub fn breakable_listener() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let program = ["--features", "listener-service/failpoints", "--bin", BREAKABLE];
    FOLDER.get_or_init(|| build(&program)).join(BREAKABLE)
}

/// Builds these programs, named by arguments of cargo's, and says in which folder they are. Always of the whole
/// workspace, for a crate's features are those that all of it asks for: so what was built for one serves the other.
fn build(programs: &[&str]) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--workspace",
            "--locked",
            "--message-format",
            "json-render-diagnostics",
            "--profile",
            &profile(),
        ])
        .args(programs)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder_told(&built.stdout).expect("cargo tells where the programs are")
}

/// Each line is a message; those about programs name them.
fn folder_told(messages: &[u8]) -> Option<PathBuf> {
    let messages = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let mut programs = messages.filter_map(|message: Value| Some(PathBuf::from(message["executable"].as_str()?)));
    Some(programs.next()?.parent()?.to_owned())
}

/// Whether they are as they are shipped.
pub fn are_optimised() -> bool {
    profile() == "release"
}

/// The profile of cargo's that the programs are built in.
#[expect(clippy::disallowed_methods, reason = "how tests are built is no setting of the system")]
fn profile() -> String {
    std::env::var(PROFILE_VARIABLE).unwrap_or_else(|_| "release".to_owned())
}
