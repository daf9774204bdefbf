//! Files that matter: whoever reads, writes or removes them does more than read, write or remove a file. Paths are
//! made plain first (`/etc/../etc//shadow`), and patterns and unknown parts match what they may become.

use crate::expand::{ANY, Field};
use crate::labels::{self, Label};

/// A path that is longer is none for the kernel (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4096;
/// A name that is longer is none (`NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;
/// With more wildcards than this, a name may be any name.
const WILDCARDS_MAX: usize = 6;

/// What is done to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Its content is read.
    Read,
    /// It is written anew.
    Write,
    /// It is written to at its end.
    Append,
    /// It goes away.
    Remove,
}

/// Content that is a credential.
const CREDENTIALS: &[&str] = &[
    "/etc/shadow*",
    "/etc/gshadow*",
    "/etc/krb5.keytab",
    "**/*.keytab",
    "/etc/ssl/private/**",
    "/etc/ssh/ssh_host_*_key",
    "**/.ssh/id_*",
    "**/.ssh/*.key",
    "**/id_rsa",
    "**/id_dsa",
    "**/id_ecdsa",
    "**/id_ed25519",
    "**/.aws/credentials",
    "**/.aws/config",
    "**/.azure/*",
    "**/.config/gcloud/*",
    "**/.config/gcloud/**/*",
    "**/.kube/config",
    "**/kubeconfig",
    "**/*.kubeconfig",
    "**/.docker/config.json",
    "**/.dockercfg",
    "**/.netrc",
    "**/.pgpass",
    "**/.my.cnf",
    "**/.git-credentials",
    "**/.config/git/credentials",
    "**/.gnupg/*",
    "**/.gnupg/**/*",
    "**/.password-store/**",
    "**/.vault-token",
    "**/.npmrc",
    "**/.pypirc",
    "**/.terraform.d/credentials*",
    "**/.config/gh/hosts.yml",
    "**/.s3cfg",
    "**/.boto",
    "/proc/*/environ",
    "/proc/*/mem",
    "/proc/kcore",
    "/dev/mem",
    "/dev/kmem",
    "/var/run/secrets/**",
    "/run/secrets/**",
    "/etc/kubernetes/*.conf",
    "/etc/kubernetes/pki/**",
    "/var/lib/kubelet/**",
    "/var/lib/etcd/**",
    "/etc/rancher/k3s/k3s.yaml",
    "**/*.key",
    "**/*-key.pem",
    "**/*.p12",
    "**/*.pfx",
    "**/*.jks",
    "**/*.kdbx",
    "**/.env",
    "**/.env.*",
    "/etc/NetworkManager/system-connections/**",
    "/etc/wpa_supplicant/*",
    "**/wp-config.php",
    "**/.htpasswd",
    "**/logins.json",
    "**/Login Data",
    "/etc/mysql/debian.cnf",
    "/var/lib/sss/secrets/**",
    "/etc/opt/*/credentials*",
    "**/credentials.json",
    "**/.config/rclone/rclone.conf",
    "**/.cargo/credentials*",
    "**/.gem/credentials",
    "/root/.ssh",
];

/// Folders whose whole content is credentials: archived or copied as a whole.
const CREDENTIAL_FOLDERS: &[&str] = &[
    "**/.ssh",
    "**/.aws",
    "**/.gnupg",
    "**/.kube",
    "**/.azure",
    "**/.config/gcloud",
    "**/.password-store",
    "/root",
    "/etc/kubernetes",
    "/etc/ssh",
    "/etc/ssl/private",
];

/// What somebody typed.
const HISTORIES: &[&str] = &["**/.*_history", "**/.history", "**/.lesshst", "**/.viminfo"];

/// Files whose change changes more, and what it is called; the first that matches counts.
const CHANGES: &[(&[&str], &Label)] = &[
    (
        &[
            "**/.ssh/authorized_keys*",
            "**/.ssh/rc",
            "**/.ssh/environment",
            "**/authorized_keys",
        ],
        labels::AUTHORIZED_KEYS_CHANGE,
    ),
    (
        &[
            "/etc/sudoers*",
            "/etc/sudoers.d/**",
            "/etc/doas.conf",
            "/etc/polkit-1/**",
        ],
        labels::SUDOERS_CHANGE,
    ),
    (
        &[
            "/etc/passwd*",
            "/etc/shadow*",
            "/etc/group*",
            "/etc/gshadow*",
            "/etc/subuid",
            "/etc/subgid",
        ],
        labels::ACCOUNT_CHANGE,
    ),
    (
        &[
            "/etc/ssh/**",
            "/etc/pam.d/**",
            "/etc/pam.conf",
            "/etc/security/**",
            "/etc/nsswitch.conf",
            "/etc/login.defs",
            "/etc/krb5.conf",
            "/etc/shells",
            "/etc/securetty",
            "/etc/hosts.allow",
            "/etc/hosts.deny",
            "**/.ssh/config",
            "**/.rhosts",
            "**/.shosts",
            "/etc/hosts.equiv",
        ],
        labels::LOGIN_CONFIG_CHANGE,
    ),
    (
        &[
            "/etc/cron*",
            "/etc/cron*/**",
            "/var/spool/cron",
            "/var/spool/cron/**",
            "/var/spool/at/**",
            "/etc/anacrontab",
            "/etc/systemd/**",
            "/lib/systemd/**",
            "/usr/lib/systemd/**",
            "/run/systemd/system/**",
            "**/.config/systemd/**",
            "/etc/init.d/**",
            "/etc/rc*",
            "/etc/rc*.d/**",
            "/etc/inittab",
            "/etc/profile*",
            "/etc/profile.d/**",
            "/etc/bash*",
            "/etc/zsh/**",
            "/etc/environment",
            "**/.pam_environment",
            "**/.bashrc",
            "**/.bash_profile",
            "**/.bash_login",
            "**/.bash_logout",
            "**/.bash_aliases",
            "**/.profile",
            "**/.zshrc",
            "**/.zshenv",
            "**/.zprofile",
            "**/.vimrc",
            "**/.gitconfig",
            "/etc/gitconfig",
            "**/.git/hooks/**",
            "/etc/ld.so.preload",
            "/etc/ld.so.conf*",
            "/etc/ld.so.conf.d/**",
            "/etc/udev/**",
            "/lib/udev/**",
            "/etc/update-motd.d/**",
            "/etc/xdg/autostart/**",
            "**/.config/autostart/**",
            "/etc/apt/apt.conf.d/**",
            "/etc/modules*",
            "/etc/modules-load.d/**",
            "/etc/modprobe.d/**",
            "/etc/logrotate.d/**",
            "/etc/NetworkManager/dispatcher.d/**",
            "/etc/network/if-*.d/**",
            "**/sitecustomize.py",
            "/etc/kubernetes/manifests/**",
            "/etc/cloud/**",
            "/var/lib/cloud/**",
            "/etc/skel/**",
        ],
        labels::PERSISTENCE,
    ),
    (
        &[
            "**/release_agent",
            "/proc/sys/kernel/core_pattern",
            "/sys/kernel/uevent_helper",
            "/proc/sys/fs/binfmt_misc/**",
        ],
        labels::CONTAINER_ESCAPE,
    ),
    (&["/proc/sysrq-trigger"], labels::POWER_CONTROL),
    (
        &[
            "/sys/kernel/security/**",
            "/sys/fs/selinux/**",
            "/etc/selinux/**",
            "/etc/apparmor.d/**",
            "/etc/audit/**",
        ],
        labels::SECURITY_CONTROL_OFF,
    ),
    (
        &[
            "/proc/**",
            "/sys/**",
            "/etc/sysctl.conf",
            "/etc/sysctl.d/**",
        ],
        labels::KERNEL_SETTING,
    ),
    (
        &[
            "/etc/iptables/**",
            "/etc/nftables.conf",
            "/etc/ufw/**",
            "/etc/firewalld/**",
        ],
        labels::FIREWALL_CHANGE,
    ),
    (&["/etc/fstab", "/etc/exports"], labels::MOUNT_CHANGE),
    (
        &[
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/network/**",
            "/etc/netplan/**",
            "/etc/sysconfig/network*/**",
        ],
        labels::NETWORK_CONFIG_CHANGE,
    ),
    (
        &[
            "/etc/**",
            "/usr/**",
            "/boot/**",
            "/bin/**",
            "/sbin/**",
            "/lib*/**",
            "/var/lib/dpkg/**",
            "/var/lib/rpm/**",
        ],
        labels::SYSTEM_FILE_WRITE,
    ),
];

/// Records of what happened: emptied, rewritten or removed.
const LOGS: &[&str] = &[
    "/var/log/**",
    "/run/log/journal/**",
    "/var/run/utmp",
    "/run/utmp",
];

/// Devices that keep nothing and lead nowhere.
const HARMLESS_DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/tty*",
    "/dev/pts/*",
    "/dev/ptmx",
    "/dev/console",
    "/dev/fd/*",
    "/dev/shm/**",
    "/dev/log",
    "/dev/shm",
    "/dev/mqueue/**",
];

/// A path as plain as it can be made: absolute where the folder is known, without `//`, `.` and `..`.
pub fn plain(text: &str, folder: Option<&str>) -> String {
    let joined = match (text.starts_with(['/', '~', ANY]), folder) {
        (false, Some(folder)) => format!("{folder}/{text}"),
        _ => text.to_owned(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts
                    .last()
                    .is_some_and(|p| *p != ".." && !p.starts_with(ANY))
                {
                    parts.pop();
                } else if !joined.starts_with('/') {
                    parts.push(part);
                }
            }
            part => parts.push(part),
        }
    }
    // Another way to the root folder.
    while let ["proc", _, "root", ..] = parts.as_slice() {
        parts.drain(..3);
    }
    match joined.starts_with('/') {
        true => format!("/{}", parts.join("/")),
        false => parts.join("/"),
    }
}

/// What a deed to this path is called.
pub fn labels_of(field: &Field, folder: Option<&str>, deed: Deed) -> Vec<&'static Label> {
    let path = plain(&field.text, folder);
    let may = |patterns: &[&str]| patterns.iter().any(|p| may_match(p, &path, field.glob));
    let mut found = Vec::new();
    if path.starts_with("/dev/tcp/") || path.starts_with("/dev/udp/") {
        return vec![labels::REVERSE_SHELL];
    }
    if path.ends_with("/docker.sock") || path.ends_with("/containerd.sock") {
        return vec![labels::CONTAINER_ESCAPE];
    }
    if deed == Deed::Read {
        let public = path.ends_with(".pub") || path.ends_with(".env.example");
        if !public && (may(CREDENTIALS) || may(CREDENTIAL_FOLDERS)) {
            found.push(labels::CREDENTIAL_READ);
        }
        if may(HISTORIES) {
            found.push(labels::HISTORY_READ);
        }
        if path.starts_with("/dev/") && path.len() > 5 && !may(HARMLESS_DEVICES) {
            found.push(labels::CREDENTIAL_READ);
        }
        return found;
    }
    if path.starts_with("/dev/") && !may(HARMLESS_DEVICES) {
        found.push(labels::DISK_WRITE);
    }
    if may(HISTORIES) {
        found.push(labels::HISTORY_TAMPERING);
    }
    if may(LOGS) && deed != Deed::Append {
        found.push(labels::LOG_TAMPERING);
    }
    let change = CHANGES.iter().find(|(patterns, _)| may(patterns));
    found.extend(change.map(|(_, label)| *label));
    found
}

/// Names of the first level: losing one of them is losing the machine.
pub fn is_root(field: &Field, folder: Option<&str>) -> bool {
    let path = plain(&field.text, folder);
    // A variable that nobody has set leaves nothing but the slash.
    let bare = field.text.trim_start_matches(ANY);
    let path = match bare.len() < field.text.len() && bare.starts_with('/') {
        true => plain(bare, None),
        false => path,
    };
    let whole = path.trim_end_matches("/*").trim_end_matches("/.*");
    match whole {
        "" => path.starts_with('/'),
        "/" | "~" | "*" | ".*" | "{*,.*}" => true,
        path if path.starts_with("..") => path.split('/').all(|part| part == ".."),
        path => {
            let mut parts = path.strip_prefix('/').unwrap_or_default().split('/');
            let first = parts.next().unwrap_or_default();
            let second = parts.next();
            let whole = second.is_none() && !first.is_empty() && first != "tmp";
            whole
                || path.starts_with('~') && !path.contains('/')
                || first == "home" && parts.next().is_none()
                || matches!(
                    (first, second),
                    (
                        "var" | "usr",
                        Some("lib" | "log" | "bin" | "local" | "spool")
                    )
                ) && path.matches('/').count() == 2
        }
    }
}

/// Whether a path, with wildcards and unknown parts, may become one that a pattern names. `**` stands for any
/// folders, `*` for any part of a name.
pub fn may_match(pattern: &str, path: &str, glob: bool) -> bool {
    let wild = |part: &str| part.contains(ANY) || (glob && part.contains(['*', '?', '[']));
    let letters = path.chars().filter(|c| c.is_alphanumeric()).take(2).count();
    if letters < 2 || path.len() > PATH_BYTES_MAX {
        return false;
    }
    let path: Vec<(&str, bool)> = path.split('/').map(|part| (part, wild(part))).collect();
    let pattern: Vec<&str> = pattern.split('/').collect();
    parts_match(&pattern, &path, true)
}

/// `named`: the part before was literal on both sides, so an unknown one may be the one that is meant.
fn parts_match(pattern: &[&str], path: &[(&str, bool)], named: bool) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**"], []) => false,
        (["**"], _) => true,
        (["**", rest @ ..], _) => {
            (0..=path.len()).any(|skip| parts_match(rest, &path[skip..], false))
        }
        ([want, rest @ ..], [(part, wild), more @ ..]) => {
            let unknown = !part.is_empty() && part.chars().all(|c| c == ANY || (*wild && c == '*'));
            let fits = match (unknown, *wild) {
                (false, _) if part.len() > NAME_BYTES_MAX => *wild,
                (true, _) => named || *want == "*",
                // A wildcard at the front stands for no dot.
                (false, true) if want.starts_with('.') && part.starts_with(['*', '?', '[']) => {
                    false
                }
                (false, true) => {
                    let wildcards = part.chars().filter(|c| "*?[\0".contains(*c)).count();
                    wildcards > WILDCARDS_MAX || meet(want.as_bytes(), part.as_bytes())
                }
                (false, false) => covers(want.as_bytes(), part.as_bytes()),
            };
            fits && parts_match(rest, more, !unknown && !want.contains('*'))
        }
        _ => false,
    }
}

/// A pattern covers a name.
fn covers(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            covers(rest, name)
                || name
                    .split_first()
                    .is_some_and(|(_, more)| covers(pattern, more))
        }
        ([p, rest @ ..], [n, more @ ..]) => p == n && covers(rest, more),
        _ => false,
    }
}

/// Two patterns have a name in common. On the right also `?`, `[…]` and unknown parts.
fn meet(pattern: &[u8], other: &[u8]) -> bool {
    match (pattern, other) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            meet(rest, other)
                || other
                    .split_first()
                    .is_some_and(|(_, more)| meet(pattern, more))
        }
        (_, [b'*' | 0, more @ ..]) => {
            meet(pattern, more)
                || pattern
                    .split_first()
                    .is_some_and(|(_, rest)| meet(rest, other))
        }
        ([p, rest @ ..], [b'[', ..]) => match bracket(other) {
            Some((set, more)) => set.contains(p) && meet(rest, more),
            None => *p == b'[' && meet(rest, &other[1..]),
        },
        ([p, rest @ ..], [n, more @ ..]) => (*n == b'?' || p == n) && meet(rest, more),
        _ => false,
    }
}

/// The letters that `[…]` stands for, all of them when it says which not.
fn bracket(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let end = text.iter().skip(2).position(|b| *b == b']')? + 2;
    let (inner, rest) = (&text[1..end], &text[end + 1..]);
    let all: Vec<u8> = (b'!'..=b'~').collect();
    if inner.starts_with(b"!") || inner.starts_with(b"^") || inner.contains(&b':') {
        return Some((all, rest));
    }
    let mut set = Vec::new();
    let mut at = 0;
    while let Some(first) = inner.get(at) {
        match (inner.get(at + 1), inner.get(at + 2)) {
            (Some(b'-'), Some(last)) => {
                set.extend(*first..=*last);
                at += 3;
            }
            _ => {
                set.push(*first);
                at += 1;
            }
        }
    }
    Some((set, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Field {
        Field {
            glob: text.contains(['*', '?', '[']),
            ..Field::known(text)
        }
    }

    fn reads_credentials(text: &str) -> bool {
        labels_of(&field(text), Some("/srv"), Deed::Read).contains(&labels::CREDENTIAL_READ)
    }

    #[test]
    fn credentials_are_known_by_any_spelling() {
        for path in [
            "/etc/shadow",
            "/etc/shadow-",
            "/etc/../etc//shadow",
            "../etc/./shadow",
            "/etc/sh?dow",
            "/e*/s*w",
            "/etc/[s]hadow",
            "/etc/[a-z]hadow",
            "/etc/*",
            "/proc/self/root/etc/shadow",
            "/proc/1/environ",
            "/proc/self/environ",
            "~/.ssh/id_ed25519",
            "/home/ana/.ssh/id_rsa",
            "/home/\0/.ssh/id_rsa",
            "~/.ssh/\0",
            "~/.aws/credentials",
            "/root/.kube/config",
            "server.key",
            "~/.ssh",
            "/dev/sda",
        ] {
            assert!(reads_credentials(path), "{path:?}");
        }
        for path in [
            "/etc/hosts",
            "/etc/passwd",
            "~/.ssh/id_rsa.pub",
            "~/.ssh/known_hosts",
            "~/.ssh/config",
            "*.conf",
            "\0",
            "\0/config",
            "/var/log/*.log",
            "keyboard.txt",
            "/proc/cpuinfo",
            "/dev/null",
            "/etc/nginx/*.conf",
            "*",
        ] {
            assert!(!reads_credentials(path), "{path:?}");
        }
    }

    #[test]
    fn roots_are_roots() {
        for path in [
            "/",
            "/*",
            "//",
            "/.",
            "~",
            "~/",
            "~/*",
            "..",
            "../..",
            "/etc",
            "/usr/",
            "/home",
            "/home/ana",
            "*",
            "\0/",
            "\0/*",
            "/etc/..",
            "/var/lib",
            "/tmp/../",
            "/srv",
            ".*",
        ] {
            assert!(is_root(&field(path), None), "{path:?}");
        }
        for path in [
            "/tmp/x",
            "build",
            "./build",
            "node_modules",
            "/srv/app/old",
            "~/x",
            "/var/lib/app",
            "/tmp/*",
            "\0",
            "dist/*",
        ] {
            assert!(!is_root(&field(path), None), "{path:?}");
        }
    }
}
