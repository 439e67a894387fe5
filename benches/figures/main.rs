//! Figures of the whole system, each beside a floor that was measured in the same run, one after the other, five times.
//!
//! `cargo bench --bench figures` prints medians and the spread; `-- --quick` measures once, `-- --fresh` only how soon a
//! write can be read, `-- --scaling` what reading costs with several query-services, `-- --writer` only the writer: reserving,
//! confirming, cancelling and expiring, beside raw SQLite. Everything shares the machine's cores with the load, so the
//! ratios say more than the rates.

mod floors;
mod http;
mod rows;
mod scaling;
mod server;
mod writer;

const REPEATS: usize = 5;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(floors::ECHO) => return floors::serve_echo(),
        Some(floors::STATIC) => return floors::serve_static(),
        _ => {}
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let repeats = if has("--quick") { 1 } else { REPEATS };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if has("--fresh") {
            return rows::fresh(repeats).await;
        }
        if has("--scaling") {
            return scaling::scaling(repeats).await;
        }
        if has("--writer") {
            return writer::rates(repeats);
        }
        rows::accept(repeats).await?;
        rows::accept_durable(repeats).await?;
        rows::read(repeats).await?;
        writer::rates(repeats)?;
        rows::fresh(repeats).await
    })
}
