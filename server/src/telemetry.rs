//! What the process says about itself: one line per event on standard error, as text for people or JSON for machines.
//!
//! Never logged: keys, full signatures, chat, payment details, addresses of people.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging for the whole process. `RUST_LOG` wins over `filter`.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(wanted) => EnvFilter::try_new(wanted)?,
        Err(_) => EnvFilter::try_new(filter)?,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            registry.with(lines.with_target(false).with_ansi(std::io::stderr().is_terminal())).try_init()?
        }
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
    }
    Ok(())
}
