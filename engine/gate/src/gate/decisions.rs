//! Decision entries. Each holds the whole decision with the whole policy input, so that it can be replayed
//! from the record alone: in itself, or, where it came out like one before and its input differs from that
//! one's only in wording, history and time, by naming that entry and holding what differs.
//!
//! Refuses to shorten what is denied, held or approved, and what rests on an entry that is too far back for
//! a reader to have kept it.

use super::judge::hex;
use super::*;
use portcullis_model::Outcome;
use serde::Serialize;

/// The whole entries that shortened ones may rest on.
#[derive(Default)]
pub(super) struct Wholes {
    known: HashMap<[u8; 32], Whole>,
    /// Whole decision entries of this session so far.
    wholes: u64,
}

struct Whole {
    sequence: u64,
    digest: [u8; 32],
    whole: u64,
    stage: Stage,
    outcome: Arc<Outcome>,
    class: Arc<Class>,
}

/// A whole entry that later ones may rest on, once it has been written.
pub(super) struct Candidate {
    /// Its place in the run.
    index: usize,
    kin: [u8; 32],
    base: Whole,
}

impl Wholes {
    /// The entry for an allowed message, and what may rest on it once it is in the record as the `index`th of
    /// its run.
    pub(super) fn entry(
        &mut self,
        judged: &Judged,
        stage: Stage,
        index: usize,
        now: Timestamp,
    ) -> Result<(Entry, Option<Candidate>), Fault> {
        let alike = judged.decision.likeness.as_ref().filter(|_| {
            judged.approval.is_none() && matches!(judged.decision.verdict, Verdict::Allow { .. })
        });
        let Some(alike) = alike else {
            return Ok((self.whole(judged, stage, None, now)?, None));
        };
        if let Some(base) = self.known.get(&alike.kin)
            && self.wholes - base.whole < limits::DECISION_BASES_MAX as u64
            && base.stage == stage
            && Arc::ptr_eq(&base.outcome, &judged.decision.outcome)
            && (Arc::ptr_eq(&base.class, &judged.class) || base.class == judged.class)
        {
            return Ok((shortened(base, &alike.own, now), None));
        }
        let entry = self.whole(judged, stage, None, now)?;
        let base = Whole {
            sequence: 0,
            digest: Sha256::digest(&entry.payload).into(),
            whole: self.wholes,
            stage,
            outcome: judged.decision.outcome.clone(),
            class: judged.class.clone(),
        };
        let candidate = Candidate {
            index,
            kin: alike.kin,
            base,
        };
        Ok((entry, Some(candidate)))
    }

    /// A whole entry.
    pub(super) fn whole(
        &mut self,
        judged: &Judged,
        stage: Stage,
        denial: Option<&Denial>,
        now: Timestamp,
    ) -> Result<Entry, Fault> {
        self.wholes += 1;
        let payload = payload(judged, stage, denial)
            .map_err(|e| Fault::new(Blame::Gateway, "write down a decision", e))?;
        Ok(Entry {
            kind: EntryKind::Decision,
            at: now,
            payload: payload.into(),
        })
    }

    /// The run has been written: `last` is the sequence of the last of its `count` entries.
    pub(super) fn written(&mut self, candidates: Vec<Candidate>, last: Sequence, count: usize) {
        for candidate in candidates {
            let behind = count.saturating_sub(candidate.index + 1) as u64;
            let base = Whole {
                sequence: last.0.saturating_sub(behind),
                ..candidate.base
            };
            if self.known.len() >= limits::DECISION_BASES_MAX {
                let oldest = self
                    .wholes
                    .saturating_sub(limits::DECISION_BASES_MAX as u64 / 2);
                self.known.retain(|_, known| known.whole > oldest);
            }
            self.known.insert(candidate.kin, base);
        }
    }
}

/// What it rests on, and what is its own.
fn shortened(base: &Whole, own: &[u8], now: Timestamp) -> Entry {
    let mut payload = Vec::with_capacity(own.len() + 128);
    payload.extend_from_slice(b"{\"base\":{\"sequence\":");
    payload.extend_from_slice(base.sequence.to_string().as_bytes());
    payload.extend_from_slice(b",\"sha256\":\"");
    payload.extend_from_slice(hex(&base.digest).as_bytes());
    payload.extend_from_slice(b"\"},\"input\":");
    payload.extend_from_slice(own);
    payload.push(b'}');
    Entry {
        kind: EntryKind::Decision,
        at: now,
        payload: payload.into(),
    }
}

/// The members of a whole entry before its input.
#[derive(Serialize)]
struct Head<'a> {
    stage: Stage,
    verdict: &'a str,
    rule: &'a str,
    reasons: &'a [portcullis_model::Reason],
    obligations: &'a Obligations,
    revision: &'a str,
    class: &'a Class,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    would: &'a [portcullis_model::Reason],
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovedBy<'a>>,
}

#[derive(Serialize)]
struct ApprovedBy<'a> {
    id: &'a str,
    by: &'a [portcullis_model::Principal],
}

/// The decision with the whole input. The input is spliced in as evaluated.
fn payload(
    judged: &Judged,
    stage: Stage,
    denial: Option<&Denial>,
) -> Result<Vec<u8>, serde_json::Error> {
    let decision = &judged.decision;
    let (verdict, rule) = match (&decision.verdict, denial) {
        (_, Some(denial)) => ("deny", denial.rule.as_str()),
        (Verdict::Allow { rule }, None) => ("allow", rule.as_str()),
        (Verdict::Deny(denial), None) => ("deny", denial.rule.as_str()),
        (Verdict::Hold(_), None) if judged.approval.is_some() => ("allow", "approval"),
        (Verdict::Hold(_), None) => ("hold", ""),
    };
    let head = Head {
        stage,
        verdict,
        rule,
        reasons: &decision.reasons,
        obligations: &decision.obligations,
        revision: &decision.revision,
        class: &judged.class,
        would: &decision.would,
        approval: judged.approval.as_ref().map(|approved| ApprovedBy {
            id: &approved.id,
            by: &approved.by,
        }),
    };
    let mut payload = Vec::with_capacity(2048 + decision.input.len());
    serde_json::to_writer(&mut payload, &head)?;
    payload.pop();
    payload.extend_from_slice(b",\"input\":");
    match decision.input.is_empty() {
        true => payload.extend_from_slice(b"null"),
        false => payload.extend_from_slice(&decision.input),
    }
    payload.push(b'}');
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::{Facts, Likeness};

    const NOW: Timestamp = Timestamp(1);

    fn outcome(verdict: Verdict) -> Arc<Outcome> {
        Arc::new(Outcome {
            verdict,
            obligations: Obligations::none(),
            reasons: Vec::new(),
            would: Vec::new(),
            revision: "r1".to_owned(),
        })
    }

    fn allowed() -> Arc<Outcome> {
        outcome(Verdict::Allow {
            rule: "a/b".to_owned(),
        })
    }

    fn judged(outcome: &Arc<Outcome>, kin: u8, text: &str) -> Judged {
        let own = format!("{{\"command\":{{\"text\":\"{text}\"}}}}");
        Judged {
            facts: Arc::new(Facts {
                parse: Parse::Ok,
                statements: Vec::new(),
                secrets: Vec::new(),
            }),
            class: Arc::new(Class::nothing()),
            decision: Arc::new(Decision {
                outcome: outcome.clone(),
                input: Bytes::from_static(b"{\"command\":{\"text\":\"x\"}}"),
                likeness: Some(Likeness {
                    kin: [kin; 32],
                    own: own.into(),
                }),
            }),
            journal_form: Arc::from(text),
            approval: None,
        }
    }

    /// Writes one entry, as the last of a run of two, and says whether it is whole.
    fn write(wholes: &mut Wholes, judged: &Judged, at: u64) -> (bool, serde_json::Value) {
        let (entry, candidate) = wholes.entry(judged, Stage::Query, 0, NOW).unwrap();
        wholes.written(candidate.into_iter().collect(), Sequence(at + 1), 2);
        let json: serde_json::Value = serde_json::from_slice(&entry.payload).unwrap();
        (json.get("base").is_none(), json)
    }

    #[test]
    fn what_came_out_like_before_names_the_entry_it_rests_on() {
        let (mut wholes, outcome) = (Wholes::default(), allowed());
        let first = judged(&outcome, 1, "select 1");
        let (entry, _) = wholes.entry(&first, Stage::Query, 0, NOW).unwrap();
        let digest = hex(&Sha256::digest(&entry.payload));
        let mut wholes = Wholes::default();
        assert!(write(&mut wholes, &first, 7).0);
        let (whole, json) = write(&mut wholes, &judged(&outcome, 1, "select 2"), 9);
        assert!(!whole);
        assert_eq!(json["base"], json!({"sequence": 7, "sha256": digest}));
        assert_eq!(json["input"]["command"]["text"], "select 2");
    }

    #[test]
    fn what_differs_in_anything_else_is_whole() {
        let (mut wholes, outcome) = (Wholes::default(), allowed());
        assert!(write(&mut wholes, &judged(&outcome, 1, "a"), 1).0);
        assert!(
            write(&mut wholes, &judged(&outcome, 2, "a"), 3).0,
            "another input"
        );
        assert!(
            write(&mut wholes, &judged(&allowed(), 1, "a"), 5).0,
            "another outcome"
        );
        let mut other = judged(&outcome, 2, "a");
        other.class = Arc::new(Class::unknown("x"));
        assert!(write(&mut wholes, &other, 7).0, "another class");
        let mut approved = judged(&outcome, 2, "a");
        approved.approval = Some(Approved {
            id: "a-1".to_owned(),
            by: Vec::new(),
        });
        assert!(write(&mut wholes, &approved, 9).0, "approved");
        let hold = self::outcome(Verdict::Hold(Vec::new()));
        for at in [11, 13] {
            assert!(write(&mut wholes, &judged(&hold, 3, "a"), at).0, "held");
        }
    }

    #[test]
    fn nothing_rests_on_an_entry_that_is_too_far_back() {
        let (mut wholes, outcome) = (Wholes::default(), allowed());
        let first = judged(&outcome, 0, "a");
        assert!(write(&mut wholes, &first, 1).0);
        for _ in 1..limits::DECISION_BASES_MAX {
            let denial = Denial::new("a/b", "no");
            wholes
                .whole(&first, Stage::Query, Some(&denial), NOW)
                .unwrap();
        }
        assert!(
            !write(&mut wholes, &first, 300).0,
            "the last that a reader keeps"
        );
        wholes.whole(&first, Stage::Query, None, NOW).unwrap();
        assert!(write(&mut wholes, &first, 400).0, "one further back");
    }
}
