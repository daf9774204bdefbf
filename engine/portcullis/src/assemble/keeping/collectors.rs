//! Sinks from the configuration: what each speaks, and with which token. Refuses to hold a token: it is read for each batch.

use super::super::{Broken, secrets};
use crate::config::{HttpSink, Loaded, SinkConfig};
use portcullis_fetch::Fetcher;
use portcullis_journal::Journal;
use portcullis_journal::sinks::{Deliver, Http, Otlp, Sink, Syslog, Token};
use portcullis_vault::Secrets;
use std::path::Path;
use std::sync::Arc;

/// Starts all of them.
pub(super) fn sinks(
    loaded: &Loaded,
    journal: &Journal,
    secrets: &Secrets,
) -> Result<Vec<Sink>, Broken> {
    let all = loaded.config.journal.sinks.iter();
    all.map(|sink| {
        let to = collector(sink, loaded, secrets)?;
        Sink::start(journal, &sink.name, to).map_err(Broken::Keeping)
    })
    .collect()
}

fn collector(
    sink: &SinkConfig,
    loaded: &Loaded,
    secrets: &Secrets,
) -> Result<Arc<dyn Deliver>, Broken> {
    let broken = |why: &str| Broken::Sink(sink.name.clone(), why.to_owned());
    let fetcher = |ca: Option<&Path>| {
        let ca = ca.map(|ca| loaded.path(ca));
        Fetcher::new(ca.as_deref()).map_err(|error| broken(&error.to_string()))
    };
    let token = |http: &HttpSink| -> Option<Token> {
        let written = http.token.as_ref()?;
        let source = Arc::new(secrets::source(secrets, written, loaded));
        Some(Box::new(move || {
            let source = source.clone();
            Box::pin(async move {
                let token = source.client_secret().await;
                token.map_err(|error| crate::cli::explain(&error))
            })
        }))
    };
    let node = loaded.config.node.clone();
    match (&sink.syslog, &sink.http, &sink.otlp) {
        (Some(syslog), _, _) => Ok(Arc::new(Syslog {
            host: syslog.host.clone(),
            port: syslog.port,
            fetcher: fetcher(syslog.ca.as_deref())?,
            node,
        })),
        (None, Some(http), _) => Ok(Arc::new(Http {
            url: http.url.clone(),
            token: token(http),
            fetcher: fetcher(http.ca.as_deref())?,
        })),
        (None, None, Some(otlp)) => Ok(Arc::new(Otlp {
            endpoint: otlp.url.clone(),
            token: token(otlp),
            fetcher: fetcher(otlp.ca.as_deref())?,
            node,
        })),
        (None, None, None) => Err(broken("it speaks nothing")),
    }
}
