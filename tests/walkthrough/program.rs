//! The program as its user starts it, but on free ports.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use testkit::poll::eventually_blocking;

/// Its standard error, in its folder.
pub(crate) const LOG: &str = "inventory.log";
const SOON: Duration = Duration::from_mins(1);
const PROGRAM: &str = env!("CARGO_BIN_EXE_inventory");
/// An import, as the page has it.
const IMPORT: &str = "cargo run --release -- import";
/// Of the three services, as the page has them.
const DEFAULT: [&str; 3] = ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"];
/// It prints what is where, one address a line.
const PRINTS: usize = 7;

/// Where command-service, query-service and listener-service are.
pub(crate) struct Addresses([String; 3]);

/// A running trio. It is killed when the test ends, however that ends.
pub(crate) struct Program {
    child: Child,
    pub(crate) printed: Vec<String>,
    pub(crate) addresses: Addresses,
}

impl Addresses {
    fn of(printed: &[String]) -> Self {
        Self(["command", "query", "listener"].map(|name| {
            let address = printed.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(" http://"));
            address.unwrap_or_else(|| panic!("no {name} in {printed:#?}")).to_owned()
        }))
    }

    /// Ports that the system gives out have five digits, so none is the beginning of another.
    pub(crate) fn commands_from_page(&self, commands: &str) -> String {
        let import = format!("'{PROGRAM}' import --url http://{} --query-url http://{}", DEFAULT[0], DEFAULT[1]);
        let commands = commands.replace(IMPORT, &import);
        DEFAULT.iter().zip(&self.0).fold(commands, |text, (page, real)| text.replace(page, real))
    }

    pub(crate) fn lines_for_page(&self, lines: &[String]) -> Vec<String> {
        let for_page = |line: &String| {
            DEFAULT.iter().zip(&self.0).fold(line.clone(), |text, (page, real)| text.replace(real.as_str(), page))
        };
        lines.iter().map(for_page).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }
}

impl Program {
    /// Starts it in `folder`, with its default settings but for the ports and `environment`, and waits until it is ready.
    pub(crate) fn start(folder: &Path, environment: &[(&str, String)]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(folder.join(LOG)).expect("a log file");
        let mut child = Command::new(PROGRAM)
            .current_dir(folder)
            .env_clear()
            .envs([("COMMAND_PORT", "0"), ("QUERY_PORT", "0"), ("LISTENER_PORT", "0")])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("started");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let line = |_| lines.recv_timeout(SOON).expect("the program says what is where");
        let printed: Vec<String> = (0..PRINTS).map(line).collect();
        let program = Self { child, addresses: Addresses::of(&printed), printed };
        program.addresses.iter().for_each(|address| wait_until_ready(address));
        program
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
        eventually_blocking(SOON, || self.child.try_wait().expect("ours"))
    }
}

fn wait_until_ready(address: &str) {
    let url = format!("http://{address}/health/ready");
    eventually_blocking(SOON, || {
        let curl = Command::new("curl").args(["-q", "-sf", "--noproxy", "*", "-o", "/dev/null", &url]).status();
        curl.expect("curl").success()
    });
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
