//! The `tracing` subscriber: one JSON object per line on Lambda, for `CloudWatch`; text elsewhere.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::{LogFormat, Settings};

/// Starts logging to standard error. A second call in a process does nothing.
pub fn begin(settings: &Settings) {
    // `Settings` has validated it.
    let filter = EnvFilter::try_new(&settings.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}
