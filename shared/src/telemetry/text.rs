//! Lines for people, as tracing-subscriber writes them, with the ids of the request that they are about at the end.

use std::fmt;

use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};

use crate::http::context::RequestContext;

#[derive(Debug, Default)]
pub(super) struct Named(DefaultFields);

impl<'writer> FormatFields<'writer> for Named {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        self.0.format_fields(writer.by_ref(), fields)?;
        let mut written = Ok(());
        RequestContext::each_field_of_current(|name, value| {
            written = written.and_then(|()| write!(writer, " {name}={value:?}"));
        });
        written
    }
}
