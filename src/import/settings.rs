//! What an import is told.

use std::path::PathBuf;

use clap::Args;
use command_service::QueryBaseUrl;
use shared::text::StoreId;

/// Which file, and where to.
#[derive(Debug, Clone, Args)]
pub struct ImportSettings {
    /// UTF-8, comma-separated as RFC 4180 has it; the first line names the columns. `sku` and `name` must be there;
    /// `description`, `category`, `price`, `currency`, `lowStockThreshold` and `quantity` may be. `price` is a whole
    /// number of the currency's minor unit (1999 for 19.99 EUR), and `currency` is needed with it. An empty cell is as
    /// good as none.
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,

    /// The store whose stock the quantities are; it must exist.
    #[arg(long, value_parser = StoreId::parse)]
    pub store: StoreId,

    /// Only check the file, and send nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Of a SKU that is in the catalogue already, replace all catalogue fields, and set the quantity at the store if
    /// there is one. Without this, such a row fails.
    #[arg(long)]
    pub update: bool,

    /// Where command-service is. If this is given, `--query-url` must be too, so that both are of one system.
    #[arg(long, default_value = "http://127.0.0.1:8080", requires = "query_url")]
    pub url: QueryBaseUrl,

    /// Where query-service is.
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub query_url: QueryBaseUrl,
}
