//! The vault of one PostgreSQL target: mints a role per session and sees to its end.
//!
//! It exists because a credential must end with its session whatever happens to the task that held it:
//! dropping it only puts its name on a list, and one background task ends what is on the list, again and
//! again until the server agrees. It refuses to forget: what a crash left behind is swept up at the start.

use super::end::end_role;
use super::minter::{MintRequest, Minter};
use super::side_channel::{AdminLogin, SideChannel};
use crate::error::VaultError;
use crate::login::{Accepts, Login};
use crate::secret::Secret;
use parking_lot::Mutex;
use portcullis_gate::{Challenge, Credential, Reply};
use portcullis_model::Fault;
use portcullis_stream::Tripwires;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::types::Type;

const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MOST: Duration = Duration::from_secs(60);
/// How often the background task looks for orphans.
const SWEEP_EVERY: Duration = Duration::from_secs(300);
/// Roles ended at the same time.
const AT_A_TIME: usize = 16;
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// When this process began to mint.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Mints roles on one target. Cheap to clone.
#[derive(Clone)]
pub struct PostgresVault {
    shared: Arc<Shared>,
    /// As long as the list has senders: sessions keep the background task alive.
    ends: UnboundedSender<String>,
}

struct Shared {
    side: Arc<SideChannel>,
    minter: Minter,
    tripwires: Tripwires,
    /// Roles that exist, or are about to, because of this process.
    live: Mutex<HashSet<String>>,
}

impl PostgresVault {
    /// A vault for a target. Connects when first asked. `node` must be this gateway's alone: roles of the
    /// same node that this process does not know are orphans. Call it inside a tokio runtime: the
    /// background task starts here.
    #[must_use]
    pub fn new(node: &str, login: AdminLogin, tripwires: Tripwires) -> Self {
        LazyLock::force(&STARTED);
        let (ends, list) = unbounded_channel();
        let shared = Arc::new(Shared {
            side: Arc::new(SideChannel::new(login, tripwires.clone())),
            minter: Minter::new(node),
            tripwires,
            live: Mutex::new(HashSet::new()),
        });
        tokio::spawn(reap(shared.clone(), list));
        Self { shared, ends }
    }

    /// A credential for one session. Dropping it (or this future) ends the role.
    ///
    /// # Errors
    /// [`VaultError`] when the target cannot be reached, refuses, or the parent role may not be used.
    pub async fn mint(&self, request: &MintRequest) -> Result<Box<dyn Credential>, VaultError> {
        let role = self.shared.minter.role(request.session);
        let password = Secret::random()?;
        let armed = self.shared.tripwires.arm(password.expose());
        let armed = armed.map_err(|_| VaultError::Random)?;
        // Before the role is there: a login that is given up half-way ends it all the same.
        let ending = Ending::of(self, role.clone());
        self.shared
            .minter
            .create(&self.shared.side, &role, request, &password)
            .await?;
        Ok(Box::new(Minted {
            login: Login::new(role, password, request.channel, Accepts::Scram, Some(armed)),
            _ending: ending,
        }))
    }

    /// The name that a session's role has or would have.
    #[must_use]
    pub fn role(&self, session: portcullis_model::SessionId) -> String {
        self.shared.minter.role(session)
    }

    /// Checks that the administrator can log in; for `check` and readiness.
    ///
    /// # Errors
    /// [`VaultError`].
    pub async fn ping(&self) -> Result<(), VaultError> {
        let client = self.shared.side.client().await?;
        let answer = client.batch_execute("SELECT 1").await;
        answer.map_err(VaultError::Connect)
    }

    /// Ends roles that an earlier run of this node left behind: those without a connection, and those that
    /// have expired. Returns how many.
    ///
    /// # Errors
    /// [`VaultError`] when the target cannot be asked; a role that cannot be ended is logged.
    pub async fn sweep(&self) -> Result<usize, VaultError> {
        self.shared.sweep().await
    }

    /// Waits until every role whose session is over has been ended, at most this long. Returns how many
    /// are left; call it before the process ends.
    pub async fn drain(&self, within: Duration) -> usize {
        let until = Instant::now() + within;
        loop {
            let left = self.shared.live.lock().len();
            if left == 0 || Instant::now() >= until {
                return left;
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }
}

/// A minted login.
struct Minted {
    login: Login,
    _ending: Ending,
}

impl Credential for Minted {
    fn user(&self) -> &str {
        self.login.user()
    }

    fn answer(&mut self, challenge: Challenge<'_>) -> Result<Reply, Fault> {
        self.login.answer(challenge)
    }

    fn server_verified(&self) -> bool {
        self.login.server_verified()
    }
}

/// Puts a role on the list when dropped.
struct Ending {
    role: String,
    ends: UnboundedSender<String>,
}

impl Ending {
    fn of(vault: &PostgresVault, role: String) -> Self {
        vault.shared.live.lock().insert(role.clone());
        Self {
            role,
            ends: vault.ends.clone(),
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Fails only when the runtime is gone; the next start sweeps.
        let _ = self.ends.send(std::mem::take(&mut self.role));
    }
}

impl Shared {
    /// Ends one role, or says when to try again.
    async fn end_one(self: Arc<Self>, mut waiting: Waiting) -> Option<Waiting> {
        let Err(error) = end_role(&self.side, &waiting.role).await else {
            self.live.lock().remove(&waiting.role);
            return None;
        };
        tracing::warn!(role = waiting.role, %error, "a session's role could not be ended yet");
        waiting.at = Instant::now() + waiting.pause;
        waiting.pause = (waiting.pause * 2).min(RETRY_MOST);
        Some(waiting)
    }

    async fn sweep(&self) -> Result<usize, VaultError> {
        const QUERY: &str = "
            SELECT rolname FROM pg_roles r
            WHERE starts_with(rolname, $1)
              AND (rolvaliduntil < now() OR NOT EXISTS (
                  SELECT FROM pg_stat_activity a WHERE a.usesysid = r.oid
                  AND a.backend_start >= now() - make_interval(secs => $2)))";
        // A backend that is older than this process belonged to one that died: it may still be running a
        // statement for nobody.
        let age = STARTED.elapsed().as_secs_f64();
        let client = self.side.client().await?;
        let prefix = self.minter.prefix();
        let found = client
            .query_typed(QUERY, &[(&prefix, Type::TEXT), (&age, Type::FLOAT8)])
            .await
            .map_err(VaultError::Sweep)?;
        let mut ended = 0;
        for row in found {
            let role: String = row.get(0);
            if self.live.lock().contains(&role) {
                continue;
            }
            match end_role(&self.side, &role).await {
                Ok(()) => ended += 1,
                Err(error) => tracing::warn!(role, %error, "an orphaned role remains"),
            }
        }
        Ok(ended)
    }
}

/// A role on the list.
struct Waiting {
    role: String,
    at: Instant,
    pause: Duration,
}

impl Waiting {
    fn new(role: String) -> Self {
        Self {
            role,
            at: Instant::now(),
            pause: RETRY_FIRST,
        }
    }
}

/// Ends what is on the list, several at a time, so that one that hangs holds up no other; what fails is
/// tried again, later and later.
async fn reap(shared: Arc<Shared>, mut list: UnboundedReceiver<String>) {
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut running: JoinSet<Option<Waiting>> = JoinSet::new();
    let mut sweep = Instant::now() + SWEEP_EVERY;
    let mut open = true;
    while open || !waiting.is_empty() || !running.is_empty() {
        let next = waiting.iter().map(|w| w.at).fold(sweep, Instant::min);
        let full = running.len() >= AT_A_TIME;
        tokio::select! {
            role = list.recv(), if open => match role {
                Some(role) => waiting.push(Waiting::new(role)),
                None => open = false,
            },
            Some(done) = running.join_next(), if !running.is_empty() => {
                waiting.extend(done.ok().flatten());
            }
            () = tokio::time::sleep_until(next), if !full => {}
        }
        let now = Instant::now();
        let free = AT_A_TIME.saturating_sub(running.len());
        let due: Vec<Waiting> = waiting.extract_if(.., |w| w.at <= now).collect();
        let mut due = due.into_iter();
        for role in due.by_ref().take(free) {
            running.spawn(shared.clone().end_one(role));
        }
        waiting.extend(due);
        if now >= sweep {
            sweep = now + SWEEP_EVERY;
            if let Err(error) = shared.sweep().await {
                tracing::warn!(%error, "orphaned roles could not be looked for");
            }
        }
    }
}
