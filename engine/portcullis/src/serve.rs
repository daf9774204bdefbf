//! The life of a running gateway: open the doors, say ready, follow signals and changed files, and leave
//! in order. Leaving means: not ready, no new connections, time for those who are here, then an end that
//! tells why, then the logins ended on their targets and the record closed.

use crate::assemble::{self, Broken, Gateway};
use crate::config::Loaded;
use crate::listen::House;
use crate::operations::Front;
use crate::reload::{Reloader, watched};
use crate::watch::Watch;
use portcullis_console::{Door, Operations, serve_admin, serve_health};
use portcullis_gate::FrontDesk;
use portcullis_model::Denial;
use sd_notify::NotifyState;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// From the last word to a session until its task is left behind.
const LAST_WORD_MAX: Duration = Duration::from_secs(5);
/// For the logins of the last sessions to end on their targets.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A part is missing or wrong.
    #[error("{0}")]
    Assemble(#[from] Broken),
    /// The admin socket.
    #[error("{0}")]
    Admin(#[from] portcullis_console::OpenDoor),
    /// Signals, sockets of health and metrics.
    #[error("{doing}")]
    Start {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Serves until told to stop.
///
/// # Errors
/// When the gateway cannot start.
pub async fn serve(loaded: Loaded) -> Result<(), Failed> {
    let start = |doing| move |source| Failed::Start { doing, source };
    let mut signals = Signals::new().map_err(start("listen for signals"))?;
    let config = loaded.config.clone();
    let socket = loaded.socket();
    let gateway = assemble::gateway(loaded).await?;
    let loaded = gateway.loaded.load_full();
    let closing = CancellationToken::new();
    let house = House {
        desk: Arc::clone(&gateway.reception) as Arc<dyn FrontDesk>,
        metrics: Arc::clone(&gateway.metrics),
        tasks: TaskTracker::new(),
        closing: closing.clone(),
    };
    let mut addresses = Vec::new();
    let mut doors = Vec::new();
    for listener in &config.listeners {
        let door = assemble::door(listener, &loaded, &gateway).await?;
        let address = door
            .address()
            .map_err(start("read the address of a listener"))?;
        addresses.push(format!("{} {address}", door.name));
        doors.push(door);
    }
    let reloader = Reloader::new(Arc::clone(&gateway));
    let front = Front::new(
        Arc::clone(&gateway),
        Arc::clone(&reloader),
        addresses.clone(),
    );
    let operations = Arc::clone(&front) as Arc<dyn Operations>;
    let office = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    let admin = serve_admin(
        Door::open(&socket)?,
        Arc::clone(&operations),
        office.clone().cancelled_owned(),
    );
    tasks.spawn(admin);
    if let Some(address) = config.admin.metrics {
        let listener = TcpListener::bind(address)
            .await
            .map_err(start("listen for metrics"))?;
        let metrics = Arc::clone(&gateway.metrics);
        tasks.spawn(serve_health(
            listener,
            operations,
            metrics,
            office.clone().cancelled_owned(),
        ));
    }
    begin(&gateway, &addresses)?;
    for door in doors {
        tokio::spawn(door.serve(house.clone()));
    }
    tracing::info!(listeners = addresses.join(", "), socket = %socket.display(), "ready");
    notify(&[NotifyState::Ready]);
    follow(&mut signals, &gateway, &reloader).await;
    front.drain();
    leave(&gateway, &house, &mut signals).await;
    office.cancel();
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// What serves from here on, for the record.
fn begin(gateway: &Gateway, addresses: &[String]) -> Result<(), Broken> {
    let revision = gateway.policy.revision();
    let started = json!({
        "version": env!("CARGO_PKG_VERSION"), "listeners": addresses, "policy_revision": &*revision,
        "signed_by": gateway.policy.set().signers(),
    });
    note(gateway, "started", &started)?;
    note(gateway, "policy-snapshot", &gateway.policy.set().snapshot())
}

fn note(gateway: &Gateway, event: &str, detail: &serde_json::Value) -> Result<(), Broken> {
    gateway
        .journal
        .node(event, detail)
        .map(drop)
        .map_err(Broken::Record)
}

/// Reloads on SIGHUP and on changed files; returns when told to stop.
async fn follow(signals: &mut Signals, gateway: &Arc<Gateway>, reloader: &Reloader) {
    let mut paths = watched(&gateway.loaded.load());
    let mut watch = watch(&paths);
    loop {
        let why = tokio::select! {
            word = signals.next() => match word {
                Word::Stop => return,
                Word::Reload => "SIGHUP",
            },
            () = changed(&mut watch) => "file change",
        };
        notify(&[NotifyState::Reloading]);
        reloader.reload(why).await;
        notify(&[NotifyState::Ready]);
        // The same watch as long as it looks at the right files: what changed meanwhile is not lost.
        let now = watched(&gateway.loaded.load());
        if now != paths {
            watch = self::watch(&now);
            paths = now;
        }
    }
}

/// Without a watch SIGHUP still works, and the log says so.
fn watch(paths: &[PathBuf]) -> Option<Watch> {
    match Watch::new(paths) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "files are not watched; reload with SIGHUP");
            None
        }
    }
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Leaves in order. A second signal takes away the time that sessions were given.
async fn leave(gateway: &Arc<Gateway>, house: &House, signals: &mut Signals) {
    notify(&[NotifyState::Stopping]);
    let patience = gateway.loaded.load().config.session.drain.0;
    house.closing.cancel();
    house.tasks.close();
    let registry = &gateway.reception.desk().registry;
    tracing::info!(
        sessions = registry.len(),
        "no new connections; waiting for sessions to end"
    );
    tokio::select! {
        () = registry.empty() => {}
        () = tokio::time::sleep(patience) => {}
        () = signals.stop() => {}
    }
    let ended = registry.sever(|_| {
        let denial = Denial::new("drain/stopping", "the gateway is shutting down");
        Some(denial.hint("Connect again; another node may serve you."))
    });
    if ended > 0 {
        tracing::info!(sessions = ended, "sessions were ended");
    }
    let late = tokio::time::timeout(LAST_WORD_MAX, house.tasks.wait())
        .await
        .is_err();
    if late {
        tracing::warn!(
            sessions = registry.len(),
            "sessions did not end in time; their records are closed as interrupted"
        );
    }
    let left = assemble::settle(gateway, SETTLE_MAX).await;
    if left > 0 {
        tracing::warn!(
            roles = left,
            "roles remain on targets; the next start ends them"
        );
    }
    gateway.guesses.finish();
    if let Err(fault) = note(
        gateway,
        "stopped",
        &json!({"ended": ended, "roles_left": left}),
    ) {
        tracing::error!(error = %fault, "the stop is not on record");
    }
    let journal = Arc::clone(&gateway.journal);
    match tokio::task::spawn_blocking(move || journal.close()).await {
        Ok(Ok(())) => tracing::info!("stopped"),
        Ok(Err(fault)) => tracing::error!(fault = fault.chain(), "the record was not closed"),
        Err(error) => tracing::error!(%error, "the record was not closed"),
    }
}

/// Tells systemd, when it listens (sd_notify(3)).
fn notify(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// What a signal says.
enum Word {
    Reload,
    Stop,
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Word {
        tokio::select! {
            _ = self.terminate.recv() => Word::Stop,
            _ = self.interrupt.recv() => Word::Stop,
            _ = self.hangup.recv() => Word::Reload,
        }
    }

    async fn stop(&mut self) {
        while let Word::Reload = self.next().await {}
    }
}
