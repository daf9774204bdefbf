//! Commands that move files over `exec` in a protocol of their own: `scp` as it was before SFTP, rsync, git, and an
//! SFTP server that is started by its path. Policy grants each by name; what their bodies carry is opaque.
//!
//! It refuses to guess: a command is recognised only when every word of it is understood and harmless by itself.
//! Whatever else it may be, it is an ordinary command, to be classified as one.

mod words;

#[cfg(feature = "transport")]
pub(crate) use words::words as split;
use words::{Word, words};

/// What the command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `git-upload-pack`, `git-receive-pack`, `git-upload-archive`.
    Git,
    /// `rsync --server`.
    Rsync,
    /// `scp -t` or `scp -f`.
    Scp,
    /// An SFTP server by its path: its packets are read as those of the subsystem.
    Sftp,
}

impl Tool {
    /// The verb that policy grants.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Rsync => "rsync",
            Self::Scp => "scp",
            Self::Sftp => "sftp",
        }
    }
}

/// Which way the files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the host to the client.
    Down,
    /// From the client to the host.
    Up,
    /// Either, as the protocol says later.
    Both,
}

/// A command that moves files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// With what.
    pub tool: Tool,
    /// Which way.
    pub way: Way,
    /// The paths on the host, as bytes; empty for an SFTP server.
    pub paths: Vec<Vec<u8>>,
    /// The remote shell still makes something else of the paths (`*.log`, `~ana`).
    pub patterns: bool,
}

/// Folders of a system's own programs: a program elsewhere is nobody we know.
const FOLDERS: [&str; 4] = [
    "/usr/bin/",
    "/bin/",
    "/usr/local/bin/",
    "/opt/homebrew/bin/",
];

const SFTP_SERVERS: [&str; 6] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/lib/sftp-server",
    "internal-sftp",
];

/// Recognises the command of an `exec` request.
#[must_use]
pub fn recognise(command: &[u8]) -> Option<Transfer> {
    let words = words(command)?;
    let (program, arguments) = words.split_first()?;
    let program = program.literal()?;
    if SFTP_SERVERS.contains(&program) {
        return arguments.is_empty().then(|| Transfer {
            tool: Tool::Sftp,
            way: Way::Both,
            paths: Vec::new(),
            patterns: false,
        });
    }
    let mut folders = FOLDERS.iter();
    let name = folders
        .find_map(|folder| program.strip_prefix(folder))
        .unwrap_or(program);
    match (name, arguments) {
        ("scp", arguments) => scp(arguments),
        ("rsync", arguments) => rsync(arguments),
        ("git", [command, arguments @ ..]) => git(command.literal()?, arguments),
        (name, arguments) => git(name.strip_prefix("git-")?, arguments),
    }
}

fn transfer(tool: Tool, way: Way, paths: &[Word]) -> Option<Transfer> {
    // A path that reads as an option is one.
    let sound = !paths.is_empty() && paths.iter().all(|p| !p.bytes.is_empty());
    sound.then(|| Transfer {
        tool,
        way,
        paths: paths.iter().map(|p| p.bytes.clone()).collect(),
        patterns: paths.iter().any(|p| p.pattern),
    })
}

/// `scp [-dpqrv] -t|-f [--] path...`: what OpenSSH's and WinSCP's clients send. `-S` and `-o` would run programs.
fn scp(arguments: &[Word]) -> Option<Transfer> {
    let mut way = None;
    let mut rest = arguments;
    while let [first, more @ ..] = rest {
        let Some(letters) = first.literal().and_then(|word| word.strip_prefix('-')) else {
            break;
        };
        rest = more;
        if letters == "-" {
            return transfer(Tool::Scp, way?, rest);
        }
        for letter in letters.chars() {
            let said = match letter {
                't' => Way::Up,
                'f' => Way::Down,
                'd' | 'p' | 'q' | 'r' | 'v' => continue,
                _ => return None,
            };
            if way.replace(said).is_some_and(|before| before != said) {
                return None;
            }
        }
        if letters.is_empty() {
            return None;
        }
    }
    let way = way?;
    if way == Way::Up && rest.len() != 1 {
        return None;
    }
    let plain = rest.iter().all(|path| path.bytes.first() != Some(&b'-'));
    plain.then(|| transfer(Tool::Scp, way, rest))?
}

/// Long options of `rsync --server` that neither run programs nor name further files.
const RSYNC_FLAGS: [&str; 40] = [
    "append",
    "append-verify",
    "checksum",
    "copy-unsafe-links",
    "delay-updates",
    "delete",
    "delete-after",
    "delete-before",
    "delete-delay",
    "delete-during",
    "delete-excluded",
    "delete-missing-args",
    "existing",
    "fake-super",
    "force",
    "from0",
    "fsync",
    "fuzzy",
    "group",
    "hard-links",
    "ignore-errors",
    "ignore-existing",
    "ignore-missing-args",
    "inplace",
    "list-only",
    "mkpath",
    "munge-links",
    "new-compress",
    "no-implied-dirs",
    "no-r",
    "no-relative",
    "no-specials",
    "numeric-ids",
    "old-compress",
    "one-file-system",
    "open-noatime",
    "partial",
    "relative",
    "safe-links",
    "size-only",
];

/// Those with a value that is a number or a word.
const RSYNC_VALUES: [&str; 17] = [
    "block-size",
    "bwlimit",
    "checksum-choice",
    "checksum-seed",
    "compress-choice",
    "compress-level",
    "compress-threads",
    "debug",
    "info",
    "iconv",
    "log-format",
    "max-alloc",
    "max-delete",
    "max-size",
    "min-size",
    "modify-window",
    "timeout",
];

/// `rsync --server [--sender] -letters [--options] . path...`
fn rsync(arguments: &[Word]) -> Option<Transfer> {
    let [first, rest @ ..] = arguments else {
        return None;
    };
    (first.literal() == Some("--server")).then_some(())?;
    let mut way = Way::Up;
    let mut rest = rest;
    while let [first, more @ ..] = rest {
        let Some(option) = first.literal().filter(|word| word.starts_with('-')) else {
            break;
        };
        rest = more;
        match option.strip_prefix("--") {
            Some("sender") => way = Way::Down,
            Some(long) => rsync_option(long)?,
            None => rsync_letters(option.strip_prefix('-')?)?,
        }
    }
    let [dot, paths @ ..] = rest else {
        return None;
    };
    let plain = paths.iter().all(|path| path.bytes.first() != Some(&b'-'));
    (dot.literal() == Some(".") && plain).then_some(())?;
    transfer(Tool::Rsync, way, paths)
}

fn rsync_option(long: &str) -> Option<()> {
    let known = match long.split_once('=') {
        None => RSYNC_FLAGS.contains(&long),
        Some((name, value)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._,%-+".contains(c);
            RSYNC_VALUES.contains(&name) && value.chars().all(plain)
        }
    };
    known.then_some(())
}

/// `-vlogDtpre.iLsfxCIvu`: flags, and behind `e` what the two sides can do. `s` alone hides the paths.
fn rsync_letters(letters: &str) -> Option<()> {
    let (flags, abilities) = match letters.split_once("e.") {
        Some((flags, abilities)) => (flags, abilities),
        None => (letters, ""),
    };
    // -e with anything else is a program, -M and -f and -T have values, -s sends the paths out of sight.
    let known = |c: char| "abcdghiklmnopqrtuvxzyACDEFHIJKLNOPRSUVWX0123456789".contains(c);
    let able = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let fine = !letters.is_empty() && flags.chars().all(known) && abilities.chars().all(able);
    fine.then_some(())
}

fn git(command: &str, arguments: &[Word]) -> Option<Transfer> {
    let way = match command {
        "receive-pack" => Way::Up,
        "upload-archive" | "upload-pack" => Way::Down,
        _ => return None,
    };
    let [path] = arguments else {
        return None;
    };
    // Git's own rule since CVE-2017-1000117.
    let plain = path.bytes.first() != Some(&b'-');
    plain.then(|| transfer(Tool::Git, way, arguments))?
}

#[cfg(test)]
mod tests;
