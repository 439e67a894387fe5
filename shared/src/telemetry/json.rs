//! One JSON object a line, flat: what an operator filters by stands at the top, whether an event or its span has it.
//!
//! tracing-subscriber's own JSON nests what spans have, so that a request's id would stand in another place than a
//! command's.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Timestamp;
use crate::http::context::RequestContext;

/// Fields of the `log` crate's bridge: where in a dependency's source a line was written.
const BRIDGE: &str = "log.";

#[derive(Debug)]
pub(super) struct Flat {
    /// Of lines that belong to no service in particular.
    pub(super) service: &'static str,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Flat {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line(Vec::with_capacity(16));
        line.put("timestamp", Timestamp::wall_clock().to_string());
        line.put("level", event.metadata().level().as_str());
        line.put("service", self.service);
        line.put("message", "");
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>();
            if let Some(Value::Object(fields)) = fields.and_then(|fields| serde_json::from_str(fields).ok()) {
                fields.into_iter().for_each(|(name, value)| line.put(&name, value));
            }
        }
        RequestContext::each_field_of_current(|name, value| line.put(name, value));
        line.put("target", event.metadata().target());
        event.record(&mut line);
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// In the order of reading; a later value takes an earlier one's place.
struct Line(Vec<(String, Value)>);

impl Line {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, before)) => *before = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn field(&mut self, field: &Field, value: impl Into<Value>) {
        if field.name() == "log.target" {
            self.put("target", value);
        } else if !field.name().starts_with(BRIDGE) {
            self.put(field.name(), value);
        }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::http::context::{ANSWERING, REQUEST_ID};
    use crate::id::CommandId;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("nobody panicked").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What `log` logs, line by line.
    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let made = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Flat { service: "inventory" })
            .with_writer(move || made.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let text = String::from_utf8(lines.0.lock().expect("nobody panicked").clone()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn what_a_span_has_stands_beside_what_its_event_has() {
        let lines = logged(|| {
            tracing::info!(n = 1, "alone");
            let span = tracing::info_span!("request", service = "a-service", command_id = tracing::field::Empty);
            span.record("command_id", "c");
            span.in_scope(|| tracing::warn!(code = "X", "inside"));
        });
        assert_eq!((&lines[0]["service"], &lines[0]["n"]), (&"inventory".into(), &1.into()));
        assert_eq!((&lines[1]["service"], &lines[1]["command_id"]), (&"a-service".into(), &"c".into()));
        assert_eq!((&lines[1]["code"], &lines[1]["message"]), (&"X".into(), &"inside".into()));
    }

    #[test]
    fn what_is_logged_while_a_request_is_answered_names_it_and_its_command() {
        let context = RequestContext::of(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static("r-1"))]));
        let command = CommandId::fresh();
        let lines = logged(|| {
            ANSWERING.sync_scope(("a-service", context.clone()), || {
                tracing::warn!("before");
                context.became(command);
                tracing::warn!(code = "X", "after");
            });
        });
        assert_eq!((&lines[0]["service"], &lines[0]["request_id"]), (&"a-service".into(), &"r-1".into()));
        assert_eq!((&lines[0]["correlation_id"], lines[0].get("command_id")), (&"r-1".into(), None));
        assert_eq!((&lines[1]["request_id"], &lines[1]["code"]), (&"r-1".into(), &"X".into()));
        assert_eq!(lines[1]["command_id"], command.to_string());
    }
}
