//! Builds the input document from the questions the gateway asks. It only borrows and never decides;
//! what is too long is cut and marked.

use super::*;
use portcullis_gate::{HoldRequest, Question};
use portcullis_model as model;
use portcullis_model::facts::{CopyFacts, Parse, SessionChange};
use portcullis_model::{Client, StatementFacts, Subject, Timestamp, limits};

/// May this identity open this target?
pub struct ConnectQuestion<'a> {
    /// Who, as verified.
    pub identity: &'a model::Identity,
    /// What.
    pub target: &'a model::Target,
    /// Where from.
    pub client: &'a Client,
    /// The gateway node.
    pub node: &'a str,
    /// The login name asked for: a wish.
    pub login: Option<&'a str>,
    /// Startup settings, already on the allow-list.
    pub settings: &'a BTreeMap<String, String>,
    /// A replication connection is wanted.
    pub replication: bool,
    /// The reason the client gave.
    pub reason: Option<&'a str>,
    /// The approved access request it comes back with. Whoever asks checks that the requirements of a
    /// `Hold` are the ones that were met.
    pub access_request: Option<&'a str>,
    /// The ticket the client named.
    pub ticket: Option<&'a str>,
    /// What its system says of it.
    pub ticket_check: Option<&'a model::TicketCheck>,
    /// What this identity did within the last hour.
    pub hour: model::Tally,
    /// The time.
    pub now: Timestamp,
}

/// May this person vote on this requirement?
pub struct ApproveQuestion<'a> {
    /// The approval's id.
    pub id: &'a str,
    /// Who wants to vote, by a token of their own.
    pub voter: &'a model::Identity,
    /// Where the voter comes from, when known.
    pub client: Option<&'a Client>,
    /// What is held, with the session of whoever asked.
    pub request: &'a HoldRequest,
    /// The requirement that is voted on.
    pub requirement: &'a model::Requirement,
    /// Who has voted on it already.
    pub votes: &'a [model::Principal],
    /// When it lapses.
    pub expires: Timestamp,
    /// The time.
    pub now: Timestamp,
}

/// Which roles does this identity have in the console?
pub struct ConsoleQuestion<'a> {
    /// Who, as verified.
    pub identity: &'a model::Identity,
    /// The gateway node.
    pub node: &'a str,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Input<'a> {
    /// The document for the console: it is about nothing but who asks.
    #[must_use]
    pub fn console(question: &'a ConsoleQuestion<'_>) -> Self {
        Self {
            version: VERSION.into(),
            action: Action::Console,
            identity: identity(question.identity),
            connection: None,
            session: Session {
                id: None,
                started_ns: None,
                login: None,
                reason: None,
                ticket: None,
                ticket_check: None,
                access_request: None,
            },
            connect: None,
            command: None,
            context: None,
            approval: None,
            history: history(model::Tally::default(), model::Tally::default(), None),
            request: request(None, Some(question.node), question.now),
        }
    }

    /// The document for a command.
    #[must_use]
    pub fn command(question: &'a Question<'_>) -> Self {
        let session = question.session;
        Self {
            version: VERSION.into(),
            action: Action::Command,
            identity: identity(&session.identity),
            connection: Some(connection(&session.target)),
            session: Session {
                ticket: ticket(session, question.context),
                ticket_check: question.ticket.map(checked),
                ..admitted(session)
            },
            connect: None,
            command: Some(command(question)),
            context: Some(context(question.context)),
            approval: None,
            history: history(
                question.history.session,
                question.history.hour,
                question.history.last_approval,
            ),
            request: request(Some(&session.client), Some(&session.node), question.now),
        }
    }

    /// The document for an admission.
    #[must_use]
    pub fn connect(question: &'a ConnectQuestion<'_>) -> Self {
        Self {
            version: VERSION.into(),
            action: Action::Connect,
            identity: identity(question.identity),
            connection: Some(connection(question.target)),
            session: Session {
                id: None,
                started_ns: None,
                login: None,
                reason: text(question.reason),
                ticket: text(question.ticket),
                ticket_check: question.ticket_check.map(checked),
                access_request: text(question.access_request),
            },
            connect: Some(Connect {
                login: text(question.login),
                settings: Cow::Borrowed(question.settings),
                replication: question.replication,
            }),
            command: None,
            context: None,
            approval: None,
            history: history(model::Tally::default(), question.hour, None),
            request: request(Some(question.client), Some(question.node), question.now),
        }
    }

    /// The document for a vote.
    #[must_use]
    pub fn approve(question: &'a ApproveQuestion<'_>) -> Self {
        let held = question.request;
        let requirement = question.requirement;
        Self {
            version: VERSION.into(),
            action: Action::Approve,
            identity: identity(question.voter),
            connection: Some(connection(&held.session.target)),
            session: Session {
                ticket: text(held.ticket.as_deref()),
                ..admitted(&held.session)
            },
            connect: None,
            command: None,
            context: None,
            approval: Some(Approval {
                id: question.id.into(),
                requester: identity(&held.session.identity),
                requirement: Requirement {
                    rule: text_of(&requirement.rule),
                    msg: text_of(&requirement.msg),
                    approver_groups: Cow::Borrowed(&requirement.approver_groups),
                    approvers: requirement.approvers,
                    ttl_seconds: requirement.ttl.as_secs(),
                    ticket: requirement.ticket,
                },
                shown: cut(&held.shown).0,
                access: held.access,
                effect: held.class.effect,
                labels: Cow::Borrowed(&held.class.labels),
                votes: question.votes.iter().map(principal).collect(),
                expires_ns: question.expires.0,
            }),
            history: history(model::Tally::default(), model::Tally::default(), None),
            request: request(question.client, None, question.now),
        }
    }
}

/// What is asked about a command itself.
pub(super) fn command<'a>(question: &'a Question<'_>) -> Command<'a> {
    let (text, truncated) = cut(question.text);
    let class = question.class;
    let mut statements = Vec::with_capacity(question.facts.statements.len());
    for statement in &question.facts.statements {
        flatten(statement, &mut statements);
    }
    statements.extend(question.subject.map(|subject| asked(subject, class)));
    Command {
        meaning: Meaning {
            parse: parsed(&question.facts.parse),
            stage: question.stage,
            effect: class.effect,
            risk: class.risk,
            verbs: verbs(class.verbs),
            labels: Cow::Borrowed(&class.labels),
            findings: class.findings.iter().map(finding).collect(),
            statements,
        },
        wording: Wording {
            text,
            truncated,
            parameters: Cow::Borrowed(question.parameters),
            digest: question.digest.into(),
        },
    }
}

/// A request that is no SQL, as the one statement it is. What it does is what its class says.
fn asked<'a>(subject: &'a Subject, class: &'a model::Class) -> Statement<'a> {
    let (verb, shell, call) = match subject {
        Subject::Shell(shell) => {
            let verb = shell.argv.first().map_or(shell.mode, String::as_str);
            (Cow::Borrowed(verb), Some(shelled(shell)), None)
        }
        Subject::Call(call) => (
            Cow::Owned(call.verb.to_uppercase()),
            None,
            Some(called(call)),
        ),
    };
    Statement {
        verb,
        class: category(class),
        effect: class.effect,
        object_type: None,
        objects: Cow::Owned(class.objects.iter().cloned().collect()),
        columns: Cow::Borrowed(&[]),
        predicate: Predicate::Inapplicable,
        functions: Cow::Borrowed(&[]),
        labels: Cow::Borrowed(&class.labels),
        verbs: verbs(class.verbs),
        settings: Vec::new(),
        changes: Vec::new(),
        copy: None,
        shell,
        call,
    }
}

/// The category that goes with what a command does.
fn category(class: &model::Class) -> facts::Category {
    match class.effect {
        Effect::Read => facts::Category::Read,
        Effect::Write | Effect::Destroy => facts::Category::Write,
        Effect::Escalate => facts::Category::Dcl,
        Effect::Unknown => facts::Category::Unknown,
    }
}

fn shelled(shell: &model::ShellCommand) -> Shell<'_> {
    Shell {
        argv: Cow::Borrowed(&shell.argv),
        mode: Cow::Borrowed(shell.mode),
        paths: Cow::Borrowed(&shell.paths),
        flags: Cow::Borrowed(&shell.flags),
        privileged: shell.privileged,
    }
}

fn called(call: &model::Call) -> Call<'_> {
    Call {
        group: text_of(&call.group),
        resource: text(call.resource.as_deref()),
        subresource: text(call.subresource.as_deref()),
        namespace: text(call.namespace.as_deref()),
        name: text(call.name.as_deref()),
        command: Cow::Borrowed(&call.command),
        ports: Cow::Borrowed(&call.ports),
    }
}

fn text_of(text: &str) -> Text<'_> {
    Cow::Borrowed(text)
}

fn text(text: Option<&str>) -> Option<Text<'_>> {
    text.map(Cow::Borrowed)
}

pub(super) fn history(
    session: model::Tally,
    hour: model::Tally,
    last_approval: Option<Timestamp>,
) -> History {
    History {
        commands: session.commands,
        denied: session.denied,
        rows: session.rows,
        bytes: session.bytes,
        effects: effects(session.effects),
        last_approval_ns: last_approval.map(|at| at.0),
        identity_hour: Hour {
            sessions: hour.sessions,
            commands: hour.commands,
            denied: hour.denied,
            rows: hour.rows,
            bytes: hour.bytes,
            effects: effects(hour.effects),
        },
    }
}

fn effects(counted: model::Effects) -> Effects {
    Effects {
        read: counted.read,
        write: counted.write,
        destroy: counted.destroy,
        escalate: counted.escalate,
        unknown: counted.unknown,
    }
}

fn checked(check: &model::TicketCheck) -> TicketCheck<'_> {
    TicketCheck {
        system: text(check.system.as_deref()),
        valid: check.valid,
        reason: text(check.reason.as_deref()),
        fields: Cow::Borrowed(&check.fields),
    }
}

/// What SET said last, or else what the client connected with.
pub(super) fn ticket<'a>(
    session: &'a model::Session,
    context: &'a model::Context,
) -> Option<Text<'a>> {
    text(model::session::ticket(session, context))
}

/// The text up to the bound, on a character's border, and whether it was cut.
fn cut(text: &str) -> (Text<'_>, bool) {
    if text.len() <= limits::INPUT_TEXT_BYTES_MAX {
        return (Cow::Borrowed(text), false);
    }
    let end = text.floor_char_boundary(limits::INPUT_TEXT_BYTES_MAX);
    (Cow::Borrowed(text.get(..end).unwrap_or_default()), true)
}

fn principal(principal: &model::Principal) -> Principal<'_> {
    Principal {
        issuer: text_of(&principal.issuer),
        subject: text_of(&principal.subject),
    }
}

fn identity(identity: &model::Identity) -> Identity<'_> {
    Identity {
        issuer: text_of(&identity.principal.issuer),
        subject: text_of(&identity.principal.subject),
        provider: text_of(&identity.provider),
        kind: identity.kind,
        name: text_of(&identity.name),
        groups: Cow::Borrowed(&identity.groups),
        claims: Cow::Borrowed(&identity.claims),
        actors: identity.actors.iter().map(principal).collect(),
        owner: identity.owner.as_ref().map(principal),
        auth: Auth {
            time_ns: identity.authenticated.map(|at| at.0),
            methods: Cow::Borrowed(&identity.methods),
            assurance: text(identity.assurance.as_deref()),
            expires_ns: identity.expires.0,
        },
    }
}

fn connection(target: &model::Target) -> Connection<'_> {
    Connection {
        name: text_of(&target.name),
        protocol: target.protocol,
        labels: Cow::Borrowed(&target.labels),
        database: text(target.database.as_deref()),
        role: text(target.role.as_deref()),
    }
}

fn admitted(session: &model::Session) -> Session<'_> {
    Session {
        id: Some(session.id.to_string()),
        started_ns: Some(session.started.0),
        login: Some(text_of(&session.login)),
        reason: text(session.reason.as_deref()),
        ticket: text(session.ticket.as_deref()),
        ticket_check: None,
        access_request: text(session.access_request.as_deref()),
    }
}

fn request<'a>(client: Option<&'a Client>, node: Option<&'a str>, now: Timestamp) -> Request<'a> {
    Request {
        origin: Origin {
            node: text(node),
            source_ip: client.map(|c| c.address.ip().to_canonical().to_string()),
            program: client.and_then(|c| text(c.program.as_deref())),
            tls: client.and_then(|c| text(c.tls.as_deref())),
        },
        time_ns: now.0,
    }
}

pub(super) fn context(context: &model::Context) -> Context<'_> {
    Context {
        transaction: context.transaction,
        role: text(context.role.as_deref()),
        search_path: text(context.search_path.as_deref()),
        settings: Cow::Borrowed(&context.settings),
        shadows: Cow::Borrowed(&context.shadows),
    }
}

fn parsed(parse: &Parse) -> Parsed {
    match parse {
        Parse::Ok => Parsed::Ok,
        Parse::Partial => Parsed::Partial,
        Parse::Failed { .. } => Parsed::Failed,
    }
}

fn verbs(verbs: model::Verbs) -> Vec<Text<'static>> {
    verbs.names().map(Cow::Borrowed).collect()
}

fn finding(finding: &model::Finding) -> Finding<'_> {
    Finding {
        plugin: text_of(&finding.plugin),
        rule: text_of(&finding.rule),
    }
}

/// A statement, followed by what it prepares or declares: a rule that looks at every statement then
/// looks at these too.
fn flatten<'a>(facts: &'a StatementFacts, into: &mut Vec<Statement<'a>>) {
    into.push(statement(facts));
    for change in &facts.changes {
        if let SessionChange::Prepare { inner, .. } | SessionChange::Declare { inner, .. } = change
        {
            flatten(inner, into);
        }
    }
}

fn statement(facts: &StatementFacts) -> Statement<'_> {
    Statement {
        verb: text_of(&facts.verb),
        class: facts.category,
        effect: facts.effect,
        object_type: text(facts.object_type.as_deref()),
        objects: Cow::Borrowed(&facts.objects),
        columns: Cow::Borrowed(&facts.columns),
        predicate: facts.predicate,
        functions: Cow::Borrowed(&facts.functions),
        labels: Cow::Borrowed(&facts.labels),
        verbs: verbs(facts.verbs),
        settings: facts.changes.iter().filter_map(setting).collect(),
        changes: facts.changes.iter().map(|c| change(c).into()).collect(),
        copy: facts.copy.as_ref().map(copying),
        shell: None,
        call: None,
    }
}

fn setting(change: &SessionChange) -> Option<Setting<'_>> {
    match change {
        SessionChange::Set { name, value, local } => Some(Setting {
            name: text_of(name),
            value: text(value.as_deref()),
            local: *local,
        }),
        _ => None,
    }
}

fn change(change: &SessionChange) -> &'static str {
    match change {
        SessionChange::Begin => "begin",
        SessionChange::Commit => "commit",
        SessionChange::Rollback => "rollback",
        SessionChange::Savepoint => "savepoint",
        SessionChange::Set { .. } => "set",
        SessionChange::ResetAll => "reset",
        SessionChange::Prepare { .. } => "prepare",
        SessionChange::Execute { .. } => "execute",
        SessionChange::Deallocate(_) => "deallocate",
        SessionChange::Declare { .. } => "declare",
        SessionChange::Fetch(_) => "fetch",
        SessionChange::Close(_) => "close",
        SessionChange::Channel(_) => "channel",
    }
}

fn copying(copy: &CopyFacts) -> Copying<'_> {
    let relation = copy.relation.as_ref();
    Copying {
        direction: match copy.from {
            true => Direction::In,
            false => Direction::Out,
        },
        schema: relation.and_then(|(schema, _)| text(schema.as_deref())),
        table: relation.map(|(_, name)| text_of(name)),
        columns: Cow::Borrowed(&copy.columns),
        format: text_of(&copy.format),
        server_side: copy.server_side,
    }
}
