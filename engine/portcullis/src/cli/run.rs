//! `run`: serve until told to stop.

use crate::cli::{Exit, explain};
use crate::config::{self, Log, LogFormat, LogLevel};
use crate::{harden, serve};
use clap::Args;
use std::io;
use std::path::PathBuf;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

const EXAMPLES: &str = "\
Signals:
  SIGTERM, SIGINT   stop accepting, give sessions the drain time, end the rest; a second one hurries
  SIGHUP            reload configuration, policies and plugins, all or nothing

Examples:
  portcullis run --config portcullis.yaml
  RUST_LOG=portcullis=debug portcullis run --config portcullis.yaml";

/// Serve until told to stop.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// The configuration file
    #[arg(
        long,
        env = "PORTCULLIS_CONFIG",
        hide_env_values = true,
        default_value = "/etc/portcullis/portcullis.yaml"
    )]
    config: PathBuf,
}

pub(super) fn run(run: &Run) -> Result<(), Exit> {
    let loaded = config::load(&run.config)?;
    log(&loaded.config.log);
    for warning in &loaded.warnings.0 {
        tracing::warn!("{warning}");
    }
    let start = |what: &str, why: String| Exit::Start(format!("{what}: {why}"));
    harden::give_up_dumps().map_err(|error| start("give up core dumps", error.to_string()))?;
    harden::install_cryptography().map_err(|error| Exit::Start(error.to_owned()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| start("start the runtime", error.to_string()))?;
    runtime
        .block_on(serve::serve(loaded))
        .map_err(|error| Exit::Start(explain(&error)))
}

/// To stderr. `RUST_LOG` wins over the file, for whoever debugs.
fn log(log: &Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .from_env_lossy();
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match log.format {
        LogFormat::Json => layer.json().boxed(),
        LogFormat::Text => layer
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
}
