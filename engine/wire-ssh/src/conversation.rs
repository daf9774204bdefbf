//! One client connection: who is there, what was admitted, and how it ends. The parts that run at the same time (russh's
//! callbacks, the channels, the admission that may wait for people) meet here.
//!
//! It refuses a second admission: after the first, nothing that the client says can change identity, target or credential.

use crate::back::Back;
use crate::inbox::Inbox;
use crate::keyring::Keyring;
use crate::refuse::{self, REFUSED};
use crate::sides::ClientSide;
use crate::upline::Uplines;
use bytes::Bytes;
use portcullis_gate::{
    Admission, ApprovalDesk, BoxFuture, Clock, FrontDesk, Gate, Gates, Invitation, Knock, Proof,
    Tether, Waiting, Way,
};
use portcullis_model::limits::SSH_LAST_BYTES_MAX;
use portcullis_model::{Blame, Control, Denial, Fault, Identity, SessionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

/// How long channels may take to say their last words.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

/// What is known of whoever is connected.
#[derive(Clone)]
pub(crate) enum Standing {
    /// Nothing that counts.
    Stranger,
    /// Nothing yet: the person was told where to sign in, in these words.
    Invited(Arc<str>),
    /// The identity is verified; whether it may enter is still being found out, with what it is told meanwhile.
    Known(Arc<str>),
    /// Admitted.
    In(Arc<Entered>),
    /// Verified, and not admitted: every channel reads this and ends with the status.
    Out(Arc<Parting>),
    /// Nobody: the proof proved nothing.
    Refused,
}

/// What somebody reads who was not admitted.
pub(crate) struct Parting {
    pub text: Bytes,
    pub status: u32,
    /// It named no target, and is this: a forward may name one (ProxyJump), or lead to a server that the gateway knows.
    pub open: Option<Arc<Identity>>,
}

/// An admitted session.
pub(crate) struct Entered {
    pub gates: Gates,
    pub uplines: Uplines,
    pub approvals: Arc<dyn ApprovalDesk>,
    pub tether: Arc<dyn Tether>,
    pub session: SessionId,
    pub control: Control,
    root: Mutex<Option<Gate>>,
}

/// One client connection.
pub(crate) struct Conversation {
    pub clock: Clock,
    pub tasks: TaskTracker,
    /// What leads from hosts back to the client.
    pub back: Back,
    /// Bare keys that the client has proved to hold.
    pub keyring: Keyring,
    standing: watch::Sender<Standing>,
    over: watch::Sender<bool>,
    betrayed: watch::Sender<bool>,
    /// Number of the proof that is being looked at: the answer to an earlier one counts no more.
    attempt: AtomicU64,
}

impl Conversation {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            tasks: TaskTracker::new(),
            back: Back::new(),
            keyring: Keyring::default(),
            standing: watch::Sender::new(Standing::Stranger),
            over: watch::Sender::new(false),
            betrayed: watch::Sender::new(false),
            attempt: AtomicU64::new(0),
        })
    }

    /// Knocks, and waits until there is something to go on: an answer, or a verified identity that has to wait for it.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        desk: &Arc<dyn FrontDesk>,
        knock: Knock,
        at_most: Duration,
    ) -> Standing {
        let attempt = self.next_attempt();
        let (asking, desk) = (Arc::clone(self), Arc::clone(desk));
        self.tasks
            .spawn(async move { asking.admit(&*desk, knock, attempt).await });
        let mut seen = self.standing.subscribe();
        let settled = seen.wait_for(|s| !matches!(s, Standing::Stranger));
        match timeout(at_most, settled).await {
            Ok(Ok(standing)) => standing.clone(),
            _ => {
                self.next_attempt();
                Standing::Stranger
            }
        }
    }

    /// Waits until somebody who was invited has signed in, or will not.
    pub(crate) async fn signed_in(&self, at_most: Duration) -> Standing {
        let mut seen = self.standing.subscribe();
        let settled = seen.wait_for(|s| !matches!(s, Standing::Stranger | Standing::Invited(_)));
        let settled = tokio::select! {
            settled = timeout(at_most, settled) => settled,
            () = self.over() => return Standing::Stranger,
        };
        match settled {
            Ok(Ok(standing)) => standing.clone(),
            _ => {
                self.next_attempt();
                Standing::Stranger
            }
        }
    }

    /// True while somebody is signing in elsewhere.
    pub(crate) fn is_invited(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Invited(_))
    }

    /// The login begins anew: whoever was invited is no longer.
    pub(crate) fn uninvite(&self) {
        if self.is_invited() {
            self.next_attempt();
        }
    }

    /// Resolves when the answer to this attempt counts no more.
    async fn given_up(&self, attempt: u64) {
        let mut seen = self.standing.subscribe();
        let later = |_: &Standing| self.attempt.load(Ordering::Relaxed) != attempt;
        tokio::select! {
            _ = seen.wait_for(later) => {}
            () = self.over() => {}
        }
    }

    fn next_attempt(&self) -> u64 {
        let mut attempt = 0;
        self.standing.send_modify(|standing| {
            *standing = Standing::Stranger;
            attempt = self.attempt.fetch_add(1, Ordering::Relaxed) + 1;
        });
        attempt
    }

    fn counts(&self, attempt: u64) -> bool {
        self.attempt.load(Ordering::Relaxed) == attempt && !*self.over.borrow()
    }

    /// Says what is known now, unless the proof was given up.
    fn publish(&self, attempt: u64, standing: Standing) -> bool {
        self.standing.send_if_modified(|current| {
            let counts = self.counts(attempt);
            if counts {
                *current = standing;
            }
            counts
        })
    }

    async fn admit(&self, desk: &dyn FrontDesk, knock: Knock, attempt: u64) {
        let mut bench = Bench {
            conversation: self,
            attempt,
            who: None,
            told: Arc::from("waiting for admission"),
        };
        let listing = knock.target.is_empty();
        let from = knock.client.address.ip();
        // Whoever comes with a key that is remembered has proved nothing new: else one login would last for ever.
        let fresh = !matches!(knock.proof, Proof::Key { .. });
        let answer = match listing {
            true => Err(list(desk, knock, &mut bench).await),
            false => desk
                .admit(knock, &mut bench)
                .await
                .map_err(|denial| Parting {
                    text: refuse::text(&denial, None, None),
                    status: REFUSED,
                    open: None,
                }),
        };
        let known = bench.who.is_some();
        let standing = match answer {
            Ok(admission) => {
                // Before the client learns of it, who may come again at once.
                if let Some(who) = bench.who.filter(|_| fresh && self.counts(attempt)) {
                    self.keyring.bind(desk, (&who, admission.session), from);
                }
                return self.enter(admission, attempt).await;
            }
            Err(parting) if known => Standing::Out(Arc::new(parting)),
            Err(_) => Standing::Refused,
        };
        self.publish(attempt, standing);
    }

    async fn enter(&self, admission: Admission, attempt: u64) {
        let Admission {
            gate,
            way,
            tether,
            approvals,
            session,
            ..
        } = admission;
        let Way::Ssh(way) = way else {
            self.seal(gate, "no way there over SSH");
            self.publish(attempt, Standing::Refused);
            return;
        };
        let entered = Arc::new(Entered {
            control: way.control,
            gates: gate.gates(),
            uplines: Uplines::new(way, Arc::clone(&self.clock)),
            approvals,
            tether,
            session,
            root: Mutex::new(Some(gate)),
        });
        if !self.publish(attempt, Standing::In(Arc::clone(&entered)))
            && let Some(gate) = entered.root.lock().await.take()
        {
            self.seal(gate, "client gone");
        }
    }

    /// The client has said of a channel that it is open which nobody opens towards it. Its connection ends for that; this is why.
    pub(crate) async fn forged(&self) {
        let Standing::In(entered) = self.standing() else {
            return;
        };
        tracing::warn!(session = %entered.session, "a client is cut off: it forged the opening of a channel");
        if let Some(gate) = entered.root.lock().await.as_mut() {
            let detail = "the client said that a channel is open which nobody opened towards it: its connection was ended";
            if let Err(fault) = gate.security("ssh-forged-channel", detail, (self.clock)()) {
                tracing::error!(fault = fault.chain(), "a forged channel is not on record");
            }
        }
    }

    fn seal(&self, gate: Gate, reason: &str) {
        if let Err(fault) = gate.finish(reason, (self.clock)()) {
            tracing::error!(fault = fault.chain(), "a session's record stays unsealed");
        }
    }

    /// What is known now.
    pub(crate) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// The answer, however long it takes. A channel is told meanwhile what it waits for.
    pub(crate) async fn settled(
        &self,
        channel: Option<&ClientSide>,
    ) -> Result<Arc<Entered>, Arc<Parting>> {
        let mut seen = self.standing.subscribe();
        loop {
            let standing = seen.borrow_and_update().clone();
            match standing {
                Standing::In(entered) => return Ok(entered),
                Standing::Out(parting) => return Err(parting),
                Standing::Refused | Standing::Stranger | Standing::Invited(_) => {
                    return Err(Arc::new(nobody()));
                }
                Standing::Known(text) => {
                    if let Some(channel) = channel {
                        channel.tell(refuse::remark(&text)).await;
                    }
                }
            }
            if seen.changed().await.is_err() {
                return Err(Arc::new(nobody()));
            }
        }
    }

    /// True once the identity is verified.
    pub(crate) fn is_known(&self) -> bool {
        known(&self.standing.borrow())
    }

    /// Resolves when the identity is verified.
    pub(crate) async fn becomes_known(&self) {
        let mut seen = self.standing.subscribe();
        let _known = seen.wait_for(known).await;
    }

    /// A second secret of the gateway's own stood in some channel's output: the whole session ends.
    pub(crate) fn betray(&self) {
        self.betrayed.send_replace(true);
    }

    /// The keys that are remembered of whoever is admitted stand for nobody any more.
    pub(crate) fn forget_keys(&self, desk: &dyn FrontDesk) {
        if let Standing::In(entered) = self.standing() {
            desk.forget_keys(&entered.gates.session().identity);
        }
    }

    /// Resolves when that has happened.
    pub(crate) async fn betrayal(&self) {
        let mut betrayed = self.betrayed.subscribe();
        let _betrayed = betrayed.wait_for(|betrayed| *betrayed).await;
    }

    /// Resolves when the connection is over.
    pub(crate) async fn over(&self) {
        let mut over = self.over.subscribe();
        let _over = over.wait_for(|over| *over).await;
    }

    /// A channel that its client has closed keeps its place while the last of it is taken, and is ended where that stands still.
    pub(crate) fn see_out(self: &Arc<Self>, inbox: Arc<Inbox>) {
        let conversation = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = inbox.drained(|| sleep(SSH_LAST_BYTES_MAX)) => {}
                () = conversation.over() => {}
            }
        });
    }

    /// The connection is over: channels say their last words, then the record is sealed.
    pub(crate) async fn end(&self, reason: &str) {
        self.over.send_replace(true);
        self.tasks.close();
        let _said = timeout(LAST_WORDS_MAX, self.tasks.wait()).await;
        let Standing::In(entered) = self.standing() else {
            return;
        };
        self.standing.send_replace(Standing::Refused);
        if let Some(gate) = entered.root.lock().await.take() {
            self.seal(gate, reason);
        }
    }

    /// Resolves with the reason when the admission has lost its ground; never without an admission.
    pub(crate) async fn severed(&self) -> Denial {
        let mut seen = self.standing.subscribe();
        loop {
            let standing = seen.borrow_and_update().clone();
            if let Standing::In(entered) = standing {
                return entered.tether.severed().await;
            }
            if seen.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// True where the identity is verified.
fn known(standing: &Standing) -> bool {
    matches!(
        standing,
        Standing::Known(_) | Standing::In(_) | Standing::Out(_)
    )
}

fn nobody() -> Parting {
    let denial =
        Denial::new("fault/gateway", "the session was not admitted").hint("Connect again.");
    Parting {
        text: refuse::text(&denial, None, None),
        status: REFUSED,
        open: None,
    }
}

/// Names what this identity may open, for whoever has named nothing.
async fn list(desk: &dyn FrontDesk, knock: Knock, bench: &mut Bench<'_>) -> Parting {
    let mut text = String::new();
    match desk.reachable(knock, bench).await {
        Err(denial) => {
            return Parting {
                text: refuse::text(&denial, None, None),
                status: REFUSED,
                open: None,
            };
        }
        Ok(targets) if targets.is_empty() => {
            text.push_str("portcullis: nothing here is open to you over SSH\r\n");
        }
        Ok(targets) => {
            text.push_str("portcullis: name a target: ssh LOGIN@TARGET@GATEWAY\r\n");
            for target in targets {
                let name = portcullis_model::escape_line(&target.name);
                text.push_str(&format!("portcullis:   {name}\r\n"));
            }
        }
    }
    Parting {
        text: Bytes::from(text),
        status: refuse::NO_TARGET,
        open: bench.who.clone(),
    }
}

/// Somebody waits for admission; what they are told reaches their channels.
struct Bench<'c> {
    conversation: &'c Conversation,
    attempt: u64,
    who: Option<Arc<Identity>>,
    told: Arc<str>,
}

impl Waiting for Bench<'_> {
    fn known(&mut self, identity: &Identity) {
        self.who = Some(Arc::new(identity.clone()));
    }

    fn tell<'a>(&'a mut self, text: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        self.told = Arc::from(text);
        let standing = Standing::Known(Arc::clone(&self.told));
        let told = match self.who.is_some() && self.conversation.publish(self.attempt, standing) {
            true => Ok(()),
            false => Err(Fault::bare(Blame::Client, "wait for admission")),
        };
        Box::pin(async move { told })
    }

    fn gone<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(self.conversation.given_up(self.attempt))
    }

    fn invite(&mut self, to: &Invitation) -> BoxFuture<'_, Result<(), Fault>> {
        let standing = Standing::Invited(Arc::from(refuse::invitation(to)));
        let told = match self.conversation.publish(self.attempt, standing) {
            true => Ok(()),
            false => Err(Fault::bare(Blame::Client, "wait for a sign-in")),
        };
        Box::pin(async move { told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::Knocking;
    use portcullis_model::{Client, Protocol, Timestamp};
    use std::collections::BTreeMap;
    use tokio::sync::Notify;

    /// Invites everybody, and waits until they have gone.
    #[derive(Default)]
    struct Inviting {
        left: Notify,
    }

    impl FrontDesk for Inviting {
        fn admit<'a>(
            &'a self,
            _: Knock,
            waiting: Knocking<'a>,
        ) -> BoxFuture<'a, Result<Admission, Denial>> {
            Box::pin(async move {
                let to = Invitation {
                    address: "https://id.example/device".to_owned(),
                    code: "BCDF-GHJK".to_owned(),
                    complete: None,
                    within: Duration::from_secs(300),
                };
                waiting.invite(&to).await.expect("somebody is there");
                waiting.gone().await;
                self.left.notify_one();
                Err(Denial::new("login/left", "the client has gone"))
            })
        }
    }

    fn knock() -> Knock {
        Knock {
            protocol: Protocol::Ssh,
            proof: Proof::Elsewhere,
            client: Client {
                address: "192.0.2.7:9".parse().unwrap(),
                program: None,
                tls: None,
            },
            target: "web-1".to_owned(),
            login: "ana".to_owned(),
            settings: BTreeMap::new(),
            replication: false,
        }
    }

    #[tokio::test]
    async fn who_begins_anew_is_invited_no_longer() {
        let conversation = Conversation::new(Arc::new(|| Timestamp(1)));
        let inviting = Arc::new(Inviting::default());
        let desk: Arc<dyn FrontDesk> = Arc::clone(&inviting) as _;
        let second = Duration::from_secs(1);
        let standing = conversation.ask(&desk, knock(), second).await;
        let Standing::Invited(words) = standing else {
            panic!("nobody was invited");
        };
        assert!(words.contains("https://id.example/device") && words.contains("BCDF-GHJK"));
        assert!(conversation.is_invited() && !conversation.is_known());
        conversation.uninvite();
        assert!(!conversation.is_invited());
        let left = timeout(second, inviting.left.notified()).await;
        assert!(
            left.is_ok(),
            "nobody waits for a sign-in that counts no more"
        );
        assert!(matches!(conversation.standing(), Standing::Stranger));
        // Nor is it waited for longer than was said.
        let _again = conversation.ask(&desk, knock(), second).await;
        let waited = conversation.signed_in(Duration::from_millis(20)).await;
        assert!(matches!(waited, Standing::Stranger) && !conversation.is_invited());
    }
}
