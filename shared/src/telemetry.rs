//! Logs: to standard error, JSON or text, with the ids of the span they are in.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::{LogFormat, LogSettings, SettingsError};

/// Installs the process's logger. Without `LOG_FORMAT`, a terminal gets text and everything else JSON.
pub fn install(settings: &LogSettings) -> Result<(), SettingsError> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(&settings.log_level)
        .map_err(|error| SettingsError::new("LOG_LEVEL", format!("{:?}: {error}", settings.log_level)))?;
    let terminal = std::io::stderr().is_terminal();
    let format = settings.log_format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A logger that is installed already stays: a second service in the same process logs through the first's.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(terminal).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
    };
    Ok(())
}

/// Tells on standard output what is where: a plain line, whatever the logs' format. That nobody reads it is no reason
/// to end.
pub fn announce(name: &str, address: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{name} {address}");
}

/// Announces a service and its Swagger.
pub fn announce_service(name: &str, address: std::net::SocketAddr) {
    announce(name, format_args!("http://{address}"));
    announce("swagger", format_args!("http://{address}/swagger/index.html"));
}
