//! The only place where concrete types meet. Everything is built here, in order, by hand: what a part is
//! given is everything it can reach. It refuses to start with anything missing: a gateway that serves
//! half of its protections is worse than one that does not serve.

mod access;
mod adapters;
pub mod channels;
mod connections;
mod console;
mod counter;
mod entrance;
mod hooks;
mod indoors;
mod issuers;
mod keeping;
pub mod kubernetes;
mod login;
pub mod people;
pub mod plugins;
mod policies;
pub mod secrets;
mod sign_in;
pub mod ssh;
mod tls;
mod trial;

pub(crate) use access::sever as sever_over;
pub(crate) use connections::channel;
pub use connections::{Line, Lines, connection_row};
pub use issuers::{Doormen, Front, Prepared, issuer_configs, trust_is_local};
pub(crate) use policies::load as load_policies;
pub use policies::pack_sources;
pub use tls::{Shown, Unusable, listener_tls, upstream_tls};

use crate::clock::clock;
use crate::config::{Listener, Loaded, Wire};
use crate::feed::Feed;
use crate::front_desk::{Access, Books, Desk, Login, Reception, Serving, Streams, Verify};
use crate::guesses::Guesses;
use crate::listen::Door;
use crate::paths;
use crate::registry::Registry;
use crate::revocation::Ledger;
use adapters::{OnRecord, Plugged, Ruled};
use arc_swap::ArcSwap;
use channels::Channels;
use counter::Counter;
use parking_lot::Mutex;
use people::{Drawer, People, Staff};
use portcullis_console::{Metrics, Portal};
use portcullis_gate::{ApprovalDesk, Clock, Decide, Examine, Tripwire, Veils};
use portcullis_identity::Revocations;
use portcullis_journal::{Journal, NodeKey};
use portcullis_link::Protocol;
use portcullis_model::limits;
use portcullis_policy::Policy;
use portcullis_sandbox::{PluginSet, Sandbox};
use portcullis_stream::Tripwires;
use portcullis_vault::Secrets;
use secrets::Keyring;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A folder of the gateway's state.
    #[error("make the folder {path}")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The record.
    #[error("open the record")]
    Journal(#[source] portcullis_journal::Error),
    /// The record cannot be written.
    #[error("write the record")]
    Record(#[source] portcullis_model::Fault),
    /// Whom the record is encrypted to.
    #[error("encrypt the record: {0}")]
    Recipients(portcullis_journal::age::AgeError),
    /// A collector.
    #[error("tell {0} what happens: {1}")]
    Sink(String, String),
    /// A thread behind the record.
    #[error("follow the record")]
    Keeping(#[source] std::io::Error),
    /// The parser.
    #[error("start the SQL parser")]
    Examiner(#[source] portcullis_sql::Error),
    /// The plugins.
    #[error("load the plugins: {0}")]
    Plugins(String),
    /// The tenant's key.
    #[error("read the tenant's key: {0}")]
    Masking(String),
    /// The policies, one finding per line.
    #[error("load the policies\n{0}")]
    Policies(String),
    /// The issuers.
    #[error("trust the issuers: {0}")]
    Issuers(String),
    /// Certificates and keys.
    #[error("{0}")]
    Tls(#[from] tls::Unusable),
    /// Session tokens and providers.
    #[error("let people log in: {0}")]
    Login(String),
    /// Where secrets are fetched from.
    #[error("prepare the secrets: {0}")]
    Secrets(String),
    /// What people have said.
    #[error("read what people have approved: {0}")]
    Desk(String),
    /// The list of revocations.
    #[error("read the revocations: {0}")]
    Revocations(String),
    /// An address.
    #[error("listen on {address}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A protocol cannot be served like that.
    #[error("serve {protocol}: {reason}")]
    Protocol {
        /// Which.
        protocol: &'static str,
        /// Why.
        reason: String,
    },
}

/// Everything of one running gateway.
pub struct Gateway {
    /// The configuration that serves.
    pub loaded: ArcSwap<Loaded>,
    /// Who admits.
    pub reception: Arc<Reception>,
    /// Who decides.
    pub policy: Arc<Policy>,
    /// Where plugins run.
    pub sandbox: Arc<Sandbox>,
    /// Who verifies tokens.
    pub doormen: Arc<Doormen>,
    /// What is recorded.
    pub journal: Arc<Journal>,
    /// Who is refused at the desk, on record.
    pub(crate) guesses: Arc<Guesses>,
    /// What becomes of the record behind the data path.
    pub keeping: keeping::Keeping,
    /// Where people are asked.
    pub people: Arc<People>,
    /// Who is refused for good.
    pub ledger: Arc<Ledger>,
    /// Secrets that must never be shown.
    pub tripwires: Tripwires,
    /// Where secrets are looked up.
    pub secrets: Secrets,
    /// The ways to targets, kept over reloads where they stay the same.
    pub lines: Lines,
    /// What is put on record in live sessions, for whoever watches one.
    pub feed: Feed,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

/// Builds the gateway. Nothing listens yet.
///
/// # Errors
/// [`Broken`], with what is missing.
pub async fn gateway(loaded: Loaded) -> Result<Arc<Gateway>, Broken> {
    let (clock, metrics) = (clock(), Arc::new(Metrics::new()));
    let (state, journal) = (ground(&loaded)?, journal(&loaded, &clock)?);
    let tripwires = Tripwires::new();
    let secrets = secrets::secrets(&loaded, &tripwires)?;
    let keeping = keeping::Keeping::start(&loaded, &journal, &secrets, &clock)?;
    let sandbox = sandbox(&state)?;
    // Compiling plugins and testing policies take the longest, and need nothing of each other.
    let (set, plugins) = tokio::join!(
        policies::load(&loaded),
        plugins::load(&sandbox, &loaded, &secrets, &tripwires)
    );
    let (policy, plugins) = (Arc::new(Policy::new(set?)), plugins?);
    sandbox.serve(Arc::clone(&plugins));
    let examiner = portcullis_sql::Examiner::new(portcullis_sql::Settings::default())
        .map_err(Broken::Examiner)?;
    let doormen = Doormen::new(&loaded, &secrets, Arc::clone(&clock)).await?;
    let lines = Lines::new(Keyring::of(&secrets, &tripwires, &clock));
    let (revocations, feed) = (Arc::new(Revocations::new()), Feed::default());
    let people = asked(
        &loaded,
        &secrets,
        &Staff {
            journal: &journal,
            doormen: &doormen,
            revocations: &revocations,
            policy: &policy,
            clock: &clock,
        },
    )?;
    let ledger = ledger(&state, &revocations, &clock)?;
    let desk = Desk {
        verify: Arc::clone(&doormen) as Arc<dyn Verify>,
        revocations,
        keys: crate::front_desk::Keys::default(),
        serving: ArcSwap::from_pointee(serving(&loaded, &lines, plugins)?),
        access: Arc::new(Ruled(Arc::clone(&policy))) as Arc<dyn Access>,
        decide: Arc::clone(&policy) as Arc<dyn Decide>,
        books: feed.over(Arc::new(OnRecord(Arc::clone(&journal))) as Arc<dyn Books>),
        approvals: Arc::clone(&people) as Arc<dyn ApprovalDesk>,
        tickets: channels::tickets(&loaded, &secrets)?,
        examine: Arc::new(examiner) as Arc<dyn Examine>,
        tripwire: Arc::new(tripwires.clone()) as Arc<dyn Tripwire>,
        veils: Arc::new(tripwires.clone()) as Arc<dyn Veils>,
        registry: Registry::new(Arc::clone(&metrics), Arc::clone(&clock)),
        ledgers: Arc::default(),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&clock),
        node: loaded.config.node.clone(),
        life: loaded.config.session.clone(),
    };
    Ok(watched(Gateway {
        loaded: ArcSwap::from_pointee(loaded),
        reception: Arc::new(Reception::new(desk)),
        policy,
        sandbox,
        doormen,
        guesses: Guesses::new(Arc::clone(&journal), Arc::clone(&clock)),
        journal,
        keeping,
        people,
        ledger: Arc::new(ledger),
        tripwires,
        secrets,
        lines,
        feed,
        metrics,
        clock,
    }))
}

/// The state folder, made where it is not there.
fn ground(loaded: &Loaded) -> Result<PathBuf, Broken> {
    let state = loaded.path(&loaded.config.state_dir);
    trust_is_local(loaded)?;
    paths::make(&state)?;
    Ok(state)
}

/// Where plugins run.
fn sandbox(state: &Path) -> Result<Arc<Sandbox>, Broken> {
    Sandbox::new(&portcullis_sandbox::Settings {
        cache_dir: Some(paths::plugin_cache(state)),
        ..portcullis_sandbox::Settings::new()
    })
    .map_err(|error| Broken::Plugins(error.to_string()))
}

/// Who is refused for good.
fn ledger(state: &Path, revocations: &Arc<Revocations>, clock: &Clock) -> Result<Ledger, Broken> {
    Ledger::open(&paths::revocations(state), Arc::clone(revocations), clock())
        .map_err(|error| Broken::Revocations(error.to_string()))
}

/// A gateway whose sessions end with the grants that they stand on.
fn watched(gateway: Gateway) -> Arc<Gateway> {
    let gateway = Arc::new(gateway);
    access::watch(&gateway);
    gateway
}

/// The desk, with what was kept, and the ways out and in.
fn asked(loaded: &Loaded, secrets: &Secrets, staff: &Staff<'_>) -> Result<Arc<People>, Broken> {
    let drawer = Drawer::open(&loaded.path(&loaded.config.state_dir))?;
    let channels = Channels::new(loaded, secrets, staff.journal, &drawer)?;
    let fresh = loaded.config.approvals.fresh_login.within();
    People::new(staff, &drawer, channels, fresh)
}

/// What there is to connect to, with these plugins. Ways to targets that stay the same are kept.
///
/// # Errors
/// When a certificate or key of a connection cannot be used.
pub fn serving(loaded: &Loaded, lines: &Lines, plugins: Arc<PluginSet>) -> Result<Serving, Broken> {
    Ok(Serving {
        connections: lines.connections(loaded)?,
        streams: Arc::new(Plugged(plugins)) as Arc<dyn Streams>,
    })
}

/// Opens a listener.
///
/// # Errors
/// When its certificate cannot be used, or the address is taken.
pub async fn door(
    listener: &Listener,
    loaded: &Loaded,
    gateway: &Arc<Gateway>,
) -> Result<Door, Broken> {
    let (name, protocol) = protocol(listener, loaded, gateway)?;
    Door::open(name, listener.address, listener.max_connections, protocol)
        .await
        .map_err(|source| Broken::Listen {
            address: listener.address,
            source,
        })
}

fn protocol(
    listener: &Listener,
    loaded: &Loaded,
    gateway: &Arc<Gateway>,
) -> Result<(&'static str, Arc<dyn Protocol>), Broken> {
    let shown = listener_tls(listener, loaded)?;
    match listener.protocol {
        Wire::Https => {
            let counter = Arc::new(Counter {
                doormen: Arc::clone(&gateway.doormen),
                revocations: Arc::clone(&gateway.reception.desk().revocations),
                journal: Arc::clone(&gateway.journal),
                tripwires: gateway.tripwires.clone(),
                clock: Arc::clone(&gateway.clock),
                armed: Mutex::new(Vec::new()),
            });
            let entrance = entrance::entrance(gateway);
            let inlet = hooks::Inlet {
                people: Arc::clone(&gateway.people),
                guesses: Arc::clone(&gateway.guesses),
                clock: Arc::clone(&gateway.clock),
            };
            let mut portal = Portal::new(shown.map(|shown| shown.config), counter, entrance)
                .with_hooks(Arc::new(inlet));
            if let Some(console) = console::console(gateway, loaded) {
                portal = portal.with_console(console);
            }
            Ok(("https", Arc::new(portal)))
        }
        Wire::Kubernetes => {
            let listener = portcullis_wire_kubernetes::Listener {
                tls: shown.map(|shown| shown.config),
                clock: Arc::clone(&gateway.clock),
            };
            let protocol = portcullis_wire_kubernetes::Kubernetes::new(listener);
            Ok(("kubernetes", Arc::new(protocol)))
        }
        Wire::Ssh => {
            let indoors = indoors::indoors(gateway);
            let protocol = ssh::protocol(listener, loaded, &gateway.clock, Some(indoors))?;
            Ok(("ssh", Arc::new(protocol)))
        }
        Wire::Postgres => {
            let certificate = shown.as_ref().map(|shown| shown.certificate.clone());
            let bearer = bearer(listener, loaded);
            let listener = portcullis_wire_postgres::Listener {
                bearer,
                tls: shown.map(|shown| shown.config),
                certificate,
                allow_plaintext_on_loopback: listener.allow_plaintext_on_loopback,
                clock: Arc::clone(&gateway.clock),
                handshake: limits::HANDSHAKE_MAX,
            };
            let protocol = portcullis_wire_postgres::Postgres::new(listener);
            Ok(("postgres", Arc::new(protocol)))
        }
    }
}

/// What an OAUTHBEARER listener tells clients that have no token.
fn bearer(listener: &Listener, loaded: &Loaded) -> Option<portcullis_wire_postgres::Bearer> {
    let oauth = listener.oauth.as_ref()?;
    let mut issuers = loaded.config.issuers.iter();
    let issuer = issuers.find(|i| i.name == oauth.issuer)?;
    let root = issuer.issuer.trim_end_matches('/');
    Some(portcullis_wire_postgres::Bearer {
        discovery: format!("{root}/.well-known/openid-configuration"),
        scope: oauth.scope.clone(),
    })
}

fn journal(loaded: &Loaded, clock: &Clock) -> Result<Arc<Journal>, Broken> {
    let state = loaded.path(&loaded.config.state_dir);
    let origin = format!("portcullis/{}", loaded.config.node);
    let key = NodeKey::open(&paths::journal_key(&state), &origin).map_err(Broken::Journal)?;
    let mut settings = portcullis_journal::Settings::new(paths::journal(&state), origin);
    let mib = loaded.config.recording.per_identity_mib_per_hour;
    settings.per_identity_bytes_per_hour = mib.saturating_mul(1 << 20);
    settings.sealing = keeping::sealing(&loaded.config.journal, &state)?;
    Journal::open(settings, key, Arc::clone(clock)).map_err(Broken::Journal)
}

/// Waits until the logins of sessions that are over have ended on their targets. Returns how many are
/// left.
pub async fn settle(gateway: &Gateway, within: std::time::Duration) -> usize {
    let lines: Vec<Arc<dyn Login>> = gateway.lines.logins();
    let mut left = 0;
    for line in lines {
        left += line.settle(within).await;
    }
    gateway.secrets.settle(within).await;
    left
}
