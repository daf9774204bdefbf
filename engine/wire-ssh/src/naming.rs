//! The user name of an SSH client, which also names the target: `login@target`, `login:target`, `login#target`,
//! `login%target`. Pure. It refuses to take a name apart in two ways: the separators have a fixed order.

use portcullis_model::limits;

/// Who somebody wants to be, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The login there: a wish, which policy sees.
    pub login: String,
    /// The target's name.
    pub target: Option<String>,
}

/// The separators, least likely in a name first. An e-mail address as login keeps its own `@`: the last one counts.
const SEPARATORS: [char; 4] = ['#', '%', ':', '@'];

/// True of what may be a name: it can be shown and compared as it stands.
pub(crate) fn sound(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= limits::SSH_NAME_BYTES_MAX
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// True of what may be the name or address of a host: letters that look like others are none.
pub(crate) fn is_host(text: &str) -> bool {
    sound(text) && text.chars().all(|c| c.is_ascii_graphic())
}

impl Wanted {
    /// Takes a user name apart; `None` when it is no name.
    pub(crate) fn read(user: &str) -> Option<Self> {
        let cut = SEPARATORS.iter().find_map(|s| user.rsplit_once(*s));
        match cut {
            Some((login, target)) if sound(login) && sound(target) => Some(Self {
                login: login.to_owned(),
                target: Some(target.to_owned()),
            }),
            None if sound(user) => Some(Self {
                login: user.to_owned(),
                target: None,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_in_ascii() {
        for host in ["db-1.example", "10.0.0.7", "::1", "xn--bcher-kva.example"] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "",
            "a b",
            "a\0",
            "a\nb",
            "b\u{fc}cher",
            "a\u{200b}b",
            &"x".repeat(300),
        ] {
            assert!(!is_host(host), "{host:?}");
        }
    }

    #[test]
    fn every_way_to_name_a_target_is_read() {
        for (user, login, target) in [
            ("deploy@web-1", "deploy", Some("web-1")),
            ("deploy:web-1", "deploy", Some("web-1")),
            ("deploy#web-1", "deploy", Some("web-1")),
            ("deploy%web-1", "deploy", Some("web-1")),
            ("ana@corp.example@web-1", "ana@corp.example", Some("web-1")),
            ("ana@corp.example#web-1", "ana@corp.example", Some("web-1")),
            ("ana", "ana", None),
        ] {
            let wanted = Wanted::read(user).unwrap();
            assert_eq!((&*wanted.login, wanted.target.as_deref()), (login, target));
        }
        let long = "x".repeat(300);
        for bad in ["", "@", "@web-1", "ana@", "a b@web", "a\n@web", &long] {
            assert_eq!(Wanted::read(bad), None, "{bad:?}");
        }
    }
}
