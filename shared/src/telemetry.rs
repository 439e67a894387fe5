//! Logs: to standard error, JSON or text, with the ids of the request and the span they are in.

mod json;
mod text;

use std::io::{IsTerminal, Write};

use json::Flat;
use text::Named;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};
use tracing_subscriber::fmt::format::JsonFields;

use crate::settings::{LogFormat, LogSettings, SettingsError};

/// Installs the process's logger. `service` is what lines say that belong to no other. Without `LOG_FORMAT`, a terminal gets text and everything else JSON.
pub fn install(settings: &LogSettings, service: &'static str) -> Result<(), SettingsError> {
    let filter = filter(&settings.log_level)?;
    let terminal = std::io::stderr().is_terminal();
    let format = settings.log_format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // They would go where the log goes, and panic when that has no room: a line that is lost ends no thread.
        .log_internal_errors(false);
    // A logger that is installed already stays: a second service in the same process logs through the first's.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(terminal).with_target(false).fmt_fields(Named::default()).try_init(),
        LogFormat::Json => builder.fmt_fields(JsonFields::new()).event_format(Flat { service }).try_init(),
    };
    Ok(())
}

/// A level for everything, or `target=level,…` over `info`. A word alone that is no level would be taken for a target.
fn filter(text: &str) -> Result<EnvFilter, SettingsError> {
    let refused = |error: &dyn std::fmt::Display| SettingsError::new("LOG_LEVEL", format!("{text:?}: {error}"));
    let text = if text.trim().is_empty() { "info" } else { text };
    if !text.contains('=') {
        let level: LevelFilter = text.trim().parse().map_err(|error| refused(&error))?;
        return Ok(EnvFilter::default().add_directive(level.into()));
    }
    let mut filter = EnvFilter::default().add_directive(LevelFilter::INFO.into());
    for directive in text.split(',') {
        let directive: Directive = directive.trim().parse().map_err(|error| refused(&error))?;
        filter = filter.add_directive(directive);
    }
    Ok(filter)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_and_not_taken_for_a_target() {
        for right in ["", "error", "INFO", "debug", "off", "query_service=debug", "warn,kafka=trace"] {
            assert!(filter(right).is_ok(), "{right}");
        }
        for wrong in ["verbose", "kafka=loud", "info,verbose"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }
}
