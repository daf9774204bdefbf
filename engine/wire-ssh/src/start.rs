//! What a channel is asked for, collected from its requests: environment, terminal, and then the one thing it is for.
//! It refuses names and values of environment variables that are not on the list, and more of them than the bound.

use crate::back::{AGENT, X11};
use crate::words;
use bytes::Bytes;
use portcullis_model::Control;
use portcullis_model::limits::{
    SSH_ENV_BYTES_MAX, SSH_ENV_MAX, SSH_X11_COOKIE_BYTES_MAX, TICKET_BYTES_MAX,
};
use russh::Pty;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// The size of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub columns: u32,
    pub rows: u32,
    pub width: u32,
    pub height: u32,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    pub term: String,
    pub size: Size,
    pub modes: Vec<(Pty, u32)>,
}

/// A display of the client's (RFC 4254 section 6.3.1).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Display {
    pub single: bool,
    pub protocol: String,
    /// Whoever has it may use the display. It is for the host alone.
    pub cookie: Zeroizing<String>,
    pub screen: u32,
}

impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Display")
            .field("protocol", &self.protocol)
            .field("screen", &self.screen)
            .finish_non_exhaustive()
    }
}

impl Display {
    /// `None` when it is not what an X server takes.
    pub(crate) fn new(single: bool, protocol: &str, cookie: &str, screen: u32) -> Option<Self> {
        let named = !protocol.is_empty()
            && protocol.len() <= 64
            && protocol
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let hex = !cookie.is_empty()
            && cookie.len() <= SSH_X11_COOKIE_BYTES_MAX
            && cookie.bytes().all(|b| b.is_ascii_hexdigit());
        (named && hex && screen <= SCREEN_MAX).then(|| Self {
            single,
            protocol: protocol.to_owned(),
            cookie: Zeroizing::new(cookie.to_owned()),
            screen,
        })
    }
}

/// X11 has a byte for it (X Window System Protocol, `XOpenDisplay`'s screens are few).
const SCREEN_MAX: u32 = 255;

/// The one thing a channel is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Exec(Bytes),
    Shell,
    Subsystem(String),
}

/// A channel that is ready to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub wish: Wish,
    pub terminal: Option<Terminal>,
    pub environment: BTreeMap<String, String>,
    /// The ticket that the client says it belongs to. It is for the gateway, and never reaches the host.
    pub ticket: Option<String>,
    /// The client's agent is to be used from the host.
    pub agent: bool,
    /// And its display.
    pub display: Option<Display>,
}

/// A channel that is being prepared.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub terminal: Option<Terminal>,
    pub agent: bool,
    pub display: Option<Display>,
    environment: BTreeMap<String, String>,
    ticket: Option<String>,
    started: bool,
}

impl Terminal {
    /// A terminal whose keys mean what the level `assist` takes them for: one that turns another key into Enter, or does not
    /// heed Ctrl-C, would run lines behind its back. Such modes are left at what the host has.
    pub(crate) fn new(term: &str, size: Size, modes: &[(Pty, u32)]) -> Self {
        Self {
            term: term.to_owned(),
            size,
            modes: modes.iter().copied().filter(plain).collect(),
        }
    }
}

/// RFC 4254 section 8; 255 is "no key".
fn plain((mode, value): &(Pty, u32)) -> bool {
    match mode {
        Pty::ISTRIP | Pty::IGNCR | Pty::INLCR | Pty::IUCLC | Pty::NOFLSH => *value == 0,
        Pty::VEOL | Pty::VEOL2 => *value == 255,
        Pty::VINTR => *value == 3,
        Pty::VEOF => *value == 4,
        Pty::ISIG => *value == 1,
        _ => true,
    }
}

impl Draft {
    /// Takes a variable, if it is on the list.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> bool {
        let bytes: usize = self
            .environment
            .iter()
            .map(|(n, v)| n.len() + v.len())
            .sum();
        let fits = self.environment.len() < SSH_ENV_MAX
            && bytes + name.len() + value.len() <= SSH_ENV_BYTES_MAX
            && !value.chars().any(char::is_control);
        if name == TICKET_VARIABLE {
            let names = !value.trim().is_empty() && value.len() <= TICKET_BYTES_MAX;
            let takes = names && !value.chars().any(char::is_control) && !self.started;
            if takes {
                self.ticket = Some(value.to_owned());
            }
            return takes;
        }
        let takes = listed(name) && fits && !self.started;
        if takes {
            self.environment.insert(name.to_owned(), value.to_owned());
        }
        takes
    }

    /// The channel begins: once.
    pub(crate) fn start(&mut self, wish: Wish) -> Option<Start> {
        if std::mem::replace(&mut self.started, true) {
            return None;
        }
        Some(Start {
            wish,
            terminal: self.terminal.take(),
            environment: std::mem::take(&mut self.environment),
            ticket: self.ticket.take(),
            agent: self.agent,
            display: self.display.take(),
        })
    }

    /// True once it has begun.
    pub(crate) fn started(&self) -> bool {
        self.started
    }
}

/// How a client names its ticket: `SendEnv PORTCULLIS_TICKET`.
const TICKET_VARIABLE: &str = "PORTCULLIS_TICKET";

/// What sshd of Debian accepts, and what only changes how text looks: nothing here runs or loads anything.
fn listed(name: &str) -> bool {
    matches!(name, "LANG" | "LANGUAGE" | "COLORTERM" | "NO_COLOR" | "TZ")
        || (name.starts_with("LC_") && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
}

impl Start {
    /// The word for it.
    pub(crate) fn verb(&self) -> &'static str {
        match self.wish {
            Wish::Exec(_) => "exec",
            Wish::Shell => "shell",
            Wish::Subsystem(_) => "subsystem",
        }
    }

    /// The name of what passes unread in it: files, in a protocol of their own.
    pub(crate) fn unread(&self) -> Option<&'static str> {
        match &self.wish {
            Wish::Exec(command) => std::str::from_utf8(command).ok().and_then(words::carried),
            Wish::Subsystem(_) => Some("sftp"),
            Wish::Shell => None,
        }
    }

    /// On the level that approves words, exactly what a host may run for this: the words, or its own SFTP server, which sshd
    /// has under that name (sshd_config(5), `ForceCommand`). Nothing else gets a login there.
    pub(crate) fn forced(&self, control: Control) -> Option<String> {
        if control != Control::Argv {
            return None;
        }
        match &self.wish {
            Wish::Exec(command) => {
                let text = std::str::from_utf8(command).ok()?;
                Some(words::rebuilt(&words::words(text)?))
            }
            Wish::Subsystem(name) if name == "sftp" => Some("internal-sftp".to_owned()),
            Wish::Subsystem(_) | Wish::Shell => None,
        }
    }

    /// For the record.
    pub(crate) fn told(&self) -> Value {
        let terminal = self
            .terminal
            .as_ref()
            .map(|t| json!({"term": t.term, "columns": t.size.columns, "rows": t.size.rows}));
        let mut told =
            json!({"ssh": self.verb(), "terminal": terminal, "environment": self.environment});
        self.add_back(&mut told);
        told
    }

    /// Everything besides its words that decides what it does.
    pub(crate) fn bound(&self) -> Bytes {
        let mut bound = json!({
            "environment": self.environment,
            "terminal": self.terminal.as_ref().map(|t| t.term.as_str()),
        });
        self.add_back(&mut bound);
        Bytes::from(bound.to_string())
    }

    /// What is to lead back, where anything is.
    fn add_back(&self, to: &mut Value) {
        let asked = [(AGENT, self.agent), (X11, self.display.is_some())];
        if let Some(fields) = to.as_object_mut() {
            for (name, _) in asked.iter().filter(|(_, asked)| *asked) {
                fields.insert((*name).to_owned(), Value::Bool(true));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_how_text_looks_is_taken() {
        let mut draft = Draft::default();
        for name in ["LANG", "LC_ALL", "LC_CTYPE", "TZ"] {
            assert!(draft.set(name, "C"), "{name}");
        }
        for name in [
            "LD_PRELOAD",
            "BASH_ENV",
            "PATH",
            "LC_x",
            "ENV",
            "GIT_SSH_COMMAND",
            "",
        ] {
            assert!(!draft.set(name, "x"), "{name}");
        }
        assert!(!draft.set("LANG", "a\nb"));
        let taken = (0..10_000).filter(|n| draft.set(&format!("LC_{}", "A".repeat(n % 60)), "v"));
        assert!(taken.count() > 0);
        assert!(draft.environment.len() <= SSH_ENV_MAX);
    }

    #[test]
    fn a_ticket_is_for_the_gateway_and_never_reaches_the_host() {
        let mut draft = Draft::default();
        for bad in ["", "  ", "OPS\n1", &"x".repeat(TICKET_BYTES_MAX + 1)] {
            assert!(!draft.set(TICKET_VARIABLE, bad), "{bad}");
        }
        assert!(draft.set(TICKET_VARIABLE, "OPS-12"));
        let start = draft.start(Wish::Shell).unwrap();
        assert_eq!(start.ticket.as_deref(), Some("OPS-12"));
        assert!(start.environment.is_empty());
    }

    #[test]
    fn a_terminal_has_no_other_enter_and_heeds_ctrl_c() {
        let usual = [
            (Pty::VINTR, 3),
            (Pty::VEOF, 4),
            (Pty::VEOL, 255),
            (Pty::VEOL2, 255),
            (Pty::ISTRIP, 0),
            (Pty::INLCR, 0),
            (Pty::IGNCR, 0),
            (Pty::ICRNL, 1),
            (Pty::ISIG, 1),
            (Pty::ECHO, 0),
        ];
        let modes = |given: &[(Pty, u32)]| Terminal::new("xterm", Size::default(), given).modes;
        assert_eq!(modes(&usual), usual);
        let odd = [
            (Pty::VINTR, 255),
            (Pty::VEOF, 120),
            (Pty::VEOL, 120),
            (Pty::VEOL2, 120),
            (Pty::ISTRIP, 1),
            (Pty::INLCR, 1),
            (Pty::IGNCR, 1),
            (Pty::IUCLC, 1),
            (Pty::NOFLSH, 1),
            (Pty::ISIG, 0),
        ];
        for mode in odd {
            assert_eq!(modes(&[mode]), [], "{mode:?}");
        }
    }

    #[test]
    fn a_host_is_made_to_run_what_was_approved_and_nothing_else() {
        let start = |wish| Draft::default().start(wish).unwrap();
        let run = |text: &'static [u8]| start(Wish::Exec(Bytes::from_static(text)));
        let forced = |start: &Start| start.forced(Control::Argv);
        assert_eq!(forced(&run(b"ls   -l /srv")).as_deref(), Some("ls -l /srv"));
        assert_eq!(forced(&run(b"ls; id")), None);
        assert_eq!(forced(&start(Wish::Shell)), None);
        let sftp = start(Wish::Subsystem("sftp".to_owned()));
        assert_eq!(forced(&sftp).as_deref(), Some("internal-sftp"));
        assert_eq!(run(b"ls").forced(Control::ExecOnly), None);
    }

    #[test]
    fn a_display_is_named_plainly_and_its_cookie_stays_with_it() {
        let cookie = "0123456789abcdef0123456789abcdef";
        let display = Display::new(false, "MIT-MAGIC-COOKIE-1", cookie, 0).unwrap();
        assert!(!format!("{display:?}").contains(cookie));
        let long = "a".repeat(SSH_X11_COOKIE_BYTES_MAX + 1);
        for (protocol, cookie, screen) in [
            ("", cookie, 0),
            ("MIT MAGIC", cookie, 0),
            ("MIT\n", cookie, 0),
            ("MIT-MAGIC-COOKIE-1", "", 0),
            ("MIT-MAGIC-COOKIE-1", "0g", 0),
            ("MIT-MAGIC-COOKIE-1", "00;id", 0),
            ("MIT-MAGIC-COOKIE-1", long.as_str(), 0),
            ("MIT-MAGIC-COOKIE-1", cookie, 256),
        ] {
            assert!(Display::new(false, protocol, cookie, screen).is_none());
        }
        let plain = Draft::default().start(Wish::Shell).unwrap();
        let mut draft = Draft {
            agent: true,
            display: Some(display),
            ..Draft::default()
        };
        let start = draft.start(Wish::Shell).unwrap();
        assert_ne!(
            plain.bound(),
            start.bound(),
            "an approval is for one of them"
        );
        let told = start.told().to_string();
        assert!(told.contains("\"agent\":true") && told.contains("\"x11\":true"));
        assert!(!told.contains(cookie) && !plain.told().to_string().contains("x11"));
    }

    #[test]
    fn a_channel_starts_once() {
        let mut draft = Draft::default();
        assert!(draft.start(Wish::Shell).is_some());
        assert!(draft.start(Wish::Exec(Bytes::from_static(b"id"))).is_none());
        assert!(draft.started() && !draft.set("LANG", "C"));
    }
}
