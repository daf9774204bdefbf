//! A command line as plain words, where every shell reads it alike: no quotes, variables, globs, redirections or
//! anything else that means something. Pure. It refuses to guess: a line with any other character has no words here.

use crate::transfer::{recognise, split};
use portcullis_model::ShellCommand;

/// Characters that no shell of any family gives a meaning to, wherever they stand in a word.
fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ',' | ':' | '+' | '@')
}

/// The words, or `None` where a shell might read others.
pub(crate) fn words(text: &str) -> Option<Vec<String>> {
    let sound = text.chars().all(|c| c == ' ' || plain(c));
    let words = split(text.as_bytes()).filter(|_| sound)?;
    let words: Vec<&str> = words.iter().map(|w| w.literal()).collect::<Option<_>>()?;
    let first = words.first()?;
    // A word with `=` is out already; one that is a reserved word or a built-in that runs others is not plain.
    let reserved = [
        "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for",
        "in", "time", "select", "function", "coproc", "eval", "exec", "source", ".", "command",
        "builtin", "alias", "trap",
    ];
    let sound = !reserved.contains(first);
    sound.then(|| words.into_iter().map(str::to_owned).collect())
}

/// The same words for a shell again, each of them quoted where that is needed: what was decided is what runs.
pub(crate) fn rebuilt(words: &[String]) -> String {
    words.join(" ")
}

/// What moves files in a protocol of its own: named, because nothing in it can be read here.
pub(crate) fn carried(text: &str) -> Option<&'static str> {
    recognise(text.as_bytes()).map(|transfer| transfer.tool.verb())
}

/// A command line in parts, for policies.
pub(crate) fn parts(text: &str) -> ShellCommand {
    let mode = carried(text).unwrap_or("exec");
    let Some(mut argv) = words(text) else {
        return ShellCommand {
            mode,
            ..ShellCommand::default()
        };
    };
    let privileged = argv.len() > 1
        && argv
            .first()
            .is_some_and(|w| matches!(&**w, "sudo" | "doas"))
        && argv.get(1).is_some_and(|w| !w.starts_with('-'));
    if privileged {
        argv.remove(0);
    }
    let arguments = || argv.iter().skip(1);
    let flags = arguments()
        .filter(|w| w.starts_with('-'))
        .cloned()
        .collect();
    let paths = arguments()
        .filter(|w| w.starts_with('/') || w.starts_with("./") || w.starts_with("../"))
        .cloned()
        .collect();
    ShellCommand {
        mode,
        paths,
        flags,
        privileged,
        argv,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_words() {
        assert_eq!(words("ls  -l /srv").unwrap(), ["ls", "-l", "/srv"]);
        for text in [
            "",
            " ",
            "ls;id",
            "ls\tx",
            "ls\nid",
            "$HOME/x",
            "a=b ls",
            "ls ~",
            "ls *",
            "'ls'",
            "ls {a,b}",
            "ls|id",
            "ls&",
            "ls >x",
            "`id`",
            "ls #x",
            "!ls",
            "[ x",
            "ls \u{a0}x",
            "lſ",
            "eval ls",
            "if ls",
            ". /x",
            "ls \\x",
            "ls ^x",
        ] {
            assert_eq!(words(text), None, "{text:?}");
        }
    }

    #[test]
    fn parts_name_paths_and_flags() {
        let shell = parts("sudo rm -rf /srv/releases/old");
        assert_eq!(shell.argv, ["rm", "-rf", "/srv/releases/old"]);
        assert_eq!(shell.paths, ["/srv/releases/old"]);
        assert_eq!(shell.flags, ["-rf"]);
        assert!(shell.privileged);
        assert_eq!(parts("sudo -u db psql").argv.first().unwrap(), "sudo");
        assert!(parts("rm -rf \"$X\"").argv.is_empty());
    }

    #[test]
    fn what_moves_files_is_named_only_when_it_does_nothing_else() {
        assert_eq!(carried("scp -t /tmp"), Some("scp"));
        assert_eq!(carried("scp -t /tmp; cat /etc/passwd"), None);
        assert_eq!(carried("ls scp"), None);
    }
}
