//! The demo catalogue: always the same items, through the write API like anybody's.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use shared::lifecycle::Shutdown;
use tokio::task::JoinSet;

use crate::settings::{RunSettings, SeedSettings};
use crate::trio::Trio;

const AT_ONCE: usize = 32;
const READY_WITHIN: Duration = Duration::from_secs(30);
const TRIES: u32 = 20;
const OUTCOME_WAIT_MS: u32 = 10_000;

const QUALITIES: [&str; 10] =
    ["Basic", "Classic", "Compact", "Deluxe", "Eco", "Heavy-Duty", "Light", "Premium", "Slim", "Travel"];
const THINGS: [&str; 12] = [
    "Backpack",
    "Bottle",
    "Cable",
    "Charger",
    "Desk Lamp",
    "Headphones",
    "Keyboard",
    "Mug",
    "Notebook",
    "Power Bank",
    "Rain Jacket",
    "Speaker",
];

enum Ended {
    Created,
    There,
}

/// Fills the catalogue. A trio that runs already takes the commands; else one is started for this and stopped again.
pub async fn run(seed: &SeedSettings, settings: &RunSettings) -> anyhow::Result<()> {
    let base = format!("http://{}:{}", settings.host.host, settings.command.command_port);
    let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
    if client.get(format!("{base}/health/live")).send().await.is_ok() {
        return fill(&client, &base, seed.items).await;
    }
    let trio = Trio::build(settings).await?;
    let [command, ..] = trio.addresses();
    let base = format!("http://{command}");
    let (shutdown, drain) = (Shutdown::new(), settings.host.drain());
    let running = tokio::spawn(trio.run(shutdown.clone(), drain));
    let filled = fill(&client, &base, seed.items).await;
    shutdown.begin(drain);
    running.await??;
    filled
}

async fn fill(client: &Client, base: &str, items: u32) -> anyhow::Result<()> {
    wait_until_ready(client, base).await?;
    let (mut created, mut there) = (0, 0);
    let mut under_way = JoinSet::new();
    for number in 1..=items {
        if under_way.len() == AT_ONCE {
            count(under_way.join_next().await, &mut created, &mut there)?;
        }
        let (client, url) = (client.clone(), format!("{base}/api/v1/inventory/items"));
        under_way.spawn(async move { create(&client, &url, &item(number)).await });
    }
    while let Some(ended) = under_way.join_next().await {
        count(Some(ended), &mut created, &mut there)?;
    }
    println!("{items} demo items: {created} created, {there} there already");
    Ok(())
}

fn count(
    ended: Option<Result<anyhow::Result<Ended>, tokio::task::JoinError>>,
    created: &mut u32,
    there: &mut u32,
) -> anyhow::Result<()> {
    match ended.context("no creation is under way")??? {
        Ended::Created => *created += 1,
        Ended::There => *there += 1,
    }
    Ok(())
}

async fn wait_until_ready(client: &Client, base: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let answer = client.get(format!("{base}/health/ready")).send().await?;
        if answer.status() == StatusCode::OK {
            return Ok(());
        }
        if started.elapsed() > READY_WITHIN {
            bail!("{base} is not ready: {}", answer.text().await?);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Creates one item and waits for its outcome. Trying again is safe: a SKU is created once.
async fn create(client: &Client, url: &str, item: &Value) -> anyhow::Result<Ended> {
    for _ in 0..TRIES {
        let answer = client.post(url).json(item).send().await?;
        match answer.status() {
            StatusCode::ACCEPTED => {
                let accepted: Value = answer.json().await?;
                let status_url = accepted["statusUrl"].as_str().context("a 202 has a statusUrl")?;
                return outcome(client, status_url, item).await;
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            status => bail!("{url} answered {status}: {}", answer.text().await?),
        }
    }
    bail!("{url} took none of {TRIES} tries")
}

async fn outcome(client: &Client, status_url: &str, item: &Value) -> anyhow::Result<Ended> {
    let url = format!("{status_url}&waitMs={OUTCOME_WAIT_MS}");
    let outcome: Value = client.get(&url).send().await?.error_for_status()?.json().await?;
    match (outcome["status"].as_str(), outcome["code"].as_str()) {
        (Some("applied"), _) => Ok(Ended::Created),
        (Some("rejected"), Some("DUPLICATE_SKU")) => Ok(Ended::There),
        _ => bail!("{} ended as {outcome}", item["sku"]),
    }
}

/// The same number is the same item on every machine.
fn item(number: u32) -> Value {
    let index = usize::try_from(number - 1).expect("32 bits fit");
    let quality = QUALITIES[index % QUALITIES.len()];
    let thing = THINGS[(index / QUALITIES.len()) % THINGS.len()];
    json!({
        "sku": format!("DEMO-{number:04}"),
        "name": format!("{quality} {thing}"),
        "description": format!("{thing} of the {} line, number {number} of the demo catalogue.", quality.to_lowercase()),
        "quantity": (u64::from(number) * 37) % 250,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_always_the_same() {
        assert_eq!(item(1), item(1));
        assert_eq!(item(1)["sku"], "DEMO-0001");
        assert_eq!(item(1)["quantity"], 37);
    }

    #[test]
    fn no_two_items_of_a_hundred_have_the_same_name() {
        let names: std::collections::BTreeSet<String> =
            (1..=100).map(|number| item(number)["name"].to_string()).collect();
        assert_eq!(names.len(), 100);
    }
}
