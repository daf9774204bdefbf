//! Variables whose value is code, or decides which code runs, or what is recorded.

use crate::labels;
use crate::walk::Walker;

/// Loaded or run by whatever is started next.
const LOADED: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "PS0",
    "PS1",
    "PS2",
    "PS4",
    "SHELLOPTS",
    "BASHOPTS",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PERL5OPT",
    "PERL5LIB",
    "PERLLIB",
    "PERL5DB",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "GCONV_PATH",
    "LOCPATH",
    "GLIBC_TUNABLES",
    "GTK_MODULES",
    "QT_PLUGIN_PATH",
    "LUA_INIT",
    "RUSTC_WRAPPER",
    "CLASSPATH",
    "PKEXEC_UID",
    "IFS",
    "GIT_EXEC_PATH",
    "GIT_TEMPLATE_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "EMACSLOADPATH",
    "R_PROFILE",
    "OPENSSL_CONF",
    "ZDOTDIR",
];

/// Commands that another program runs.
const COMMANDS: &[&str] = &[
    "PAGER",
    "MANPAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "EDITOR",
    "VISUAL",
    "GIT_PAGER",
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "GIT_EXTERNAL_DIFF",
    "GIT_PROXY_COMMAND",
    "BROWSER",
    "SUDO_EDITOR",
    "SYSTEMD_EDITOR",
    "SYSTEMD_PAGER",
    "KUBE_EDITOR",
    "RSYNC_RSH",
    "CVS_RSH",
    "FCEDIT",
    "HGEDITOR",
    "CC",
    "CXX",
    "LD",
    "MAKE",
    "MAKEFLAGS",
    "TAR_OPTIONS",
];

/// Programs that only show text, and compilers that only compile.
const TAME: &[&str] = &[
    "cat", "less", "more", "true", "", "gcc", "clang", "g++", "clang++", "cc", "vi", "vim", "nano",
    "ld",
];

/// A variable is set; `None` when its value is not known.
pub fn variable(walker: &mut Walker<'_>, name: &str, value: Option<&str>, exported: bool) {
    match name {
        "HISTFILE" | "HISTSIZE" | "HISTFILESIZE" | "HISTCONTROL" | "HISTIGNORE" => {
            walker.report.say(labels::HISTORY_TAMPERING);
        }
        "PATH" => path(walker, value),
        // Splitting at other characters is not followed.
        "IFS" if matches!(value, Some("" | "\n" | "," | ":")) => {}
        _ if name.starts_with("LD_") && exported => {
            walker.report.say(labels::ENVIRONMENT_INJECTION)
        }
        _ if name.starts_with("BASH_FUNC_") || LOADED.contains(&name) => {
            walker.report.say(labels::ENVIRONMENT_INJECTION);
        }
        _ if COMMANDS.contains(&name) => {
            let tame = value.is_some_and(|v| TAME.contains(&v.trim()) || v.starts_with("-j"));
            if tame {
                return;
            }
            match value {
                // A command line: what it does counts when it is run.
                Some(text) if walker.nested_text(text).is_ok() => {}
                _ => walker.report.say(labels::ENVIRONMENT_INJECTION),
            }
        }
        _ => {}
    }
}

/// Where programs are looked for: folders that anybody can fill make every name mean something else.
fn path(walker: &mut Walker<'_>, value: Option<&str>) {
    let safe = |part: &str| {
        let part = part.trim_end_matches('/');
        let own = ["/usr/", "/opt/", "/snap/", "/nix/"]
            .iter()
            .any(|p| part.starts_with(p));
        matches!(part, "/bin" | "/sbin" | "/usr") || own && !part.contains("..")
    };
    let home = |part: &str| {
        part.starts_with("~/") || part.starts_with("/home/") || part.starts_with("/root/")
    };
    match value {
        Some(value) if value.split(':').all(safe) => {}
        Some(value) if value.split(':').all(|p| safe(p) || home(p)) => {
            walker.report.say(labels::PATH_CHANGE);
        }
        _ => walker.report.say(labels::ENVIRONMENT_INJECTION),
    }
}
