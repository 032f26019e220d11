//! Where `tracing` writes: objects a line on Lambda, where `CloudWatch` reads them, lines for people elsewhere.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::{LogFormat, Settings};

/// Begins to log, to the standard error; a second call in a process does nothing.
pub fn begin(settings: &Settings) {
    // `Settings` has read it before: it is understood.
    let filter = EnvFilter::try_new(&settings.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}
