//! The services' own programs, built once for the whole run as they are shipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// For quick work on one's own machine: the name of another profile than `release`, `dev` say.
const PROFILE_VARIABLE: &str = "INVENTORY_TEST_PROFILE";

/// Where the program of this name is. The first caller builds all of them, which is nothing to do after `.ci/run` or
/// `cargo build --release --workspace --bins`.
pub(crate) fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(name)
}

/// Whether they are as they are shipped.
pub(crate) fn are_optimised() -> bool {
    profile() == "release"
}

#[expect(clippy::disallowed_methods, reason = "how tests are built is no setting of the system")]
fn profile() -> String {
    std::env::var(PROFILE_VARIABLE).unwrap_or_else(|_| "release".to_owned())
}

fn build() -> PathBuf {
    let profile = profile();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--workspace", "--bins", "--profile", &profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // Of the program that cargo has built for this test: target/<its profile>/inventory.
    let target = Path::new(env!("CARGO_BIN_EXE_inventory")).ancestors().nth(2).expect("a target folder");
    target.join(if profile == "dev" { "debug" } else { &profile })
}
