//! What all packs say becomes one answer, here and not in Rego, so that no pack can override it:
//! deny beats approval beats allow; a grant is always needed; who says nothing says no; the strictest
//! obligation wins. A pack that could not answer is a denial. A pack on trial changes nothing.

use crate::failure::Failure;
use crate::input::Action;
pub use crate::said::ROLES;
use crate::said::{Approval, Grant, GrantFor, Mask, Masked, Mode, Obligation, Said, Tests};
use portcullis_model::{
    Budget, ColumnRule, Counted, Denial, DocumentRule, EntityRule, JsonPath, Obligations, Per,
    Predicates, Reason, Replication, Requirement, Strategy, Verdict, limits,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What one pack said, or why it could not.
pub(crate) struct Heard {
    pub pack: Arc<str>,
    pub dry_run: bool,
    pub said: Result<Arc<Said>, Failure>,
}

/// The answer.
pub(crate) struct Merged {
    pub verdict: Verdict,
    pub obligations: Obligations,
    pub reasons: Vec<Reason>,
    pub would: Vec<Reason>,
}

/// The roles of somebody in the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Their names, each once.
    pub roles: BTreeSet<String>,
    /// Revision of the set that gave them.
    pub revision: Arc<str>,
    /// Which rule gave what, or why there is none.
    pub reasons: Vec<Reason>,
}

/// The roles that packs give, where the verdict is yes: a denial by any of them, or one that cannot answer, leaves none.
pub(crate) fn roles(heard: &[Heard], revision: Arc<str>) -> Roles {
    let merged = merge(Action::Console, heard);
    let serving = heard.iter().filter(|pack| !pack.dry_run);
    let said = serving.filter_map(|pack| pack.said.as_ref().ok());
    let grants = said.flat_map(|said| &said.grants);
    let given = grants.filter_map(|grant| grant.role.clone());
    Roles {
        roles: match merged.verdict {
            Verdict::Allow { .. } => given.collect(),
            Verdict::Deny(_) | Verdict::Hold(_) => BTreeSet::new(),
        },
        revision,
        reasons: merged.reasons,
    }
}

/// Merges.
pub(crate) fn merge(action: Action, heard: &[Heard]) -> Merged {
    let mut merge = Merge {
        action,
        grants: Vec::new(),
        denials: Vec::new(),
        requirements: Vec::new(),
        obliged: Obliged::nothing(),
        reasons: Vec::new(),
        would: Vec::new(),
    };
    for pack in heard {
        match pack.dry_run {
            true => merge.trial(pack),
            false => merge.pack(pack),
        }
    }
    merge.answer()
}

struct Merge {
    action: Action,
    grants: Vec<String>,
    denials: Vec<Denial>,
    requirements: Vec<Requirement>,
    obliged: Obliged,
    reasons: Vec<Reason>,
    would: Vec<Reason>,
}

impl Merge {
    fn pack(&mut self, heard: &Heard) {
        let said = match &heard.said {
            Ok(said) => said,
            Err(failure) => return self.fail(&heard.pack, failure),
        };
        let action = self.action;
        for grant in said.grants.iter().filter(|g| counts(action, g)) {
            self.grants.push(grant.rule.clone());
            let msg = match &grant.role {
                Some(role) if grant.msg.is_empty() => format!("gives the role {role}"),
                _ => grant.msg.clone(),
            };
            self.reasons
                .push(reason(&heard.pack, &grant.rule, &msg, None));
        }
        for deny in &said.denials {
            let told = reason(&heard.pack, &deny.rule, &deny.msg, deny.hint.as_deref());
            self.denials.push(Denial {
                rule: told.rule.clone(),
                reason: told.msg.clone(),
                hint: told.hint.clone(),
                approval: None,
                retry_after: deny.retry_after,
            });
            self.reasons.push(told);
        }
        for approval in &said.approvals {
            let told = reason(
                &heard.pack,
                &approval.rule,
                &approval.msg,
                approval.hint.as_deref(),
            );
            let requirement = requirement(approval, told.msg.clone());
            self.reasons.push(told);
            if !self.requirements.contains(&requirement) {
                self.requirements.push(requirement);
            }
        }
        for obligation in &said.obligations {
            if let Err(failure) = self.obliged.add(obligation) {
                self.fail(&heard.pack, &failure);
            }
        }
    }

    fn fail(&mut self, pack: &str, failure: &Failure) {
        self.denials.insert(0, broken(pack, failure));
        self.reasons
            .push(reason(pack, failure.rule(), &failure.to_string(), None));
    }

    /// What a pack on trial would have said, for the record alone.
    fn trial(&mut self, heard: &Heard) {
        match &heard.said {
            Err(failure) => self.would.push(reason(
                &heard.pack,
                failure.rule(),
                &failure.to_string(),
                None,
            )),
            Ok(said) => {
                for deny in &said.denials {
                    let hint = deny.hint.as_deref();
                    self.would
                        .push(reason(&heard.pack, &deny.rule, &deny.msg, hint));
                }
                for approval in &said.approvals {
                    let hint = approval.hint.as_deref();
                    self.would
                        .push(reason(&heard.pack, &approval.rule, &approval.msg, hint));
                }
            }
        }
    }

    fn answer(mut self) -> Merged {
        let holdable = matches!(self.action, Action::Connect | Action::Command);
        if !self.requirements.is_empty() && !holdable {
            self.fail("portcullis", &Failure::shape("approval"));
        }
        let verdict = if !self.denials.is_empty() {
            Verdict::Deny(self.denials.swap_remove(0))
        } else if self.grants.is_empty() {
            let denial = self.nothing_said();
            self.reasons
                .push(reason("portcullis", &denial.rule, &denial.reason, None));
            Verdict::Deny(denial)
        } else if !self.requirements.is_empty() {
            Verdict::Hold(self.requirements)
        } else {
            Verdict::Allow {
                rule: self.grants.swap_remove(0),
            }
        };
        Merged {
            verdict,
            obligations: self.obliged.finish(),
            reasons: self.reasons,
            would: self.would,
        }
    }

    fn nothing_said(&self) -> Denial {
        let (what, hint) = match self.action {
            Action::Connect => (
                "no policy grants this identity access to this connection",
                "Ask whoever keeps the access bindings to add one of your groups, or check the connection's name.",
            ),
            Action::Command | Action::Response => (
                "no policy grants this",
                "The grant that opened the session may have been withdrawn: reconnect, or ask the operator.",
            ),
            Action::Approve => (
                "no policy lets you vote on this",
                "Voters are people in one of the groups that the approval names.",
            ),
            Action::Console => (
                "no policy gives this identity a role in the console",
                "Everybody sees what is their own. Roles come from the data, `console: { roles: … }`, or from grants for the action `console`.",
            ),
        };
        Denial::new("default/deny", what).hint(hint)
    }
}

/// A grant counts for its own stage; a grant that names none never makes a vote eligible, nor gives a role.
fn counts(action: Action, grant: &Grant) -> bool {
    match grant.action {
        None => !matches!(action, Action::Approve | Action::Console),
        Some(GrantFor::Connect) => action == Action::Connect,
        Some(GrantFor::Command) => action == Action::Command,
        Some(GrantFor::Response) => action == Action::Response,
        Some(GrantFor::Approve) => action == Action::Approve,
        Some(GrantFor::Console) => action == Action::Console,
    }
}

/// The text goes to whoever is at the keyboard: it says which pack and which rule, nothing of the inside.
fn broken(pack: &str, failure: &Failure) -> Denial {
    Denial::new(
        failure.rule(),
        format!("the policy could not be evaluated (pack {pack}), so the answer is no"),
    )
    .hint("Nothing was run. Give the session and this rule to the operator.")
}

fn reason(pack: &str, rule: &str, msg: &str, hint: Option<&str>) -> Reason {
    Reason {
        pack: pack.to_owned(),
        rule: rule.to_owned(),
        msg: sentence(msg),
        hint: hint.map(bounded),
    }
}

fn sentence(text: &str) -> String {
    bounded(text.trim().trim_end_matches('.'))
}

fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(limits::POLICY_MSG_BYTES_MAX);
    text.get(..end).unwrap_or_default().to_owned()
}

fn requirement(approval: &Approval, msg: String) -> Requirement {
    Requirement {
        rule: approval.rule.clone(),
        msg,
        approver_groups: approval.approver_groups.clone(),
        approvers: approval.approvers,
        ttl: Duration::from_secs(approval.ttl_seconds),
        execution_ttl: Duration::from_secs(approval.execution_ttl_seconds),
        defer: approval.mode == Mode::Defer,
        in_transaction: approval.in_transaction,
        ticket: approval.ticket,
        terms: approval.terms(),
    }
}

/// Schema, table and column.
type Place = (String, String, String);

/// Obligations as they come in; `finish` fills in what nobody said.
struct Obliged {
    entities: BTreeMap<String, Strategy>,
    columns: BTreeMap<Place, (Strategy, String, Tests)>,
    documents: BTreeMap<(Place, JsonPath), (Strategy, String, Tests)>,
    role: Option<String>,
    record: Option<portcullis_model::RecordLevel>,
    budgets: BTreeMap<(Per, Counted), u64>,
    function_call: Option<bool>,
    replication: Option<bool>,
    opaque: Option<bool>,
    unread: BTreeMap<String, bool>,
    rest: Obligations,
}

impl Obliged {
    fn nothing() -> Self {
        Self {
            entities: BTreeMap::new(),
            columns: BTreeMap::new(),
            documents: BTreeMap::new(),
            role: None,
            record: None,
            budgets: BTreeMap::new(),
            function_call: None,
            replication: None,
            opaque: None,
            unread: BTreeMap::new(),
            rest: Obligations::none(),
        }
    }

    fn add(&mut self, obligation: &Obligation) -> Result<(), Failure> {
        let rest = &mut self.rest;
        match obligation {
            Obligation::Mask(mask) => self.mask(mask),
            Obligation::Record(level) => self.record = self.record.max(Some(*level)),
            Obligation::RowLimit(rows) => rest.row_limit = least(rest.row_limit, *rows),
            Obligation::ByteLimit(bytes) => rest.byte_limit = least(rest.byte_limit, *bytes),
            Obligation::Budget(budget) => {
                let max = self
                    .budgets
                    .entry((budget.per, budget.what))
                    .or_insert(budget.max);
                *max = budget.max.min(*max);
            }
            Obligation::ReadOnly => rest.read_only = true,
            Obligation::SessionMax(time) => rest.session_max = least(rest.session_max, *time),
            // A permission holds when somebody gives it and nobody refuses it.
            Obligation::FunctionCall(allow) => {
                self.function_call = least(self.function_call, *allow);
            }
            Obligation::Replication(allow, opaque) => {
                self.replication = least(self.replication, *allow);
                if let Some(opaque) = opaque {
                    self.opaque = least(self.opaque, *opaque);
                }
            }
            Obligation::Control(level) => rest.control = rest.control.max(Some(*level)),
            Obligation::Opaque(streams, allow) => {
                for stream in streams {
                    let known = self.unread.entry(stream.clone()).or_insert(*allow);
                    *known = *allow && *known;
                }
            }
            Obligation::Filter(filter) => {
                rest.filters.insert(filter.clone());
            }
            Obligation::Label(label) => {
                rest.labels.insert(bounded(label));
            }
            Obligation::Credential(role) => match &self.role {
                Some(other) if other != role => return Err(Failure::conflict()),
                _ => self.role = Some(role.clone()),
            },
        }
        Ok(())
    }

    fn mask(&mut self, mask: &Mask) {
        match &mask.what {
            Masked::Entities(names) => {
                for name in names {
                    let strategy = self.entities.entry(name.clone()).or_insert(mask.method);
                    *strategy = strategy.stricter(mask.method);
                }
            }
            Masked::Column(column) => {
                let key = (
                    column.schema.clone(),
                    column.table.clone(),
                    column.column.clone(),
                );
                let fresh = (mask.method, column.tag.clone(), mask.tests.clone());
                let (strategy, _, tests) = match &column.path {
                    None => self.columns.entry(key).or_insert(fresh),
                    Some(path) => self.documents.entry((key, path.clone())).or_insert(fresh),
                };
                *strategy = strategy.stricter(mask.method);
                tests.join(&mask.tests);
            }
        }
    }

    /// A rule for a part of a column has one for all of it at its side, for wherever the parts cannot be told
    /// apart; where all of it is masked anyway, nothing more is said.
    fn parts(&mut self) -> BTreeSet<DocumentRule> {
        let whole: BTreeSet<Place> = self.columns.keys().cloned().collect();
        let mut rules = BTreeSet::new();
        for ((place, path), (strategy, tag, tests)) in std::mem::take(&mut self.documents) {
            if whole.contains(&place) {
                continue;
            }
            let beside = (strategy, tag.clone(), tests.clone());
            let (known, _, tested) = self.columns.entry(place.clone()).or_insert(beside);
            *known = known.stricter(strategy);
            tested.join(&tests);
            let (schema, table, column) = place;
            rules.insert(DocumentRule {
                schema,
                table,
                column,
                path,
                strategy,
                tag,
            });
        }
        rules
    }

    fn finish(mut self) -> Obligations {
        let documents = self.parts();
        // What is asked for all entities holds for each that is also named.
        let all = self.entities.get("*").copied();
        let entities = self
            .entities
            .into_iter()
            .map(|(entity, strategy)| EntityRule {
                entity,
                strategy: all.map_or(strategy, |all| strategy.stricter(all)),
            });
        let columns =
            self.columns
                .into_iter()
                .map(
                    |((schema, table, column), (strategy, tag, tests))| ColumnRule {
                        schema,
                        table,
                        column,
                        strategy,
                        tag,
                        predicates: tests.predicates,
                        approver_groups: tests.approver_groups,
                    },
                );
        let budgets = self.budgets.into_iter();
        let budgets = budgets.map(|((per, what), max)| Budget { per, what, max });
        Obligations {
            budgets: budgets.collect(),
            entities: entities.collect(),
            columns: columns.collect(),
            documents,
            role: self.role,
            record: self.record.unwrap_or(self.rest.record),
            allow_function_call: self.function_call == Some(true),
            opaque: self
                .unread
                .into_iter()
                .filter_map(|(stream, allow)| allow.then_some(stream))
                .collect(),
            replication: match (self.replication, self.opaque) {
                (Some(true), Some(true)) => Replication::Opaque,
                (Some(true), _) => Replication::Unmasked,
                _ => Replication::Refused,
            },
            ..self.rest
        }
    }
}

impl Tests {
    /// The strictest of both. Two that would ask different people cannot both be met by one approval.
    fn join(&mut self, other: &Self) {
        let mut groups = other.approver_groups.clone();
        groups.sort();
        self.approver_groups.sort();
        let differ = groups != self.approver_groups;
        match (self.predicates, other.predicates) {
            (Predicates::Approve, Predicates::Approve) if differ => {
                *self = Self::default();
            }
            (mine, theirs) if theirs > mine => {
                *self = Self {
                    predicates: theirs,
                    approver_groups: groups,
                };
            }
            _ => {}
        }
    }
}

fn least<T: Ord>(known: Option<T>, new: T) -> Option<T> {
    Some(match known {
        Some(known) => known.min(new),
        None => new,
    })
}
