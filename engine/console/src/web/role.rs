//! Who may see what. Everybody sees what is their own; the rest belongs to roles, which policy gives by name. One table,
//! and every page and every call of the API asks it. It refuses what no row allows.

use crate::operations::Refused;
use std::fmt;

/// A role in the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// Sees all requests, and may vote where the policy's `approve` stage lets it.
    Approver = 1,
    /// Sees all records, decisions and events, and changes nothing.
    Auditor = 2,
    /// Sees what goes on and how the node is set up, and may end sessions. Not what was recorded.
    Operator = 4,
}

impl Role {
    /// All of them. A requester is whoever has none.
    pub const ALL: [Self; 3] = [Self::Approver, Self::Auditor, Self::Operator];

    /// Its name, as policy data has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// The role of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The roles of somebody. None is the requester: own sessions, own requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Nobody in particular.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub fn and(self, role: Role) -> Self {
        Self(self.0 | role as u8)
    }

    /// True when one of these is among them.
    #[must_use]
    pub fn any(self, wanted: Self) -> bool {
        self.0 & wanted.0 != 0
    }

    /// Their names; `requester` when there is none.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let held = Role::ALL.into_iter().filter(|r| self.any(Self(*r as u8)));
        let names: Vec<_> = held.map(Role::name).collect();
        match names.is_empty() {
            true => vec!["requester"],
            false => names,
        }
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::NONE, Self::and)
    }
}

/// Something that can be seen or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    /// Where one begins, and who one is.
    Home,
    /// Live sessions, and what they do right now.
    Live,
    /// The commands of a live session as they come.
    Watch,
    /// Ending a live session.
    Kill,
    /// Recorded sessions, by who, what and when.
    Sessions,
    /// What was recorded.
    Replay,
    /// Requests at the approval desk.
    Approvals,
    /// Voting on them.
    Vote,
    /// Asking for a connection in advance, and for more time.
    Access,
    /// Grants in force.
    Grants,
    /// Ending a grant early.
    EndGrant,
    /// Reviews of broken glass. Who closes which, the rule says that let it be broken.
    Reviews,
    /// Who stands in for whom.
    Delegations,
    /// What can be connected to, and how.
    Connections,
    /// The policy set that serves, and what packs on trial would have said.
    Policies,
    /// A decision, with all that it was made on.
    Explain,
    /// Plugins.
    Plugins,
    /// Events of the node, and security events of sessions.
    Events,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is one's own.
    Own,
    /// All of it.
    All,
}

impl Page {
    /// Everything there is.
    pub const ALL: [Self; 18] = [
        Self::Home,
        Self::Live,
        Self::Watch,
        Self::Kill,
        Self::Sessions,
        Self::Replay,
        Self::Approvals,
        Self::Vote,
        Self::Access,
        Self::Grants,
        Self::EndGrant,
        Self::Reviews,
        Self::Delegations,
        Self::Connections,
        Self::Policies,
        Self::Explain,
        Self::Plugins,
        Self::Events,
    ];

    /// Whether everybody has their own of it, and which roles have all of it.
    fn row(self) -> (bool, &'static [Role]) {
        use Role::{Approver, Auditor, Operator};
        match self {
            Self::Home | Self::Access => (true, &[]),
            Self::Live | Self::Watch | Self::Sessions => (true, &[Auditor, Operator]),
            Self::Kill => (false, &[Operator]),
            Self::Replay => (true, &[Auditor]),
            Self::Approvals | Self::Reviews | Self::Delegations => (true, &[Approver, Auditor]),
            Self::Grants => (true, &[Approver, Auditor, Operator]),
            Self::EndGrant => (true, &[Approver, Operator]),
            Self::Vote => (false, &[Approver]),
            Self::Connections | Self::Policies | Self::Plugins | Self::Events => {
                (false, &[Auditor, Operator])
            }
            Self::Explain => (false, &[Auditor]),
        }
    }

    /// How much of it these roles see.
    ///
    /// # Errors
    /// When none of it.
    pub fn scope(self, roles: Roles) -> Result<Scope, Refused> {
        let (own, all) = self.row();
        if roles.any(all.iter().copied().collect()) {
            return Ok(Scope::All);
        }
        if own {
            return Ok(Scope::Own);
        }
        let names: Vec<_> = all.iter().map(|r| r.name()).collect();
        let names = names.join(" or ");
        let refused = Refused::new(403, format!("this is for the {names} (console/role)"));
        Err(refused.hint(
            "whoever writes the policies gives roles: `console: { roles: … }` in their data, or a grant for the action `console`",
        ))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter for each of requester, approver, auditor, operator: `-` nothing, `o` own, `a` all.
    const TABLE: [(Page, &str); 18] = [
        (Page::Home, "oooo"),
        (Page::Live, "ooaa"),
        (Page::Watch, "ooaa"),
        (Page::Kill, "---a"),
        (Page::Sessions, "ooaa"),
        (Page::Replay, "ooao"),
        (Page::Approvals, "oaao"),
        (Page::Vote, "-a--"),
        (Page::Access, "oooo"),
        (Page::Grants, "oaaa"),
        (Page::EndGrant, "oaoa"),
        (Page::Reviews, "oaao"),
        (Page::Delegations, "oaao"),
        (Page::Connections, "--aa"),
        (Page::Policies, "--aa"),
        (Page::Explain, "--a-"),
        (Page::Plugins, "--aa"),
        (Page::Events, "--aa"),
    ];

    #[test]
    fn each_role_sees_of_each_page_what_the_table_says() {
        let everybody = [
            Roles::NONE,
            Roles::NONE.and(Role::Approver),
            Roles::NONE.and(Role::Auditor),
            Roles::NONE.and(Role::Operator),
        ];
        for (page, letters) in TABLE {
            for (roles, letter) in everybody.iter().zip(letters.chars()) {
                let scope = match page.scope(*roles) {
                    Ok(Scope::All) => 'a',
                    Ok(Scope::Own) => 'o',
                    Err(refused) => {
                        assert_eq!(refused.status, 403);
                        '-'
                    }
                };
                assert_eq!(scope, letter, "{page:?} for {roles}");
            }
        }
        let pages: Vec<_> = TABLE.iter().map(|(page, _)| *page).collect();
        assert_eq!(pages, Page::ALL, "every page stands in the table");
    }

    #[test]
    fn roles_have_names() {
        assert_eq!(Roles::NONE.to_string(), "requester");
        let both: Roles = [Role::Operator, Role::Auditor].into_iter().collect();
        assert_eq!(both.to_string(), "auditor, operator");
        assert_eq!(Role::named("root"), None);
    }
}
