//! One bash for the whole page, so that variables and functions carry over.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const STEP_WITHIN: Duration = Duration::from_mins(1);
const END: &str = "-- the step has ended --";

/// It is killed when the test ends, however that ends.
pub(crate) struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    folder: PathBuf,
    steps: u32,
}

impl Shell {
    /// With nothing of our own environment but where programs are.
    pub(crate) fn start(folder: &Path) -> Self {
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let read = BufReader::new(stdout).split(b'\n').map_while(Result::ok);
            read.for_each(|line| drop(sender.send(String::from_utf8_lossy(&line).into_owned())));
        });
        Self { child, stdin, lines, folder: folder.to_owned(), steps: 0 }
    }

    /// What the commands print, on both outputs; bounded in time.
    pub(crate) fn run(&mut self, commands: &str) -> Result<Vec<String>, String> {
        self.steps += 1;
        let file = format!("step-{}.sh", self.steps);
        std::fs::write(self.folder.join(&file), commands).map_err(|error| error.to_string())?;
        // From a file, so that commands cannot read what follows them, and a syntax error ends with its step.
        writeln!(self.stdin, ". ./{file} </dev/null 2>&1; printf '\\n%s\\n' '{END}'").map_err(|e| e.to_string())?;
        let deadline = Instant::now() + STEP_WITHIN;
        let mut printed = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line == END => return Ok(printed),
                Ok(line) => printed.push(line),
                Err(_) => return Err(format!("no end within {STEP_WITHIN:?}; until then: {printed:#?}")),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_carry_over_and_each_step_has_its_own_output() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shell = Shell::start(folder.path());
        assert_eq!(shell.run("a=1; f() { echo \"f $1\"; }"), Ok(vec![String::new()]));
        assert_eq!(shell.run("f $a; cat; echo oops >&2"), Ok(["f 1", "oops", ""].map(str::to_owned).to_vec()));
        assert!(shell.run("if").expect("a syntax error is output").concat().contains("syntax error"));
        assert_eq!(shell.run("printf x"), Ok(vec!["x".to_owned()]));
    }
}
