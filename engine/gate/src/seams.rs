//! What the gate and the protocols ask of others. A trait lives with its caller and carries a narrow
//! capability; `portcullis/assemble` is the only place where the implementations meet.

use crate::gate::Gate;
use crate::lineage::Origins;
use crate::ruling::Answer;
use bytes::Bytes;
pub use portcullis_model::Stage;
use portcullis_model::message::Context;
use portcullis_model::{
    Batch, Blame, Class, Client, Decision, Denial, Edits, Facts, Fault, Identity, Obligations,
    Principal, Protocol, Requirement, RowShape, Session, SessionId, Subject, Tally, Target,
    TicketCheck, Timestamp,
};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

mod ways;
pub use ways::{
    ClusterKey, HostKeys, Impersonated, KubernetesWay, PostgresWay, SshBack, SshErrand, SshErrands,
    SshKey, SshOffer, SshWay, Way,
};

/// A future that can stand behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A position in one session's record, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Host facts about a text, from the server's own grammar. Implemented by `sql`.
///
/// Bounded: pool of threads with big stacks, byte cap, deadline, a limit per identity. A text that was
/// seen before is answered from a cache without a thread.
pub trait Examine: Send + Sync {
    /// The facts, if they are cached.
    fn cached(&self, text: &str) -> Option<Arc<Facts>>;
    /// The facts. `who` is charged for the work. `Err` when it could not be done in bounds: the
    /// message is then refused.
    fn examine<'a>(
        &'a self,
        who: &'a Principal,
        text: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Arc<Facts>, Fault>>;
}

/// Classifier plugins of one stream. Implemented by `sandbox`.
pub trait Classify: Send {
    /// True when all plugins that are asked at this stage go by the facts alone: an opinion without findings then
    /// holds for every text with the same facts.
    fn by_facts(&self, _stage: Stage) -> bool {
        false
    }
    /// The joined opinion of all interested plugins, `None` when no plugin is interested. A trap, a
    /// timeout or nonsense is a `Fault`: the message is then refused.
    fn classify<'a>(
        &'a mut self,
        session: &'a Session,
        stage: Stage,
        text: &'a str,
        facts: &'a Facts,
    ) -> BoxFuture<'a, Result<Option<Class>, Fault>>;
}

/// Masking plugins of one stream. Implemented by `sandbox`.
pub trait Mask: Send {
    /// True when some plugin wants this kind of batch of this shape. Cheap: asked once per shape.
    fn wants(&self, kind: portcullis_model::BatchKind, shape: &RowShape) -> bool;
    /// Edits for a batch, checked: sorted, in range, not overlapping. `skip[column]` is true where the
    /// column is masked as a whole anyway. `obligations.entities` selects what is masked and how.
    fn mask<'a>(
        &'a mut self,
        batch: &'a Batch,
        skip: &'a [bool],
        obligations: &'a Obligations,
    ) -> BoxFuture<'a, Result<Edits, Fault>>;
    /// What stands in the place of the values of these columns where a key is needed to say so: whole cells, in
    /// order. A value without one is redacted, so the default is safe.
    fn stand_ins(
        &self,
        _batch: &Batch,
        _columns: &[portcullis_model::ColumnMask],
    ) -> Vec<portcullis_model::SpanEdit> {
        Vec::new()
    }
}

/// What came before, for rate and exfiltration rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// This session.
    pub session: Tally,
    /// This identity within the last hour, this session included.
    pub hour: Tally,
    /// When somebody last approved something here.
    pub last_approval: Option<Timestamp>,
}

/// One question to policy about a command.
pub struct Question<'a> {
    /// The session.
    pub session: &'a Session,
    /// Where in its life the statement is.
    pub stage: Stage,
    /// The text as the record may hold it: secrets masked.
    pub text: &'a str,
    /// Parameters, secrets masked, in text; `None` for NULL or opaque ones.
    pub parameters: &'a [Option<String>],
    /// SHA-256 of the exact bytes, hex: binds approvals.
    pub digest: &'a str,
    /// Facts; without statements where the request is no SQL.
    pub facts: &'a Facts,
    /// A request that is no SQL, in parts.
    pub subject: Option<&'a Subject>,
    /// Floor and plugins, joined.
    pub class: &'a Class,
    /// State it runs in.
    pub context: &'a Context,
    /// What came before.
    pub history: History,
    /// What the ticket system says of the ticket in force.
    pub ticket: Option<&'a TicketCheck>,
    /// The time.
    pub now: Timestamp,
}

/// Policy, for commands. Implemented by `policy`. Sync: it is CPU, bounded by a timer.
pub trait Decide: Send + Sync {
    /// The decision. An error of any kind is a `Fault` and becomes a denial.
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault>;
    /// What the ticket system says of a ticket, for the next question; nothing where there is none. Bounded in time, and
    /// answered from memory where it was asked lately.
    fn ticket<'a>(&'a self, _: &'a Session, _: &'a str) -> BoxFuture<'a, Option<Arc<TicketCheck>>> {
        Box::pin(std::future::ready(None))
    }
    /// Changes when another policy set is serving.
    fn revision(&self) -> Arc<str>;
}

/// What kind of entry it is. The journal's format fixes the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// Session admitted: JSON of session, connect decision with whole input, plugin digests.
    Admit = 1,
    /// A command was decided: JSON with verdict, reasons, class, whole input.
    Decision = 2,
    /// The request as forwarded, secrets masked.
    Request = 3,
    /// A response as released: the exact masked frames.
    Release = 4,
    /// What the gateway said on its own: JSON with the name.
    House = 5,
    /// A refusal as rendered: JSON of the denial.
    Refusal = 6,
    /// A hold began: JSON with id, requirements, binding.
    Hold = 7,
    /// A hold ended: JSON with answer, voters.
    Resolve = 8,
    /// Edits made to a response: JSON with counts per label and keyed digests.
    Masked = 9,
    /// Tripwire, quarantine, broken protocol: JSON.
    Security = 10,
    /// The session ended: JSON with reason and counts. The last entry.
    End = 11,
    /// An upload chunk, secrets masked.
    Upload = 12,
    /// Something that belongs to the node, not to a session: reload, vote, admin action.
    Node = 13,
    /// A part of a stream that passed unread, as policy had named it opaque: JSON with counts. Its bytes
    /// stand in the `Release` behind it where the record level is full.
    Opaque = 14,
    /// A further stream of the session opened: JSON with its name (`exec`, `GET /api/v1/pods`).
    Opened = 15,
    /// It is over: JSON with how.
    Closed = 16,
    /// A response on the second lane of a stream (standard error), as released.
    Diagnostic = 17,
}

/// A stream of a session: 0 is the one it was admitted with, every further one has a number of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// One entry on its way into the record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Kind.
    pub kind: EntryKind,
    /// When.
    pub at: Timestamp,
    /// JSON or frames, as the kind says. Never a secret in clear.
    pub payload: Bytes,
}

/// The record of one session. Implemented by `journal`.
///
/// `append` is one `write(2)` for the whole run, so that a killed process loses nothing of it.
/// Dropping it without an `End` entry leaves the session `interrupted`, never sealed.
pub trait Record: Send {
    /// Appends the run of one stream and returns the sequence of its last entry. Fails when the record cannot
    /// be written, lags too far behind or exceeds the identity's volume: then nothing may move.
    fn append(&mut self, stream: StreamId, entries: &[Entry]) -> Result<Sequence, Fault>;
    /// Resolves once everything up to `upto` is on stable storage.
    fn durable(&self, upto: Sequence) -> BoxFuture<'static, Result<(), Fault>>;
}

/// Applies edits to one batch: whoever framed it implements this.
pub trait Rewrite: Send {
    /// The frames with the edits applied; lengths and formats are right again. Fails when an edit
    /// cannot be expressed: the batch is then dropped.
    fn rewrite(self: Box<Self>, batch: &Batch, edits: &Edits) -> Result<Bytes, Fault>;
    /// The machine-readable code of an error or notice (SQLSTATE), where the message has one.
    fn code(&self) -> Option<[u8; 5]> {
        None
    }
}

/// A part of a response on its way to the client.
pub enum Outgoing {
    /// Frames that can hold no value: RowDescription, CommandComplete, ReadyForQuery.
    Control(Bytes),
    /// A part of a replication stream, which nobody can read here. It needs a grant by name.
    Opaque(Bytes),
    /// A part of another stream that nobody can read here: a file on its way, a forward. Where masks apply it
    /// needs a grant by that name.
    Unread {
        /// `scp`, `rsync`, `git`, `sftp`, `forward`.
        stream: &'static str,
        /// The bytes.
        wire: Bytes,
    },
    /// Values.
    Values {
        /// The batch.
        batch: Batch,
        /// How to rebuild it.
        rewrite: Box<dyn Rewrite>,
        /// Facts of the statement that caused it, for provenance; none for asynchronous messages.
        facts: Option<Arc<Facts>>,
        /// Obligations of the decision that allowed that statement; none means the session's own.
        obligations: Option<Arc<Decision>>,
    },
}

/// Matches every secret that the gateway holds or mints. Implemented by `stream`.
pub trait Tripwire: Send + Sync {
    /// Byte ranges in `text` where a secret stands, in any of its encodings; empty nearly always.
    fn hits(&self, text: &[u8]) -> Vec<(usize, usize)>;
    /// Length of the longest needle: how much of a stream's tail has to be seen again.
    fn reach(&self) -> usize;
}

/// Which of a stream's lanes towards the client: each is masked on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Standard output, the body of a response.
    Output,
    /// Standard error.
    Diagnostic,
}

/// Who reads a byte stream, which decides how a mask may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reader {
    /// A program: held bytes wait for what comes next, however long; the marker stands for what is masked.
    Program,
    /// A person at a terminal: replacements keep their width, and what is held is shown after a moment.
    Terminal,
}

/// How much is known of what comes next in a byte stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More may come.
    Open,
    /// More may come, but somebody waits at a terminal and nothing has come for a moment.
    Idle,
    /// That was all.
    End,
}

/// What of a byte stream may go on.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Veiled {
    /// The bytes, masked.
    pub bytes: Bytes,
    /// What was replaced, counted by label, for the record.
    pub labels: BTreeMap<Arc<str>, u32>,
    /// Secrets of the gateway's own among these.
    pub tripped: u32,
}

/// Masks one lane of a byte stream that arrives in pieces. Implemented by `stream`.
pub trait Veil: Send {
    /// The next piece, which may be empty.
    ///
    /// # Errors
    /// When a masker fails or too much would have to be held: the stream then ends.
    fn draw<'a>(
        &'a mut self,
        piece: &'a [u8],
        next: Next,
        mask: &'a mut dyn Mask,
        obligations: &'a Obligations,
    ) -> BoxFuture<'a, Result<Veiled, Fault>>;
    /// Bytes that are held right now.
    fn held(&self) -> usize;
}

/// Makes veils. Implemented by `stream`.
pub trait Veils: Send + Sync {
    /// One for a fresh lane.
    fn veil(&self, reader: Reader) -> Box<dyn Veil>;
}

/// The plugin instances of one stream.
pub struct Streamed {
    /// Classifiers.
    pub classify: Box<dyn Classify>,
    /// Maskers.
    pub mask: Box<dyn Mask>,
}

/// The plugins that serve a session. Implemented over `sandbox`.
pub trait Plugins: Send + Sync {
    /// Fresh instances for one stream.
    fn open<'a>(&'a self, session: &'a Arc<Session>) -> BoxFuture<'a, Result<Streamed, Fault>>;
}

/// A relation of the target, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// OID.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Column names by attnum - 1; dropped ones are empty.
    pub columns: Vec<String>,
    /// OIDs of relations that it is derived from (view, materialised view, partition, parent),
    /// transitively.
    pub sources: Vec<u32>,
    /// True for tables and partitions, whose sources hold the same columns by name.
    pub table: bool,
    /// Of a view, what each of its columns is made of, in columns of tables (and of views of which that is not
    /// known). Empty where nobody knows.
    pub origins: Vec<Origins>,
}

/// The catalog of a target, over a side connection. Implemented by `vault`.
pub trait Catalog: Send + Sync {
    /// A relation by OID, if it is cached.
    fn relation(&self, oid: u32) -> Option<Arc<Relation>>;
    /// All cached relations of that name, in any schema.
    fn named(&self, name: &str) -> Vec<Arc<Relation>>;
    /// Changes when what is cached has changed.
    fn generation(&self) -> u64 {
        0
    }
    /// Looks up what is not cached. What cannot be found stays unknown, and unknown is masked.
    fn refresh<'a>(&'a self, oids: &'a [u32]) -> BoxFuture<'a, Result<(), Fault>>;
}

/// What is shown to approvers about a held message.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// The session; for an access request the one that would be.
    pub session: Arc<Session>,
    /// Binds the approval to identity, actors, target and bytes.
    pub binding: [u8; 32],
    /// The request, secrets masked; to be escaped wherever it is shown.
    pub shown: String,
    /// Risk, labels, objects.
    pub class: Class,
    /// Role, search_path, shadowing objects, transaction state.
    pub context: Context,
    /// The ticket that was named, if any.
    pub ticket: Option<String>,
    /// What is required.
    pub requirements: Vec<Requirement>,
    /// True for an access request at connect.
    pub access: bool,
    /// What the requester asks for beyond one use.
    pub wish: Wish,
}

/// What a requester asks for beyond one use. A wish: people and policy say what becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// A connection that stays open to it for so long.
    pub lasts: Option<Duration>,
    /// Nobody waits: whoever asked comes back later.
    pub detached: bool,
    /// A client at the door that cannot wait, and comes back for the answer by itself.
    pub returns: bool,
    /// Going ahead without a vote, and why.
    pub glass: Option<String>,
}

/// A grant that outlives the request it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Until when it is good.
    pub until: Timestamp,
    /// Somebody went ahead without a vote: everything is recorded in full.
    pub glass: bool,
}

/// The desk where holds wait. Implemented by `approval`.
pub trait ApprovalDesk: Send + Sync {
    /// Opens (or joins) a request and returns its id, without waiting. In defer mode an approved,
    /// unused one with the same binding is consumed and answered at once.
    fn open<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<(String, Option<Answer>), Fault>>;
    /// What has been granted or approved already and this request may use, without asking anybody: for what cannot wait.
    /// Where nobody keeps any there is none.
    fn ready<'a>(
        &'a self,
        _request: HoldRequest,
    ) -> BoxFuture<'a, Result<Option<(String, Answer)>, Fault>> {
        Box::pin(async { Ok(None) })
    }
    /// Waits for the answer. Dropping the future does not withdraw it: call `withdraw`.
    fn wait<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Answer, Fault>>;
    /// The client went away or cancelled.
    fn withdraw(&self, id: &str);
    /// How many requests wait for the same people before this one. Where nobody counts there are none.
    fn ahead(&self, _id: &str) -> usize {
        0
    }
    /// The grant of this id, while it is good. Where nobody keeps grants there are none.
    fn standing(&self, _id: &str) -> Option<Standing> {
        None
    }
    /// The page where people decide it, where there is one.
    fn page(&self, _id: &str) -> Option<String> {
        None
    }
    /// How somebody approves it, for whoever waits and passes it on: the command, and the page.
    fn how(&self, id: &str) -> String {
        match self.page(id) {
            None => format!("portcullis approvals approve {id}"),
            Some(page) => format!("portcullis approvals approve {id}, or at {page}"),
        }
    }
    /// Where it is decided, as a further sentence; nothing without a page.
    fn decided_at(&self, id: &str) -> String {
        let page = self.page(id);
        page.map_or_else(String::new, |page| format!(" It is decided at {page}."))
    }
}

/// What whoever waits is told of those before it: `, 2 before it`, and nothing where there is none.
#[must_use]
pub fn before_it(desk: &dyn ApprovalDesk, id: &str) -> String {
    match desk.ahead(id) {
        0 => String::new(),
        ahead => format!(", {ahead} before it"),
    }
}

/// What a client offers as proof.
pub enum Proof {
    /// A token in the place of a password. Wiped on drop by whoever made it.
    Password(Box<dyn AsRef<str> + Send + Sync>),
    /// A login that the gateway issued: the client proves its secret by [`Waiting::prove`].
    Login {
        /// The name.
        name: String,
        /// `tls-server-end-point` of the channel the client came over, where it has one.
        binding: Option<Vec<u8>>,
    },
    /// A certificate in its wire form, whose private key the client has proved to hold, by TLS or by SSH. Who has signed
    /// it, and what it says, nobody has looked at.
    Certificate(Vec<u8>),
    /// A token that is bound to a key (a PK token of OpenPubkey), and the key, in SSH's wire form, that the client has proved to
    /// hold.
    Bound {
        /// The token.
        token: String,
        /// The key.
        key: Vec<u8>,
    },
    /// A bare key, in SSH's wire form, that the client has proved to hold: worth whom [`FrontDesk::remember`] has bound it to.
    Key {
        /// The key.
        key: Vec<u8>,
        /// Where it comes, a binding is worth something for so long, however long it was meant to be where it was made.
        within: Duration,
    },
    /// None of its own: the stream runs inside of a connection (a forward over SSH) whose login has proved who it is. Only a
    /// protocol of ours can say so; no client can.
    Within {
        /// Who that is.
        identity: Arc<Identity>,
        /// The session around it, where there is one.
        session: Option<SessionId>,
    },
    /// None yet: the person signs in at a provider, in a browser on any device, and is told where by [`Waiting::invite`].
    Elsewhere,
}

/// What stands in the name of the authority that certifies people here. A certificate without it is somebody else's, and
/// no proof that is offered to us: clients show what they happen to have.
pub const PEOPLE: &str = "Portcullis people";

/// True when a certificate claims to be one of ours.
#[must_use]
pub fn claims_to_be_ours(certificate: &[u8]) -> bool {
    let name = PEOPLE.as_bytes();
    certificate.windows(name.len()).any(|part| part == name)
}

/// Where somebody signs in, on any device (RFC 8628).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The address to open.
    pub address: String,
    /// What to type there.
    pub code: String,
    /// The address with the code in it, where the provider has one.
    pub complete: Option<String>,
    /// So long the code is good.
    pub within: Duration,
}

/// What the names of logins begin with that the gateway issues itself.
pub const ISSUED_LOGIN: &str = "pcl_";

/// One step of a proof that never shows the secret (SASL, RFC 4422), on its way to the client.
pub enum Offer<'a> {
    /// The mechanisms, best first; the client chooses one and begins.
    Begin(&'a [&'static str]),
    /// A challenge, which the client answers.
    Continue(&'a [u8]),
    /// The last word, which has no answer.
    End(&'a [u8]),
}

/// What the client said to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The mechanism it has chosen, in answer to [`Offer::Begin`].
    pub mechanism: Option<String>,
    /// Its message.
    pub data: Vec<u8>,
}

/// What a protocol has collected when somebody knocks.
pub struct Knock {
    /// Protocol.
    pub protocol: Protocol,
    /// Proof.
    pub proof: Proof,
    /// Address, program, TLS.
    pub client: Client,
    /// The target that was asked for.
    pub target: String,
    /// The login name that was asked for: a wish, no identity.
    pub login: String,
    /// Settings the client asked for at startup (`application_name`, …), already on the allow-list.
    pub settings: BTreeMap<String, String>,
    /// It wants a replication connection.
    pub replication: bool,
}

/// How the front desk talks to somebody who has to wait (an access request).
pub trait Waiting: Send {
    /// The proof was good: whatever is answered from now on is about what this identity may do, and may be said to it.
    fn known(&mut self, _: &Identity) {}
    /// Tells the client why it waits and where to look. An error means that the client is gone.
    fn tell<'a>(&'a mut self, text: &'a str) -> BoxFuture<'a, Result<(), Fault>>;
    /// Resolves when the client has gone away.
    fn gone<'a>(&'a mut self) -> BoxFuture<'a, ()>;
    /// Tells whoever has no proof yet where to sign in. An error means that the client is gone, or that the protocol cannot
    /// show it.
    fn invite(&mut self, _: &Invitation) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async {
            Err(Fault::bare(
                Blame::Gateway,
                "invite somebody over this protocol",
            ))
        })
    }
    /// Takes one step of a proof to the client and brings its answer. An error means that the client is gone
    /// or has left the protocol, or that the protocol knows no such proofs.
    fn prove<'a>(&'a mut self, _: Offer<'a>) -> BoxFuture<'a, Result<Said, Fault>> {
        Box::pin(async {
            Err(Fault::bare(
                Blame::Gateway,
                "take a proof over this protocol",
            ))
        })
    }
}

/// Whom a bare key stands for from now on, and where.
pub struct Bearer {
    /// Whoever has been admitted with another proof, on the connection on which the key was shown.
    pub identity: Arc<Identity>,
    /// What that was admitted as: where it has been ended since, the key stands for nobody.
    pub session: SessionId,
    /// The address it came from: the key is worth nothing from any other.
    pub from: IpAddr,
    /// For so long, and never longer than what the identity was proved with is good.
    pub within: Duration,
}

/// Who waits, as an object.
pub type Knocking<'a> = &'a mut dyn Waiting;

/// Identity, access policy, journal, vault: in that order and nowhere else. Implemented by
/// `portcullis/front_desk`.
pub trait FrontDesk: Send + Sync {
    /// Admits, or says why not.
    fn admit<'a>(
        &'a self,
        knock: Knock,
        waiting: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Admission, Denial>>;
    /// True when people can sign in at a provider: [`Proof::Elsewhere`] is a proof here.
    fn signs_in(&self) -> bool {
        false
    }
    /// True when a login with this key (SSH's wire form) may be proved here: a certificate for it is in force, or tokens are
    /// accepted that are bound to such keys. Whoever has any other is not asked for a signature.
    fn may_prove(&self, _key: &[u8]) -> bool {
        false
    }
    /// True when [`Proof::Key`] with this key may prove something to a client at this address, where bindings are worth
    /// something for so long.
    fn remembers(&self, _key: &[u8], _from: IpAddr, _within: Duration) -> bool {
        false
    }
    /// Has a key (SSH's wire form) that a client has proved to hold stand for somebody who was admitted beside it.
    fn remember(&self, _key: &[u8], _bearer: Bearer) {}
    /// Has the keys that are remembered of somebody who is sent away stand for nobody.
    fn forget_keys(&self, _who: &Identity) {}
    /// The targets of the knock's protocol that this identity may open, or ask for: for whoever has named none.
    fn reachable<'a>(
        &'a self,
        _: Knock,
        _: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<Target>>, Denial>> {
        Box::pin(async {
            Err(
                Denial::new("access/no-such-connection", "no target was named")
                    .hint("Name the target."),
            )
        })
    }
}

/// How to reach the upstream.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Host name, for TLS verification and messages.
    pub host: String,
    /// Resolved addresses, tried in order.
    pub addresses: Vec<SocketAddr>,
    /// TLS.
    pub tls: UpstreamTls,
}

/// How the upstream connection is protected. The names are libpq's.
#[derive(Clone, Debug)]
pub enum UpstreamTls {
    /// No TLS: loopback or a trusted network only; `portcullis check` says so.
    Disable,
    /// TLS with this configuration, already holding roots, client certificate and verification level.
    Require(Arc<dyn std::any::Any + Send + Sync>),
}

/// What an upstream asks of a login.
pub enum Challenge<'a> {
    /// AuthenticationCleartextPassword.
    Cleartext,
    /// AuthenticationMD5Password with its salt.
    Md5([u8; 4]),
    /// AuthenticationSASL: the mechanisms offered, and the `tls-server-end-point` hash of the server's
    /// certificate when the connection is TLS.
    Sasl {
        /// Mechanisms as offered.
        mechanisms: &'a [&'a str],
        /// Channel binding data.
        binding: Option<&'a [u8]>,
    },
    /// AuthenticationSASLContinue.
    SaslContinue(&'a [u8]),
    /// AuthenticationSASLFinal: verifies the server's signature.
    SaslFinal(&'a [u8]),
}

/// The answer to a challenge: goes into one `p` message and is wiped.
pub enum Reply {
    /// PasswordMessage: cleartext or md5, without the trailing NUL.
    Password(Box<dyn AsRef<[u8]> + Send>),
    /// SASLInitialResponse.
    SaslInitial {
        /// Chosen mechanism.
        mechanism: &'static str,
        /// Client-first message.
        data: Vec<u8>,
    },
    /// SASLResponse.
    Sasl(Vec<u8>),
    /// Nothing to send: the server has proved itself.
    Nothing,
}

/// A login that answers challenges. The secret's bytes stay in `vault`. Dropping it ends the
/// credential: NOLOGIN, terminate, drop.
pub trait Credential: Send {
    /// The login name.
    fn user(&self) -> &str;
    /// Answers one challenge.
    fn answer(&mut self, challenge: Challenge<'_>) -> Result<Reply, Fault>;
    /// True once the server has proved that it knows the secret too, where the mechanism does that.
    fn server_verified(&self) -> bool;
}

/// What ends an admission from outside: policy, identity, credential, kill, drain, time.
pub trait Tether: Send + Sync {
    /// Resolves with the reason when the admission has lost its ground.
    fn severed<'a>(&'a self) -> BoxFuture<'a, Denial>;
    /// A line about what the session does right now, for `portcullis sessions list`.
    fn doing(&self, what: &str);
}

/// Proof that this identity may open this target, with the way there.
pub struct Admission {
    /// The gate of the session and of its first stream. Further streams have gates of their own: [`Gate::gates`].
    pub gate: Gate,
    /// The way upstream.
    pub way: Way,
    /// What ends it.
    pub tether: Arc<dyn Tether>,
    /// The desk for holds.
    pub approvals: Arc<dyn ApprovalDesk>,
    /// The target, for messages.
    pub target: Arc<Target>,
    /// The session's id.
    pub session: SessionId,
}

/// The time, for whoever may know it. Only `portcullis` reads the machine's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
