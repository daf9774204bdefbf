//! Options as `getopt` reads them: bundled, with values, abbreviated, ended by `--`.

use crate::expand::Field;

/// Options and the words after or between them.
#[derive(Debug, Default)]
pub struct Options {
    /// Name without dashes, and the value.
    flags: Vec<(String, Option<Field>)>,
    /// Words that are no options.
    pub words: Vec<Field>,
    /// Some word before `--` may be an option.
    pub open: bool,
}

impl Options {
    /// Reads them. `values` names the options that take a value: single letters and long ones. With `leading`
    /// the first word ends them, as in programs that run others.
    pub fn read(args: &[Field], values: &[&str], leading: bool) -> Self {
        let mut options = Self::default();
        let mut rest = args.iter();
        while let Some(field) = rest.next() {
            let text = field.text.as_str();
            let takes = |name: &str| {
                values
                    .iter()
                    .any(|v| *v == name || (name.len() > 2 && v.starts_with(name)))
            };
            if field.open {
                options.open = true;
            }
            if text == "--" {
                options.words.extend(rest.cloned());
                break;
            }
            if let Some(long) = text.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => {
                        options.flag(name, Some(with_text(field, value)));
                    }
                    None if takes(long) => options.flag(long, rest.next().cloned()),
                    None => options.flag(long, None),
                }
                continue;
            }
            match text.strip_prefix('-').filter(|short| !short.is_empty()) {
                Some(short) if takes(short) && short.len() > 1 => {
                    options.flag(short, rest.next().cloned());
                }
                Some(short) => {
                    if options.bundle(field, short, &takes) {
                        let value = rest.next().cloned();
                        if let Some(last) = options.flags.last_mut() {
                            last.1 = value;
                        }
                    }
                }
                None => {
                    options.words.push(field.clone());
                    if leading {
                        options.words.extend(rest.cloned());
                        break;
                    }
                }
            }
        }
        options
    }

    fn flag(&mut self, name: &str, value: Option<Field>) {
        self.flags.push((name.to_owned(), value));
    }

    /// `-abc`: true when the last one waits for its value.
    fn bundle(&mut self, field: &Field, short: &str, takes: &dyn Fn(&str) -> bool) -> bool {
        for (at, letter) in short.char_indices() {
            let name = letter.to_string();
            let rest = &short[at + letter.len_utf8()..];
            if takes(&name) {
                if rest.is_empty() {
                    self.flag(&name, None);
                    return true;
                }
                self.flag(&name, Some(with_text(field, rest)));
                return false;
            }
            self.flag(&name, None);
        }
        false
    }

    /// Whether one of these options stands there; long ones may be abbreviated.
    pub fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|(flag, _)| is(flag, names))
    }

    /// The value of the last of these options.
    pub fn value<'a>(&'a self, names: &'a [&'a str]) -> Option<&'a Field> {
        self.values(names).last()
    }

    /// The values of all of these options.
    pub fn values<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Field> {
        self.flags
            .iter()
            .filter(|(flag, _)| is(flag, names))
            .filter_map(|(_, value)| value.as_ref())
    }

    /// All values of all options.
    pub fn all_values(&self) -> impl Iterator<Item = &Field> {
        self.flags.iter().filter_map(|(_, value)| value.as_ref())
    }

    /// The first word, if it is certain.
    pub fn first(&self) -> &str {
        self.words
            .first()
            .and_then(Field::certain)
            .unwrap_or_default()
    }
}

fn is(flag: &str, names: &[&str]) -> bool {
    names
        .iter()
        .any(|name| *name == flag || (flag.len() > 2 && name.len() > 2 && name.starts_with(flag)))
}

fn with_text(field: &Field, text: &str) -> Field {
    Field {
        text: text.to_owned(),
        ..field.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let fields: Vec<Field> = [
            "-rfv", "--recurs", "--mode=7", "-n5", "-o", "out", "x", "--", "-y",
        ]
        .map(Field::known)
        .into();
        let options = Options::read(&fields, &["n", "o"], false);
        assert!(options.has(&["r"]) && options.has(&["f"]) && options.has(&["recursive"]));
        assert_eq!(options.value(&["mode"]).unwrap().text, "7");
        assert_eq!(options.value(&["n"]).unwrap().text, "5");
        assert_eq!(options.value(&["o"]).unwrap().text, "out");
        let words: Vec<_> = options.words.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(words, ["x", "-y"]);
        let leading = Options::read(&fields[4..], &["o"], true);
        assert_eq!(leading.words.len(), 3);
    }
}
