//! The SELECT of an item behind the bare HTTP library: this program, started with an argument.
//!
//! Fair, for it is what an item costs that no cache has, at the least: the same SQL on the same database, every column of
//! every row read, and then an answer of the very bytes of an item's. It makes no JSON, and hands nothing over to threads
//! for what blocks, which is to its favour.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rusqlite::Connection;
use uuid::Uuid;

use super::{http, list};

/// The argument, before the database and the file of the answer.
pub(crate) const SQL: &str = "serve-sql";

struct Served {
    database: PathBuf,
    /// Those that nobody uses at the moment.
    connections: Mutex<Vec<Connection>>,
    body: Bytes,
}

pub(crate) fn serve(database: &str, body: &str) -> anyhow::Result<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let served = Arc::new(Served { database: database.into(), connections: Mutex::default(), body });
    let item = async |State(served): State<Arc<Served>>, Path(id): Path<Uuid>| served.item(id);
    http::serve(Router::new().route("/api/v1/inventory/items/{item}", get(item)).with_state(served))
}

impl Served {
    fn item(&self, id: Uuid) -> Response {
        match self.read(id) {
            Ok(()) => (http::HEADERS, self.body.clone()).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }

    fn read(&self, id: Uuid) -> anyhow::Result<()> {
        let idle = self.connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| list::open(&self.database), Ok)?;
        let mut statement = connection.prepare_cached(list::ITEM)?;
        list::read(&mut statement, id.as_bytes())?;
        drop(statement);
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(())
    }
}
