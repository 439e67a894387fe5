//! A crowd, as when a sale opens: many clients that all send at once, the next command as soon as the last is answered.
//!
//! So many commands are on their way that command-service sends them in two groups, one beside the other (docs/adr/0026).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Parties;
use super::client::Client;

/// Far more than make two groups, in each command-service.
const CROWD: u64 = 160;
/// How many commands each sends in one rush.
const COMMANDS: usize = 10;
const EVERY: Duration = Duration::from_secs(6);

/// One rush after another. `first` is the number of its first client.
pub(super) async fn rush_while(parties: Parties, seed: u64, first: u64, writing: Arc<AtomicBool>) {
    let mut crowd: Vec<Client> =
        (first..first + CROWD).map(|number| Client::new(parties.clone(), seed, number)).collect();
    while writing.load(Ordering::Relaxed) {
        crowd = crowd.into_iter().map(rush).collect::<JoinSet<_>>().join_all().await;
        tokio::time::sleep(EVERY).await;
    }
}

async fn rush(mut client: Client) -> Client {
    for _ in 0..COMMANDS {
        client.write().await;
    }
    client
}
