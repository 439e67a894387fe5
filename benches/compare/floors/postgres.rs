//! The same reservation in PostgreSQL: a peer, not a floor, for whoever would have taken it instead.
//!
//! Fair, for it has the same tables with the same indexes, writes the same rows with as many bytes, and is as durable; where
//! it can do with less than ours, it does (`postgres.sql` says where). It has a function in the server, so that a
//! reservation is one statement and one way to and fro. As it is used by most, a transaction is one reservation, of 64
//! clients; and as we do it, 1,024 of them, of one client.

use std::path::Path;
use std::time::Duration;

use crate::parts::postgres::Postgres;

const CLIENTS: u32 = 64;
const BATCH: u32 = 1024;
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/compare/floors/postgres.sql");
/// Of ours, in bytes: a `ReservationCreated` and a `StockReserved`.
pub(crate) type Lengths = (usize, usize);

pub(crate) struct Peer {
    postgres: Postgres,
    items: usize,
    time: Duration,
}

impl Peer {
    /// With so many items, and warm.
    pub(crate) fn start(items: usize, (created, reserved): Lengths, time: Duration) -> anyhow::Result<Self> {
        let postgres = Postgres::start()?;
        postgres.script(Path::new(SCHEMA))?;
        postgres.value(&format!("SELECT stock({items}, {created}, {reserved})"))?;
        postgres.value("VACUUM ANALYZE")?;
        let peer = Self { postgres, items, time };
        peer.postgres.pgbench(&peer.one(), CLIENTS, time)?;
        Ok(peer)
    }

    /// Reservations a second, each a statement and a transaction.
    pub(crate) fn by_statement(&self) -> anyhow::Result<f64> {
        self.postgres.pgbench(&self.one(), CLIENTS, self.time)
    }

    /// Reservations a second, many in a transaction of one client.
    pub(crate) fn batched(&self) -> anyhow::Result<f64> {
        let items = self.items;
        let script =
            format!("SELECT count(reserve((random() * ({items} - 1))::int)) FROM generate_series(1, {BATCH});\n");
        Ok(self.postgres.pgbench(&script, 1, self.time)? * f64::from(BATCH))
    }

    /// Each reservation has left a row of each table, and each level holds what was reserved of it. And it is tidied up, so
    /// that nothing is left to do while ours runs.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.postgres.value("VACUUM ANALYZE")?;
        let wrong = self.postgres.value("SELECT wrong()")?;
        anyhow::ensure!(wrong.is_empty(), "PostgreSQL did something else: {wrong}");
        Ok(())
    }

    fn one(&self) -> String {
        format!("\\set item random(0, {})\nSELECT reserve(:item);\n", self.items - 1)
    }
}
