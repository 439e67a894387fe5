//! What the rows need: each a process on 127.0.0.1 that ends when it is dropped.

pub(crate) mod broker;
pub(crate) mod database;
pub(crate) mod grown;
pub(crate) mod kafka;
pub(crate) mod log;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod services;

use anyhow::ensure;

/// A part that cannot be had on this machine; the rows that need it say so.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// An error that says what to install, unless all of these programs are there.
fn need(programs: &[&str], why: &str) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    ensure!(programs.iter().all(is_there), Missing(why.to_owned()));
    Ok(())
}
