//! A connection that people have to open: the client waits at the door and is told where to look. It
//! refuses to take an approval for more than it was given for: policy is asked again afterwards, and
//! what it then wants must be exactly what was voted on.

use super::parts::{Asking, Granted};
use super::{Desk, ground_lost, revoked};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use portcullis_gate::{Answer, HoldRequest, Knocking, Wish};
use portcullis_model::message::Context;
use portcullis_model::session::ticket_missing;
use portcullis_model::{
    Class, Denial, Fault, Requirement, Session, SessionId, Timestamp, Verdict, limits,
};
use std::sync::Arc;

/// What became of a request that nobody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Policy opens it without one.
    Open,
    /// People are asked.
    Pending(String),
    /// It is open already, by this grant.
    Granted(String),
}

impl Desk {
    /// Asks people, and waits for them.
    pub(super) async fn request_access(
        &self,
        asking: &Asking<'_>,
        requirements: Vec<Requirement>,
        waiting: Knocking<'_>,
    ) -> Result<Granted, Denial> {
        let protocol = asking.connection.target.protocol;
        if let Some(denial) = ticket_missing(&requirements, asking.ticket(), protocol, false) {
            return Err(denial);
        }
        let wish = asking.wish()?;
        let returns = wish.returns || requirements.iter().any(|r| r.defer);
        let request = self.hold_request(asking, requirements.clone(), wish);
        let broken = |fault: Fault| self.broken(&fault);
        let (id, answer) = self.approvals.open(request).await.map_err(broken)?;
        let answer = match answer {
            Some(answer) => answer,
            None if returns => {
                let page = self.approvals.decided_at(&id);
                return Err(deferred(&id, &requirements, &page));
            }
            None => self.wait_for_people(&id, &requirements, waiting).await?,
        };
        match answer {
            Answer::Refuse(denial) => Err(denial),
            Answer::Approve { id, .. } => self.granted_by_people(asking, &requirements, id),
        }
    }

    /// Opens a request for whoever comes back later, and says what became of it.
    ///
    /// # Errors
    /// When policy refuses the connection, or the request.
    pub(super) async fn request_detached(
        &self,
        asking: &Asking<'_>,
        wish: Wish,
    ) -> Result<Asked, Denial> {
        let requirements = match self.connect(asking, None)?.verdict.clone() {
            Verdict::Allow { .. } => return Ok(Asked::Open),
            Verdict::Deny(denial) => return Err(denial),
            Verdict::Hold(requirements) => requirements,
        };
        let protocol = asking.connection.target.protocol;
        if let Some(denial) = ticket_missing(&requirements, asking.ticket(), protocol, false) {
            return Err(denial);
        }
        let request = self.hold_request(asking, requirements, wish);
        let broken = |fault: Fault| self.broken(&fault);
        let (id, answer) = self.approvals.open(request).await.map_err(broken)?;
        match answer {
            None => Ok(Asked::Pending(id)),
            Some(Answer::Approve { id, .. }) => Ok(Asked::Granted(id)),
            Some(Answer::Refuse(denial)) => Err(denial),
        }
    }

    fn hold_request(
        &self,
        asking: &Asking<'_>,
        requirements: Vec<Requirement>,
        wish: Wish,
    ) -> HoldRequest {
        let target = &asking.connection.target;
        let session = Session {
            // There is no session yet; the request is known by its own id.
            id: SessionId(0),
            identity: Arc::clone(asking.identity),
            target: Arc::clone(target),
            client: asking.knock.client.clone(),
            started: (self.clock)(),
            node: self.node.clone(),
            login: asking.knock.login.clone(),
            reason: asking.reason().map(str::to_owned),
            ticket: asking.ticket().map(str::to_owned),
            access_request: None,
        };
        let replication = if asking.knock.replication {
            " for replication"
        } else {
            ""
        };
        HoldRequest {
            session: Arc::new(session),
            binding: binding(asking),
            shown: format!("connect to {}{replication}", target.name),
            class: Class::nothing(),
            context: Context::new(),
            ticket: asking.ticket().map(str::to_owned),
            requirements,
            access: true,
            wish,
        }
    }

    /// Tells the client now and then that it waits, and lets go when it hangs up.
    async fn wait_for_people(
        &self,
        id: &str,
        requirements: &[Requirement],
        waiting: Knocking<'_>,
    ) -> Result<Answer, Denial> {
        let text = format!("{id}: waiting for {}", Requirement::people(requirements));
        let mut open = Open {
            desk: self,
            id,
            answered: false,
        };
        let answer = self.approvals.wait(id);
        tokio::pin!(answer);
        loop {
            waiting.tell(&text).await.map_err(|_| gone())?;
            let pause = tokio::time::sleep(limits::HOLD_NOTICE_EVERY);
            tokio::select! {
                answer = &mut answer => {
                    open.answered = true;
                    return answer.map_err(|fault| self.broken(&fault));
                }
                () = waiting.gone() => return Err(gone()),
                () = pause => {}
            }
        }
    }

    /// Votes count for what was asked; policy has the last word on what is asked now.
    fn granted_by_people(
        &self,
        asking: &Asking<'_>,
        voted_on: &[Requirement],
        id: String,
    ) -> Result<Granted, Denial> {
        let now = (self.clock)();
        if self
            .revocations
            .covers(asking.identity, None, now)
            .is_some()
        {
            return Err(revoked());
        }
        if expired(asking, now) {
            return Err(Denial::new(
                "identity/expired",
                "the token expired while the request waited",
            )
            .hint("Get a fresh token and connect again; the request need not be voted on twice."));
        }
        let revision = self.access.revision();
        let mut decision = self.connect(asking, Some(&id))?;
        if self.approvals.standing(&id).is_some_and(|s| s.glass) {
            super::glass::record_all(&mut decision);
        }
        match &decision.verdict {
            Verdict::Allow { .. } => {}
            Verdict::Deny(denial) => return Err(denial.clone()),
            Verdict::Hold(now_wanted) if now_wanted == voted_on => {}
            Verdict::Hold(_) => return Err(ground_lost()),
        }
        Ok(Granted {
            decision,
            revision,
            access_request: Some(id),
        })
    }
}

fn expired(asking: &Asking<'_>, now: Timestamp) -> bool {
    asking.identity.expires <= now
}

/// Withdraws the request when nobody waits for it any more, however the waiting ended.
struct Open<'a> {
    desk: &'a Desk,
    id: &'a str,
    answered: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.desk.approvals.withdraw(self.id);
        }
    }
}

/// Identity, actors, target and what was asked for, each field length-prefixed.
fn binding(asking: &Asking<'_>) -> [u8; 32] {
    let mut hash = Digest::new(&SHA256);
    let mut field = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    field(b"portcullis/access/v1");
    let identity = asking.identity;
    for who in std::iter::once(&identity.principal).chain(&identity.actors) {
        field(who.issuer.as_bytes());
        field(who.subject.as_bytes());
    }
    let target = &asking.connection.target;
    field(target.name.as_bytes());
    field(target.database.as_deref().unwrap_or_default().as_bytes());
    field(target.role.as_deref().unwrap_or_default().as_bytes());
    field(&[u8::from(asking.knock.replication)]);
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

fn deferred(id: &str, requirements: &[Requirement], page: &str) -> Denial {
    let people = Requirement::people(requirements);
    let mut denial = Denial::new(
        "access/approval",
        format!("{id} has to be approved by {people}"),
    )
    .hint(format!("Connect again once it is approved.{page}"));
    denial.approval = Some(id.to_owned());
    denial.retry_after = Some(limits::DEFERRED_RETRY_SECONDS);
    denial
}

fn gone() -> Denial {
    Denial::new(
        "access/withdrawn",
        "the client went away while its request waited",
    )
}
