//! Record, then act: the only ways from a ruling to a permit or a refusal.

use super::judge::hex;
use super::*;
use portcullis_model::facts::SessionChange;

impl Gate {
    /// Records a run of allowed messages in one append and only then returns the permit for them.
    /// A command that writes waits until its entry is on stable storage; inside a transaction only the
    /// COMMIT and effects that leave the transaction wait.
    ///
    /// # Errors
    /// When the record cannot be written or synced: then nothing is forwarded.
    pub async fn commit(
        &mut self,
        run: Vec<Allowed>,
        context: &Context,
        now: Timestamp,
    ) -> Result<Permit, Fault> {
        let mut entries = Vec::with_capacity(run.len() * 2);
        let mut frames = Vec::with_capacity(run.len());
        let mut candidates = Vec::new();
        let mut wait = false;
        for allowed in run {
            wait |= self.must_wait(&allowed, context);
            match &allowed.judged {
                Some(judged) => {
                    let Some(stage) = asked::stage(&allowed.message.body) else {
                        return Err(Fault::bare(Blame::Gateway, "record a judged message"));
                    };
                    let (entry, candidate) =
                        self.decision_entry(judged, stage, entries.len(), now)?;
                    candidates.extend(candidate);
                    entries.push(entry);
                    entries.push(request_entry(judged, stage, now)?);
                }
                None => entries.push(self.unjudged_entry(&allowed.message, now).await?),
            }
            frames.push(allowed.message.wire);
        }
        let sequence = self.append(&entries)?;
        self.bases.written(candidates, sequence, entries.len());
        if wait {
            self.parts.durable(sequence).await?;
        }
        Ok(Permit { frames, sequence })
    }

    /// Records a denial, then has it rendered. `render` gets the denial and where it stands in the
    /// record, which the client is told as a reference.
    ///
    /// # Errors
    /// When the record cannot be written: the session then ends with the one constant refusal.
    pub fn reject(
        &mut self,
        denied: Denied,
        now: Timestamp,
        render: impl FnOnce(&Denial, Sequence) -> Vec<Bytes>,
    ) -> Result<Refusal, Fault> {
        let Denied {
            message,
            denial,
            judged,
        } = denied;
        let mut entries = Vec::with_capacity(2);
        if let (Some(judged), Some(stage)) = (&judged, asked::stage(&message.body)) {
            entries.push(self.bases.whole(judged, stage, Some(&denial), now)?);
        }
        let mut payload = json!({"denial": denial});
        match (&judged, &message.body) {
            (Some(judged), _) => put(&mut payload, "request", json!(&*judged.journal_form)),
            // Never judged: its text may hold anything, so only its digest is kept.
            (None, _) => {
                put(
                    &mut payload,
                    "request_sha256",
                    json!(hex(&Sha256::digest(&message.wire))),
                );
                put(&mut payload, "request_bytes", json!(message.wire.len()));
            }
        }
        entries.push(Entry {
            kind: EntryKind::Refusal,
            at: now,
            payload: payload.to_string().into(),
        });
        let sequence = self.append(&entries)?;
        Ok(Refusal {
            frames: render(&denial, sequence),
            sequence,
        })
    }

    /// Records a denial that no message caused (kill, expiry, drain, a budget), then has it rendered.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn reject_session(
        &mut self,
        denial: &Denial,
        now: Timestamp,
        render: impl FnOnce(&Denial, Sequence) -> Vec<Bytes>,
    ) -> Result<Refusal, Fault> {
        let payload = json!({"denial": denial}).to_string().into();
        let sequence = self.append(&[Entry {
            kind: EntryKind::Refusal,
            at: now,
            payload,
        }])?;
        Ok(Refusal {
            frames: render(denial, sequence),
            sequence,
        })
    }

    /// Records that a hold began.
    ///
    /// # Errors
    /// When the record cannot be written: the message is then refused.
    pub fn note_hold(&mut self, held: &Held, id: &str, now: Timestamp) -> Result<(), Fault> {
        let Some(stage) = asked::stage(&held.message.body) else {
            return Err(Fault::bare(
                Blame::Gateway,
                "hold a message that asks for nothing",
            ));
        };
        let rules: Vec<_> = held.requirements.iter().map(|r| &r.rule).collect();
        let payload = json!({
            "id": id, "rules": rules, "requirements": held.requirements,
            "binding": hex(&held.binding), "request": &*held.judged.journal_form,
            "context": held.context,
            "ticket": portcullis_model::session::ticket(&self.parts.session, &held.context),
        });
        let entries = [
            self.bases.whole(&held.judged, stage, None, now)?,
            Entry {
                kind: EntryKind::Hold,
                at: now,
                payload: payload.to_string().into(),
            },
        ];
        self.append(&entries)?;
        Ok(())
    }

    /// The decision on an allowed message. Only the one stream of a session has them shortened: a reader keeps so
    /// many whole ones of a session, and several gates would each count their own.
    fn decision_entry(
        &mut self,
        judged: &Judged,
        stage: Stage,
        index: usize,
        now: Timestamp,
    ) -> Result<(Entry, Option<decisions::Candidate>), Fault> {
        match self.parts.several() {
            true => Ok((self.bases.whole(judged, stage, None, now)?, None)),
            false => self.bases.entry(judged, stage, index, now),
        }
    }

    fn must_wait(&mut self, allowed: &Allowed, context: &Context) -> bool {
        let Some(judged) = &allowed.judged else {
            return false;
        };
        self.reshaped |= judged.class.verbs.contains(Verbs::DDL);
        if matches!(
            asked::stage(&allowed.message.body),
            None | Some(Stage::Parse)
        ) {
            return false;
        }
        if judged.approval.is_some() {
            return true;
        }
        let commits = judged
            .facts
            .statements
            .iter()
            .any(|s| s.changes.iter().any(|c| matches!(c, SessionChange::Commit)));
        let writes = judged.class.effect > Effect::Read;
        let leaves = [Verbs::FILE, Verbs::NET, Verbs::EXEC, Verbs::ADMIN]
            .iter()
            .any(|verb| judged.class.verbs.contains(*verb));
        let wait = match context.transaction {
            Transaction::Idle => writes || (commits && self.wrote),
            Transaction::Open | Transaction::Failed => leaves || (commits && self.wrote),
        };
        self.wrote = (self.wrote || writes) && !commits;
        wait
    }

    async fn unjudged_entry(&mut self, message: &Message, now: Timestamp) -> Result<Entry, Fault> {
        Ok(match &message.body {
            Body::Named {
                control,
                name,
                rows,
            } => Entry {
                kind: EntryKind::Request,
                at: now,
                payload: json!({"control": control, "name": &**name, "rows": rows})
                    .to_string()
                    .into(),
            },
            Body::Control(name) => Entry {
                kind: EntryKind::Request,
                at: now,
                payload: Bytes::from(format!("{{\"control\":\"{name}\"}}")),
            },
            Body::Typed {
                bytes,
                shown: false,
            } => Entry {
                kind: EntryKind::Request,
                at: now,
                payload: json!({"control": "typed", "bytes": bytes.len()})
                    .to_string()
                    .into(),
            },
            Body::Upload(bytes) | Body::Typed { bytes, .. } => {
                let masked = self.mask_request(&[bytes]).await?.pop().unwrap_or_default();
                Entry {
                    kind: EntryKind::Upload,
                    at: now,
                    payload: masked.into(),
                }
            }
            Body::Opaque { stream, bytes } => self.unread_entry(stream, bytes, now),
            Body::Statement(_) | Body::Command(_) => {
                return Err(Fault::bare(
                    Blame::Gateway,
                    "forward a request that was not judged",
                ));
            }
        })
    }
}

/// What was sent, in the record's form.
fn request_entry(judged: &Judged, stage: Stage, now: Timestamp) -> Result<Entry, Fault> {
    #[derive(serde::Serialize)]
    struct Sent<'a> {
        stage: Stage,
        request: &'a str,
    }
    let sent = Sent {
        stage,
        request: &judged.journal_form,
    };
    let payload = serde_json::to_vec(&sent)
        .map_err(|e| Fault::new(Blame::Gateway, "write down a request", e))?;
    Ok(Entry {
        kind: EntryKind::Request,
        at: now,
        payload: payload.into(),
    })
}

/// Adds a member to a JSON object.
fn put(object: &mut serde_json::Value, key: &str, value: serde_json::Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}
