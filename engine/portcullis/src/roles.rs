//! Roles in the console, from the policies' data:
//!
//! ```yaml
//! console:
//!   roles:
//!     auditor: {groups: [audit]}
//!     operator: {groups: [sre], issuers: [https://idp.example.com]}
//! ```
//!
//! They come with the policy set: signed, tested, reloaded and named by its revision like everything in it. Refuses roles
//! and fields that do not exist, roles for whoever acts for somebody, and for machines unless `kinds` names them.

use portcullis_console::web::role::{Role, Roles};
use portcullis_model::{Identity, Kind};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Who has which role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(Vec<(Role, Given)>);

/// To whom a role is given. All that is said has to fit, and a group has to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    groups: Vec<String>,
    #[serde(default)]
    issuers: Option<Vec<String>>,
    #[serde(default = "people")]
    kinds: Vec<Kind>,
}

fn people() -> Vec<Kind> {
    vec![Kind::Human]
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    roles: BTreeMap<String, Given>,
}

impl Table {
    /// Reads the data of a policy set. Nothing said is nobody.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn read(data: &Value) -> Result<Self, String> {
        let Some(written) = data.get("console") else {
            return Ok(Self::default());
        };
        let written: Written = Written::deserialize(written).map_err(|error| {
            format!("the policies' data: `console`: {error}; write `console: {{ roles: {{ auditor: {{ groups: [audit] }} }} }}`")
        })?;
        let one = |(name, given): (String, Given)| match Role::named(&name) {
            Some(role) => Ok((role, given)),
            None => Err(format!(
                "the policies' data: `console.roles`: there is no role `{name}`; there are approver, auditor and operator"
            )),
        };
        written
            .roles
            .into_iter()
            .map(one)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The roles of somebody.
    #[must_use]
    pub fn of(&self, who: &Identity) -> Roles {
        if !who.actors.is_empty() {
            return Roles::NONE;
        }
        let fits = |given: &Given| {
            let issuer = given.issuers.as_ref();
            given.kinds.contains(&who.kind)
                && issuer.is_none_or(|all| all.contains(&who.principal.issuer))
                && who.groups.iter().any(|group| given.groups.contains(group))
        };
        let held = self.0.iter().filter(|(_, given)| fits(given));
        held.map(|(role, _)| *role).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_desk::tests::identity;
    use portcullis_model::Principal;
    use serde_json::json;

    fn somebody(groups: &[&str]) -> Identity {
        Identity {
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            kind: Kind::Human,
            actors: Vec::new(),
            ..identity("ana")
        }
    }

    #[test]
    fn data_gives_roles_and_nothing_said_gives_none() {
        let data = json!({"console": {"roles": {
            "auditor": {"groups": ["audit", "risk"]},
            "operator": {"groups": ["sre"], "issuers": ["https://other.example"]},
            "approver": {"groups": ["dba"], "kinds": ["human", "service"]},
        }}});
        let table = Table::read(&data).expect("reads");
        let roles = |who: &Identity| table.of(who).to_string();
        assert_eq!(roles(&somebody(&["risk", "dba"])), "approver, auditor");
        assert_eq!(roles(&somebody(&["engineers"])), "requester");
        assert_eq!(roles(&somebody(&["sre"])), "requester", "of another issuer");
        let mut other = somebody(&["sre"]);
        other.principal.issuer = "https://other.example".to_owned();
        assert_eq!(roles(&other), "operator");
        let machine = |groups: &[&str]| Identity {
            kind: Kind::Service,
            ..somebody(groups)
        };
        assert_eq!(roles(&machine(&["audit"])), "requester");
        assert_eq!(roles(&machine(&["dba"])), "approver");
        let acting = Identity {
            actors: vec![Principal {
                issuer: "https://idp.example".to_owned(),
                subject: "bot".to_owned(),
            }],
            ..somebody(&["audit"])
        };
        assert_eq!(roles(&acting), "requester", "an agent is not its person");
        assert_eq!(Table::read(&json!({})), Ok(Table::default()));
    }

    #[test]
    fn what_is_misspelt_is_said() {
        for (data, says) in [
            (
                json!({"console": {"roles": {"root": {"groups": ["a"]}}}}),
                "root",
            ),
            (json!({"console": {"rolles": {}}}), "rolles"),
            (
                json!({"console": {"roles": {"auditor": {"group": ["a"]}}}}),
                "group",
            ),
            (json!({"console": {"roles": {"auditor": {}}}}), "groups"),
            (json!({"console": 1}), "console"),
        ] {
            let error = Table::read(&data).expect_err("is wrong");
            assert!(
                error.contains(says) && error.contains("write") || error.contains("there are"),
                "{error}"
            );
        }
    }
}
