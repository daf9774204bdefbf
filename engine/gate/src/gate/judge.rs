//! Judging: facts, classes, policy. Failure becomes an answer in one place, and the answer is no.

use super::names::{opaque, resolve_names, unresolved};
use super::spend::vouched;
use super::*;

/// What a request is judged on, before policy.
struct Case {
    facts: Arc<Facts>,
    class: Arc<Class>,
    journal_text: Arc<str>,
    /// A command's parts, as far as the record may hold them.
    subject: Option<Subject>,
}

impl Gate {
    /// Judges one message in the state it would run in. Never fails: a fault is a denial.
    pub async fn judge(&mut self, message: Message, context: &Context, now: Timestamp) -> Ruling {
        if let Err(fault) = self.note_leak(&message, now) {
            return Ruling::Deny(Denied {
                message,
                denial: fault_denial(&fault),
                judged: None,
            });
        }
        let Some(asked) = Asked::of(&message.body) else {
            return self.unjudged(message);
        };
        if asked.stage() != Stage::Parse {
            self.count_command(now);
        }
        let ruling = self.rule(message, &asked, context, now).await;
        if matches!(ruling, Ruling::Deny(_)) {
            self.count_denied(now);
        }
        ruling
    }

    /// What is not judged by itself: it changes nothing, or belongs to what was judged when it opened.
    fn unjudged(&mut self, message: Message) -> Ruling {
        let denial = match &message.body {
            // What is recorded once it was echoed has been looked at when it was sent.
            Body::Upload(bytes)
            | Body::Typed {
                bytes,
                shown: false,
            } => marker_in_stream(&mut self.upload_tail, bytes).then(marker_denial),
            Body::Opaque { stream, .. } => self
                .passes_unread(stream)
                .err()
                .map(|fault| fault_denial(&fault)),
            _ => None,
        };
        match denial {
            Some(denial) => Ruling::Deny(Denied {
                message,
                denial,
                judged: None,
            }),
            None => Ruling::Allow(Allowed {
                message,
                judged: None,
            }),
        }
    }

    /// The ruling on a request that has been counted.
    async fn rule(
        &mut self,
        message: Message,
        asked: &Asked,
        context: &Context,
        now: Timestamp,
    ) -> Ruling {
        match self.weigh(asked, context, now).await {
            Ok((judged, Verdict::Allow { .. })) => {
                self.count_effect(&judged, asked.stage(), now);
                Ruling::Allow(Allowed {
                    message,
                    judged: Some(judged),
                })
            }
            Ok((judged, Verdict::Deny(denial))) => Ruling::Deny(Denied {
                message,
                denial,
                judged: Some(judged),
            }),
            // Nothing of the user's runs at Parse: the hold stands before Bind.
            Ok((judged, Verdict::Hold(_))) if asked.stage() == Stage::Parse => {
                Ruling::Allow(Allowed {
                    message,
                    judged: Some(judged),
                })
            }
            Ok((judged, Verdict::Hold(_))) if !asked.shows_all() => Ruling::Deny(Denied {
                message,
                denial: unshowable_denial(),
                judged: Some(judged),
            }),
            Ok((judged, Verdict::Hold(requirements))) => {
                let binding = self.binding(asked, &message.wire);
                Ruling::Hold(Held {
                    message,
                    judged,
                    requirements,
                    binding,
                    context: context.clone(),
                })
            }
            Err(Stop::Deny(denial)) => Ruling::Deny(Denied {
                message,
                denial,
                judged: None,
            }),
            Err(Stop::Fault(fault)) => Ruling::Deny(Denied {
                message,
                denial: fault_denial(&fault),
                judged: None,
            }),
        }
    }

    async fn weigh(
        &mut self,
        asked: &Asked,
        context: &Context,
        now: Timestamp,
    ) -> Result<(Judged, Verdict), Stop> {
        if carries_marker(asked) {
            return Err(Stop::Deny(marker_denial()));
        }
        let case = match asked {
            Asked::Sql(statement) => self.case(statement, context).await?,
            Asked::Command(command) => self.command_case(command).await?,
        };
        if let Parse::Failed { message, .. } = &case.facts.parse {
            return Err(Stop::Deny(
                Denial::new("portcullis/unparsed", message.clone())
                    .hint("Only statements that PostgreSQL's own grammar accepts are forwarded."),
            ));
        }
        let parameters = self.parameters_form(asked.parameters()).await?;
        let digest = hex(&Sha256::digest(asked.text().as_bytes()));
        let (decide, session) = (&*self.parts.decide, &*self.parts.session);
        let ticket = vouched(decide, session, context).await;
        let decision = self.parts.decide.decide(&Question {
            session: &self.parts.session,
            stage: asked.stage(),
            text: &case.journal_text,
            parameters: &parameters,
            digest: &digest,
            facts: &case.facts,
            subject: case.subject.as_ref(),
            class: &case.class,
            context,
            history: self.past(now),
            ticket: ticket.as_deref(),
            now,
        })?;
        let verdict = match moved(&case.facts, &decision.obligations, &*self.parts.catalog) {
            Some(tag) if !matches!(decision.verdict, Verdict::Deny(_)) => Verdict::Deny(
                Denial::new(
                    "portcullis/moves-protected",
                    format!("the statement would copy protected data ({tag}) to where no mask follows it"),
                )
                .hint("Leave the protected column out: name the columns you need instead of `*`."),
            ),
            _ => self.within(&decision, asked.stage(), context, now),
        };
        let verdict = self.within_predicates(&case.facts, &decision.obligations, verdict);
        let verdict = match (asked.stage(), self.may_replicate(Some(&decision))) {
            (Stage::Replicate, Err(denial)) if !matches!(verdict, Verdict::Deny(_)) => {
                Verdict::Deny(denial)
            }
            _ => verdict,
        };
        let journal_form = match parameters.is_empty() {
            true => case.journal_text,
            false => Arc::from(with_parameters(&case.journal_text, &parameters)),
        };
        let judged = Judged {
            facts: case.facts,
            class: case.class,
            decision: Arc::new(decision),
            journal_form,
            approval: None,
        };
        Ok((judged, verdict))
    }

    /// Facts and class, cached per text and state where nothing had to be resolved.
    async fn case(&mut self, statement: &Statement, context: &Context) -> Result<Case, Fault> {
        match (statement.stage, &statement.known) {
            (Stage::Call, _) => return Ok(call_case(statement)),
            (Stage::Replicate, Some(known)) => {
                return self.replication_case(statement, known).await;
            }
            (Stage::Replicate, None) => {
                return Err(Fault::bare(Blame::Gateway, "know a replication command"));
            }
            _ => {}
        }
        let state = self
            .hasher
            .hash_one((&context.role, &context.search_path, &context.settings));
        let key = (statement.stage, statement.text.clone());
        if statement.resolved.is_empty()
            && let Some(cached) = self.classes.get(&key)
            && cached.state == state
        {
            return Ok(Case {
                facts: cached.facts.clone(),
                class: cached.class.clone(),
                journal_text: cached.journal_text.clone(),
                subject: None,
            });
        }
        let facts = match self.parts.examine.cached(&statement.text) {
            Some(facts) => facts,
            None => {
                let who = &self.parts.session.identity.principal;
                self.parts.examine.examine(who, &statement.text).await?
            }
        };
        let resolved = match statement.resolved.is_empty() {
            true => unresolved(&facts),
            false => statement.resolved.clone(),
        };
        let (facts, floor) = resolve_names(facts, &resolved);
        let class = self.class(statement, &facts, floor).await?;
        let journal_text: Arc<str> = Arc::from(self.text_form(&statement.text, &facts).await?);
        if resolved.is_empty() && statement.text.len() <= 16 * 1024 {
            if self.classes.len() >= limits::CLASS_CACHE_MAX {
                self.classes.clear();
            }
            let cached = Cached {
                state,
                facts: facts.clone(),
                class: class.clone(),
                journal_text: journal_text.clone(),
            };
            self.classes.insert(key, cached);
        }
        Ok(Case {
            facts,
            class,
            journal_text,
            subject: None,
        })
    }

    /// A command that is no SQL: the host has no grammar for it, so it is what the classifiers say, on top of what
    /// the protocol itself knows. One that nobody is interested in is `Unknown`.
    async fn command_case(&mut self, command: &Command) -> Result<Case, Fault> {
        let facts = Facts {
            parse: Parse::Ok,
            statements: Vec::new(),
            secrets: command.secrets.clone(),
        };
        let session = &self.parts.session;
        let opinion = self
            .classify
            .classify(session, command.stage, &command.text, &facts)
            .await?;
        let class = match (&command.known, opinion) {
            (Some(known), opinion) => known.clone().join(opinion.unwrap_or_else(Class::nothing)),
            (None, Some(opinion)) => opinion,
            (None, None) => Class::unknown("unclassified"),
        };
        let journal_text = self.text_form(&command.text, &facts).await?;
        let subject = self.call_without_own(match journal_text == *command.text {
            true => command.subject.clone(),
            false => without_words(&command.subject),
        });
        Ok(Case {
            facts: Arc::new(facts),
            class: Arc::new(class),
            journal_text: Arc::from(journal_text),
            subject: Some(subject),
        })
    }

    /// What plugins say of it, joined with the floor; not asked again where they go by facts that they have seen.
    async fn class(
        &mut self,
        statement: &Statement,
        facts: &Arc<Facts>,
        floor: Option<Class>,
    ) -> Result<Arc<Class>, Fault> {
        let (classify, session) = (&mut self.classify, &self.parts.session);
        let stage = statement.stage;
        let by_facts = (floor.is_none() && classify.by_facts(stage)).then_some(stage);
        if let Some(class) = by_facts.and_then(|stage| self.grades.again(facts, stage)) {
            return Ok(class);
        }
        let opinion = classify.classify(session, stage, &statement.text, facts);
        Ok(self.grades.of(facts, floor, opinion.await?, by_facts))
    }

    /// Forgets cached classes: plugins have been replaced, or the catalog has changed.
    pub fn forget_classes(&mut self) {
        self.classes.clear();
        self.grades = Grades::default();
    }

    /// A replication command is no SQL: the protocol's own grammar has said what it is, and plugins that care
    /// may raise that.
    async fn replication_case(
        &mut self,
        statement: &Statement,
        known: &StatementFacts,
    ) -> Result<Case, Fault> {
        let facts = Facts {
            parse: Parse::Ok,
            statements: vec![known.clone()],
            secrets: Vec::new(),
        };
        let session = &self.parts.session;
        let opinion = self
            .classify
            .classify(session, statement.stage, &statement.text, &facts)
            .await?;
        let class = facts.floor().join(opinion.unwrap_or_else(Class::nothing));
        let text = self.mask_request(&[statement.text.as_bytes()]).await?;
        Ok(Case {
            class: Arc::new(class),
            facts: Arc::new(facts),
            journal_text: Arc::from(text.concat()),
            subject: None,
        })
    }

    /// The text with its secrets masked: literals that are secrets by grammar first, then whatever
    /// the detectors find.
    async fn text_form(&mut self, text: &str, facts: &Facts) -> Result<String, Fault> {
        let mut masked = String::with_capacity(text.len());
        let mut from = 0;
        for span in &facts.secrets {
            let (start, end) = (span.start as usize, span.end as usize);
            let (Some(before), true) = (text.get(from..start), end <= text.len()) else {
                return Err(Fault::bare(Blame::Gateway, "mask a secret literal"));
            };
            masked.push_str(before);
            masked.push_str(&mask_text("secret", None));
            from = end;
        }
        masked.push_str(text.get(from..).unwrap_or_default());
        let mut texts = self.mask_request(&[masked.as_bytes()]).await?;
        Ok(texts.pop().unwrap_or_default())
    }

    async fn parameters_form(
        &mut self,
        parameters: &[Parameter],
    ) -> Result<Vec<Option<String>>, Fault> {
        let values: Vec<&[u8]> = parameters
            .iter()
            .map(|p| match (&p.value, p.opaque) {
                (Some(value), false) => value.as_ref(),
                _ => b"".as_slice(),
            })
            .collect();
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let masked = self.mask_request(&values).await?;
        Ok(parameters
            .iter()
            .zip(masked)
            .map(|(p, text)| match (&p.value, p.opaque) {
                (None, _) => None,
                (Some(raw), true) => Some(format!("<{} bytes>", raw.len())),
                (Some(_), false) => Some(text),
            })
            .collect())
    }

    /// Masks secrets in texts of a request. Invalid UTF-8 is shown lossily: this is the record's form,
    /// never what goes upstream.
    pub(super) async fn mask_request(&mut self, texts: &[&[u8]]) -> Result<Vec<String>, Fault> {
        let texts: Vec<_> = texts.iter().map(|text| self.without_own(text)).collect();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !self.mask.wants(BatchKind::Request, &self.request_shape) {
            return Ok(texts.iter().map(|t| lossy(t)).collect());
        }
        let mut text = BytesMut::new();
        let mut cells = Vec::with_capacity(texts.len());
        for part in &texts {
            let start = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.extend_from_slice(part);
            cells.push(Cell {
                column: 0,
                start,
                end: u32::try_from(text.len()).unwrap_or(u32::MAX),
            });
        }
        let batch = Batch {
            kind: BatchKind::Request,
            shape: self.request_shape.clone(),
            text: text.freeze(),
            cells,
            rows: 0,
            wire: Bytes::new(),
        };
        let edits = self.mask.mask(&batch, &[false], &self.secrets_only).await?;
        let mut out = Vec::with_capacity(texts.len());
        for (index, part) in texts.iter().enumerate() {
            let edits = edits.spans.iter().filter(|e| e.cell as usize == index);
            out.push(lossy(&apply(part, edits)?));
        }
        Ok(out)
    }

    /// What an approval is bound to: every field length-prefixed, so that no two requests can be
    /// written alike.
    fn binding(&self, asked: &Asked, wire: &[u8]) -> [u8; 32] {
        let session = &self.parts.session;
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(b"portcullis/binding/v1");
        let principals =
            std::iter::once(&session.identity.principal).chain(&session.identity.actors);
        for who in principals {
            field(who.issuer.as_bytes());
            field(who.subject.as_bytes());
        }
        field(session.target.name.as_bytes());
        field(
            session
                .target
                .database
                .as_deref()
                .unwrap_or_default()
                .as_bytes(),
        );
        field(
            session
                .target
                .role
                .as_deref()
                .unwrap_or_default()
                .as_bytes(),
        );
        field(asked.text().as_bytes());
        for parameter in asked.parameters() {
            field(parameter.value.as_deref().unwrap_or_default());
            field(&[
                u8::from(parameter.value.is_none()),
                u8::from(parameter.opaque),
            ]);
            field(&parameter.type_oid.to_be_bytes());
        }
        // The frame of a Bind names a portal, which a rerun in defer mode may name otherwise; the text
        // and the parameters are what runs. Everything else is bound byte for byte.
        match asked {
            Asked::Sql(statement) => {
                if matches!(
                    statement.stage,
                    Stage::Query | Stage::Call | Stage::Replicate
                ) {
                    field(wire);
                }
            }
            Asked::Command(command) => {
                field(format!("{:?}", command.stage).as_bytes());
                field(wire);
                field(&command.bound);
            }
        }
        hash.finalize().into()
    }

    /// What approvers are shown, in the state probed just before (`context`), which from now on is
    /// the state the vote is bound to.
    pub fn hold_request(&self, held: &mut Held, context: &Context) -> HoldRequest {
        held.context = context.clone();
        HoldRequest {
            session: self.parts.session.clone(),
            binding: held.binding,
            shown: held.judged.journal_form.to_string(),
            class: (*held.judged.class).clone(),
            context: held.context.clone(),
            ticket: portcullis_model::session::ticket(&self.parts.session, context)
                .map(str::to_owned),
            requirements: held.requirements.clone(),
            access: false,
            wish: Wish::default(),
        }
    }

    /// Ends a hold: judges again in the state as it is now. A change of role, search_path, settings,
    /// shadowing objects or policy since the vote was asked for voids it. The outcome is recorded.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub async fn resolve(
        &mut self,
        held: Held,
        answer: Answer,
        context: &Context,
        now: Timestamp,
    ) -> Result<Ruling, Fault> {
        let Held {
            message,
            requirements,
            context: then,
            judged,
            ..
        } = held;
        let (ruling, outcome, by) = match answer {
            Answer::Refuse(denial) => {
                self.count_denied(now);
                let outcome = denial.rule.clone();
                (
                    Ruling::Deny(Denied {
                        message,
                        denial,
                        judged: Some(judged),
                    }),
                    outcome,
                    Vec::new(),
                )
            }
            Answer::Approve { .. } if then != *context => {
                self.count_denied(now);
                let denial = Denial::new(
                    "approval/void",
                    "the session's role, search_path, settings or transaction changed after the approval was asked for",
                )
                .hint("Send the statement again to ask anew.");
                (
                    Ruling::Deny(Denied {
                        message,
                        denial,
                        judged: Some(judged),
                    }),
                    "void".into(),
                    Vec::new(),
                )
            }
            Answer::Approve { id, by } => {
                self.parts.remember(|past| past.last_approval = Some(now));
                let approved = Approved { id, by: by.clone() };
                let ruling = self
                    .release_held(message, &requirements, approved, context, now)
                    .await;
                (ruling, "approved".to_owned(), by)
            }
        };
        let payload = Bytes::from(json!({"outcome": outcome, "by": by}).to_string());
        self.append(&[Entry {
            kind: EntryKind::Resolve,
            at: now,
            payload,
        }])?;
        Ok(ruling)
    }

    /// Approved bytes are judged once more; only what was asked for before is covered by the votes.
    async fn release_held(
        &mut self,
        message: Message,
        met: &[portcullis_model::Requirement],
        approved: Approved,
        context: &Context,
        now: Timestamp,
    ) -> Ruling {
        let Some(asked) = Asked::of(&message.body) else {
            return Ruling::Deny(Denied {
                message,
                denial: fault_denial(&Fault::bare(Blame::Gateway, "release what was held")),
                judged: None,
            });
        };
        match self.rule(message, &asked, context, now).await {
            Ruling::Hold(held) if held.requirements.iter().all(|r| met.contains(r)) => {
                let judged = Judged {
                    approval: Some(approved),
                    ..held.judged
                };
                self.count_effect(&judged, asked.stage(), now);
                Ruling::Allow(Allowed {
                    message: held.message,
                    judged: Some(judged),
                })
            }
            Ruling::Hold(held) => {
                let denial =
                    Denial::new("approval/void", "the policy now asks for another approval")
                        .hint("Send the statement again to ask anew.");
                Ruling::Deny(Denied {
                    message: held.message,
                    denial,
                    judged: Some(held.judged),
                })
            }
            other => other,
        }
    }
}

enum Stop {
    Deny(Denial),
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The one place where a failure becomes an answer. It says nothing of the inside.
pub(super) fn fault_denial(fault: &Fault) -> Denial {
    Denial::new(
        format!("fault/{}", fault.blame.label()),
        format!("the request could not be judged, so it was refused ({} failed)", fault.blame.label()),
    )
    .hint("Nothing was run. Try again; if it persists, give the session and sequence to the operator.")
}

fn unshowable_denial() -> Denial {
    Denial::new(
        "approval/not-shown",
        "this needs an approval, and an approver could not see what would run",
    )
    .hint(
        "Send the statement itself instead of EXECUTE or FETCH, and parameters of a declared type.",
    )
}

/// The parts of a command without its words: a secret stood in the text, and may stand in any of them.
fn without_words(subject: &Subject) -> Subject {
    match subject {
        Subject::Shell(shell) => Subject::Shell(portcullis_model::ShellCommand {
            mode: shell.mode,
            privileged: shell.privileged,
            ..Default::default()
        }),
        Subject::Call(call) => {
            let mut call = call.clone();
            call.command.clear();
            call.body = portcullis_model::CallBody::Opaque;
            Subject::Call(call)
        }
    }
}

fn carries_marker(asked: &Asked) -> bool {
    let mut values = asked.parameters().iter().filter_map(|p| p.value.as_ref());
    has_marker(asked.text().as_bytes()) || values.any(|v| has_marker(v))
}

fn marker_denial() -> Denial {
    Denial::new(
        "portcullis/mask-marker",
        format!("the request contains a masked value ({MASK_MARKER}…])"),
    )
    .hint("Writing a masked value back would destroy the real one: leave masked columns out.")
}

fn has_marker(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, MASK_MARKER.as_bytes()).is_some()
}

/// A marker may be split over chunks of an upload.
fn marker_in_stream(tail: &mut Vec<u8>, chunk: &[u8]) -> bool {
    let keep = MASK_MARKER.len() - 1;
    let head = chunk.get(..keep.min(chunk.len())).unwrap_or_default();
    tail.extend_from_slice(head);
    let found = has_marker(tail) || has_marker(chunk);
    if chunk.len() >= keep {
        tail.clear();
        tail.extend_from_slice(chunk.get(chunk.len() - keep..).unwrap_or_default());
    } else if tail.len() > keep {
        let cut = tail.len() - keep;
        tail.drain(..cut);
    }
    found
}

fn with_parameters(text: &str, parameters: &[Option<String>]) -> String {
    let mut form = String::from(text);
    for (index, value) in parameters.iter().enumerate() {
        let value = value
            .as_ref()
            .map_or_else(|| "NULL".to_owned(), |v| json!(v).to_string());
        form.push_str(&format!("\n-- ${} = {value}", index + 1));
    }
    form
}

impl Grades {
    /// The class that these facts had at this stage, where plugins go by them alone.
    fn again(&self, facts: &Arc<Facts>, stage: Stage) -> Option<Arc<Class>> {
        let mut known = self.known.iter().rev();
        let known = known.find(|g| g.by_facts == Some(stage) && Arc::ptr_eq(&g.facts, facts))?;
        Some(known.class.clone())
    }

    /// The class of a text with these facts and this opinion: what was joined for the same before, if it is
    /// remembered. `floor` is that of the facts, unless names raise it.
    fn of(
        &mut self,
        facts: &Arc<Facts>,
        floor: Option<Class>,
        opinion: Option<Class>,
        by_facts: Option<Stage>,
    ) -> Arc<Class> {
        // A client's message that no classifier is interested in is `Unknown`.
        let opinion = opinion.unwrap_or_else(|| Class::unknown("unclassified"));
        if let Some(floor) = floor {
            return Arc::new(floor.join(opinion));
        }
        // The place of a finding is one in a text.
        let by_facts = by_facts.filter(|_| opinion.findings.is_empty());
        let known = self.known.iter().rposition(|g| {
            g.by_facts == by_facts && Arc::ptr_eq(&g.facts, facts) && g.opinion == opinion
        });
        if let Some(known) = known.and_then(|at| self.known.get(at)) {
            return known.class.clone();
        }
        let class = Arc::new(facts.floor().join(opinion.clone()));
        if self.known.len() >= limits::GRADES_MAX {
            self.known.pop_front();
        }
        self.known.push_back(Grade {
            facts: facts.clone(),
            by_facts,
            opinion,
            class: class.clone(),
        });
        class
    }
}

/// A FunctionCall has no text: it is `Unknown` unless policy knows the OID.
fn call_case(statement: &Statement) -> Case {
    let name = statement.function.unwrap_or(0).to_string();
    let facts = Facts {
        parse: Parse::Partial,
        statements: vec![opaque("FUNCTION CALL", "function", &name, "function-call")],
        secrets: Vec::new(),
    };
    let class = Arc::new(facts.floor());
    let journal_text = Arc::from(format!("FunctionCall {name}"));
    Case {
        facts: Arc::new(facts),
        class,
        journal_text,
        subject: None,
    }
}

/// Applies sorted, non-overlapping edits to one cell.
pub(super) fn apply<'e>(
    cell: &[u8],
    edits: impl Iterator<Item = &'e SpanEdit>,
) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(cell.len());
    let mut from = 0;
    for edit in edits {
        let (start, end) = (edit.start as usize, edit.end as usize);
        let (Some(before), true) = (cell.get(from..start), start <= end && end <= cell.len())
        else {
            return Err(Fault::bare(
                Blame::Plugin,
                "apply edits: out of order or out of range",
            ));
        };
        out.extend_from_slice(before);
        out.extend_from_slice(&edit.replacement);
        from = end;
    }
    out.extend_from_slice(cell.get(from..).unwrap_or_default());
    Ok(out)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}
