//! What the libraries do alone. Change a floor only with the reason why it is fair.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use rusqlite::{Connection, params};

/// The argument that makes this program the floor of writing.
pub(crate) const ECHO: &str = "serve-echo";
/// The argument that makes this program the floor of reading.
pub(crate) const STATIC: &str = "serve-static";

/// As long as an item's answer.
const STATIC_BODY: &[u8] = &[b'x'; 230];

/// Fair for accepting: the same body is read, parsed and answered as JSON by the same HTTP library, and nothing else.
pub(crate) fn serve_echo() -> anyhow::Result<()> {
    let echo = async |body: Bytes| axum::Json(serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default());
    serve(Router::new().route("/echo", post(echo)))
}

/// Fair for reading: as many bytes, from memory, by the same HTTP library.
pub(crate) fn serve_static() -> anyhow::Result<()> {
    serve(Router::new().route("/static", get(async || STATIC_BODY)))
}

fn serve(router: Router) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        println!("listening http://{}", listener.local_addr()?);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, router).await?;
        Ok(())
    })
}

const UPDATE_LEVEL: &str = "
    UPDATE stock_levels SET quantity = ?3, reserved = ?4, version = ?5, updated_at = ?6
    WHERE item_id = ?1 AND store_id = ?2 AND version = ?5 - 1";
const APPEND: &str = "
    INSERT INTO journal (sequence, stream, event_type, item_id, command_id, fact_index, log, log_offset, occurred_at,
        traceparent, message)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const RECORD: &str = "
    INSERT INTO outcomes (command_id, status, type, item_id, version, sequence, applied_at, code, detail,
        dead_letter_id, idempotency_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const NULL: rusqlite::types::Null = rusqlite::types::Null;
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Fair for applying: the statements, tables, indexes, batches and durability of the writer, and the bytes of a real
/// fact, with no message to read, nothing to decide and no fact to build.
pub(crate) fn raw_loop(
    connection: &Connection,
    commands: &[uuid::Uuid],
    items: &[uuid::Uuid],
    batch: usize,
) -> anyhow::Result<()> {
    let message = "x".repeat(640);
    let mut versions: Vec<i64> = vec![1; items.len()];
    for (nth, chunk) in commands.chunks(batch).enumerate() {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        connection.prepare_cached("UPDATE lease SET heartbeat = heartbeat + 1 WHERE epoch = 0")?.execute([])?;
        for (index, command) in chunk.iter().enumerate() {
            let number = nth * batch + index;
            let (item, version) = (items[number % items.len()], &mut versions[number % items.len()]);
            *version += 1;
            connection.prepare_cached("SELECT 1 FROM outcomes WHERE command_id = ?1")?.exists([command])?;
            connection.prepare_cached(UPDATE_LEVEL)?.execute(params![item, "main", 900_000, 1, *version, 0])?;
            connection.prepare_cached(APPEND)?.execute(params![
                number + 1,
                1,
                "StockReserved",
                item,
                command,
                0,
                1,
                number,
                0,
                TRACEPARENT,
                message
            ])?;
            connection.prepare_cached(RECORD)?.execute(params![
                command,
                "applied",
                "StockReservationRequested",
                item,
                *version,
                number + 1,
                0,
                NULL,
                NULL,
                NULL,
                NULL
            ])?;
        }
        let next = i64::try_from((nth + 1) * batch)?;
        connection.prepare_cached("UPDATE logs SET next_offset = ?1 WHERE log = 1")?.execute([next])?;
        connection.prepare_cached("UPDATE progress SET applied = applied + ?1")?.execute([batch])?;
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    Ok(())
}
