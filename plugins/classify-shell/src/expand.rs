//! From words to fields, as a shell expands them: braces, variables, substitutions, arithmetic, splitting. What
//! is not known stands as [`ANY`] in the text of a field; nothing is guessed.

use crate::arithmetic;
use crate::environment::Held;
use crate::labels;
use crate::syntax::{Parameter, Part, Span, Word};
use crate::walk::{Walk, Walker};

/// Stands in a text for what is not known. NUL cannot stand in a command.
pub const ANY: char = '\0';

/// Fields that braces may make of one word.
const BRACES_MAX: usize = 64;

/// What a word became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its text.
    pub text: String,
    /// Unquoted `*`, `?` or `[` stand in it: a file name may take its place.
    pub glob: bool,
    /// It may be several fields, or none.
    pub multiple: bool,
    /// It may begin with anything, an option too.
    pub open: bool,
    /// Where the word stands.
    pub span: Span,
}

impl Field {
    /// A field that is known.
    pub fn known(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// A field of which nothing is known.
    pub fn unknown() -> Self {
        Self {
            text: ANY.to_string(),
            multiple: true,
            open: true,
            ..Self::default()
        }
    }

    /// Its text, if all of it is certain.
    pub fn certain(&self) -> Option<&str> {
        (!self.glob && !self.multiple && !self.text.contains(ANY)).then_some(&*self.text)
    }
}

/// One character of a field in the making.
#[derive(Clone, Copy)]
enum Atom {
    Char(char, bool),
    /// Something unknown: in quotes; certainly no option and not empty.
    Any {
        quoted: bool,
        solid: bool,
    },
    /// Fields part here.
    Gap,
    /// Quotes: the field exists though it may be empty.
    Quotes,
}

/// A value put in the place of an expansion.
enum Given {
    Text(String),
    Many(Vec<String>),
    Any,
    /// Unknown, but no option and not empty.
    Solid,
    Nothing,
}

/// One element of a word for the expansion of braces.
#[derive(Clone)]
enum Token<'a> {
    Char(char, bool),
    Part(&'a Part),
}

impl Walker<'_> {
    /// The fields of a word.
    pub fn fields(&mut self, word: &Word) -> Walk<Vec<Field>> {
        self.budget.spend(4)?;
        let braces = word
            .parts
            .iter()
            .any(|p| matches!(p, Part::Text(text, false) if text.contains('{')));
        if !braces {
            let mut atoms = Vec::new();
            for part in &word.parts {
                self.part(part, &mut atoms)?;
            }
            return Ok(fields_of(&atoms, word.span));
        }
        let mut fields = Vec::new();
        for tokens in self.braces(&tokens(word))? {
            let mut atoms = Vec::new();
            for token in tokens {
                match token {
                    Token::Char(c, quoted) => atoms.push(Atom::Char(c, quoted)),
                    Token::Part(part) => self.part(part, &mut atoms)?,
                }
            }
            fields.extend(fields_of(&atoms, word.span));
        }
        Ok(fields)
    }

    /// A word where no splitting happens: the right side of an assignment, a here-document.
    pub fn text_of(&mut self, word: &Word) -> Walk<String> {
        self.budget.spend(4)?;
        let mut atoms = Vec::new();
        for part in &word.parts {
            self.part(part, &mut atoms)?;
        }
        let char = |atom: &Atom| match atom {
            Atom::Char(c, _) => Some(*c),
            Atom::Any { .. } => Some(ANY),
            Atom::Gap => Some(' '),
            Atom::Quotes => None,
        };
        Ok(atoms.iter().filter_map(char).collect())
    }

    fn part(&mut self, part: &Part, atoms: &mut Vec<Atom>) -> Walk {
        match part {
            Part::Text(text, quoted) => {
                if *quoted {
                    atoms.push(Atom::Quotes);
                }
                self.budget
                    .spend(u32::try_from(text.len()).unwrap_or(u32::MAX))?;
                atoms.extend(text.chars().map(|c| Atom::Char(c, *quoted)));
            }
            Part::Parameter(parameter, quoted) => {
                let given = self.parameter(parameter)?;
                give(given, *quoted, atoms);
            }
            Part::Command(script, quoted) => {
                let output = self.subshell(script)?;
                let given = output.map_or(Given::Any, |text| {
                    Given::Text(text.trim_end_matches('\n').to_owned())
                });
                give(given, *quoted, atoms);
            }
            Part::Arithmetic(word, other, quoted) => {
                if let Some(script) = other {
                    self.other_reading(script)?;
                }
                let given = match self.arithmetic(word)? {
                    Some(number) => Given::Text(number.to_string()),
                    None => Given::Solid,
                };
                give(given, *quoted, atoms);
            }
            Part::Process(script) => {
                self.subshell(script)?;
                give(Given::Solid, true, atoms);
            }
        }
        Ok(())
    }

    /// The value of an arithmetic expression; what it assigns is followed or forgotten.
    pub fn arithmetic(&mut self, word: &Word) -> Walk<Option<i64>> {
        let text = self.text_of(word)?;
        if text.contains(ANY) {
            self.environment.forget();
            return Ok(None);
        }
        // Constants in, constant out; names are looked up in what is known.
        let lookup = |name: &str| match self.environment.variable(name) {
            Held::Known(text) => Some(text),
            _ => None,
        };
        if let Some((name, expression)) = assignment(&text) {
            let value = arithmetic::value(expression, &lookup);
            self.environment.set(name, value.map(|v| v.to_string()));
            return Ok(value);
        }
        if text.contains('=') || text.contains("++") || text.contains("--") {
            let letters = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            for name in text.split(letters).filter(|n| !n.is_empty()) {
                self.environment.set(name, None);
            }
            return Ok(None);
        }
        Ok(arithmetic::value(&text, &lookup))
    }

    fn parameter(&mut self, parameter: &Parameter) -> Walk<Given> {
        // What stands in the argument runs, whether or not its value is used.
        if let Some(subscript) = &parameter.subscript {
            self.text_of(subscript)?;
        }
        let argument = self.text_of(&parameter.argument)?;
        if parameter.op == "@" && argument.starts_with('P') {
            self.report.say(labels::DYNAMIC_COMMAND);
        }
        let mut name = parameter.name.clone();
        if parameter.indirect {
            match self.environment.variable(&name) {
                Held::Known(target) => name = target,
                _ => return Ok(Given::Any),
            }
        }
        if parameter.subscript.is_some() {
            return Ok(Given::Any);
        }
        let value = self.look_up(&name);
        if parameter.length {
            return Ok(match value {
                Given::Text(text) => Given::Text(text.chars().count().to_string()),
                _ => Given::Solid,
            });
        }
        let default = |text: String| match text.contains(ANY) {
            true => Given::Any,
            false => Given::Text(text),
        };
        Ok(match (parameter.op.as_str(), value) {
            ("", value) => value,
            (":-" | "-" | ":=" | "=", Given::Nothing) => {
                if parameter.op.ends_with('=') {
                    let known = (!argument.contains(ANY)).then(|| argument.clone());
                    self.environment.set(&name, known);
                }
                default(argument)
            }
            (":-" | ":=", Given::Text(text)) if text.is_empty() => default(argument),
            (":-" | "-" | ":=" | "=" | ":?" | "?", value) => value,
            (":+" | "+", Given::Nothing) => Given::Text(String::new()),
            (":+", Given::Text(text)) if text.is_empty() => Given::Text(text),
            (":+" | "+", Given::Text(_)) => default(argument),
            (op, Given::Text(text)) => edited(&text, op, &argument).map_or(Given::Any, Given::Text),
            _ => Given::Any,
        })
    }

    /// What a name holds.
    fn look_up(&self, name: &str) -> Given {
        match name {
            "@" | "*" => match &self.environment.arguments {
                Some(arguments) => Given::Many(arguments.clone()),
                None => Given::Any,
            },
            "#" | "?" | "$" | "!" | "PPID" | "UID" | "EUID" | "RANDOM" | "SECONDS" | "BASHPID"
            | "LINENO" | "EPOCHSECONDS" | "HOSTNAME" => Given::Solid,
            "-" | "_" | "0" => Given::Any,
            _ => {
                if let Ok(number) = name.parse::<usize>() {
                    let arguments = self.environment.arguments.as_ref();
                    return match arguments.map(|list| list.get(number.saturating_sub(1))) {
                        Some(Some(text)) => Given::Text(text.clone()),
                        Some(None) => Given::Nothing,
                        None => Given::Any,
                    };
                }
                self.variable(name)
            }
        }
    }

    fn variable(&self, name: &str) -> Given {
        match self.environment.variable(name) {
            Held::Known(text) => Given::Text(text),
            Held::Dynamic => Given::Any,
            Held::Unset => match name {
                "HOME" => Given::Text("~".to_owned()),
                // What a login gives; what is put before it counts.
                "PATH" => Given::Text("/usr/bin".to_owned()),
                "PWD" => match &self.environment.folder {
                    Some(folder) => Given::Text(folder.clone()),
                    None => Given::Solid,
                },
                "USER" | "LOGNAME" | "HOST" | "OLDPWD" | "TMPDIR" | "SHELL" | "LANG" | "TERM"
                | "XDG_RUNTIME_DIR" => Given::Solid,
                // What a client may set in the environment of its session.
                _ if name.starts_with("LC_") => Given::Any,
                _ => Given::Nothing,
            },
        }
    }

    /// `a{b,c}d` becomes `abd acd`, `{1..3}` becomes `1 2 3`.
    fn braces<'a>(&mut self, word: &[Token<'a>]) -> Walk<Vec<Vec<Token<'a>>>> {
        let opening = |t: &&Token<'_>| matches!(t, Token::Char('{', false));
        let braces = word.iter().filter(opening).count();
        let cost = braces.saturating_mul(word.len());
        self.budget.spend(u32::try_from(cost).unwrap_or(u32::MAX))?;
        let mut done = Vec::new();
        let mut waiting = vec![(word.to_vec(), 0)];
        while let Some((word, from)) = waiting.pop() {
            self.budget
                .spend(1 + u32::try_from(word.len()).unwrap_or(u32::MAX))?;
            match first_brace(&word, from) {
                Some((start, end, choices)) => {
                    if waiting.len() + done.len() + choices.len() > BRACES_MAX {
                        return Err(crate::syntax::Unreadable::TooComplex);
                    }
                    for choice in choices.into_iter().rev() {
                        let mut next = word[..start].to_vec();
                        next.extend(choice);
                        next.extend_from_slice(&word[end..]);
                        waiting.push((next, start));
                    }
                }
                None => done.push(word),
            }
        }
        Ok(done)
    }
}

/// `name = expression`, and not `name == expression`.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, expression) = text.trim().split_once('=')?;
    let name = name.trim();
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && !expression.starts_with('=') && !expression.contains('='))
        .then_some((name, expression))
}

/// The operators that change a value, where the pattern is plain text.
fn edited(text: &str, op: &str, argument: &str) -> Option<String> {
    if argument.contains(ANY) {
        return None;
    }
    let plain = !argument.contains(['*', '?', '[', '\\', '(']);
    Some(match op {
        "#" | "##" if plain => text.strip_prefix(argument).unwrap_or(text).to_owned(),
        "%" | "%%" if plain => text.strip_suffix(argument).unwrap_or(text).to_owned(),
        "/" | "//" if plain => {
            let (from, to) = argument.split_once('/').unwrap_or((argument, ""));
            match (from.is_empty(), op) {
                (true, _) => text.to_owned(),
                (false, "/") => text.replacen(from, to, 1),
                (false, _) => text.replace(from, to),
            }
        }
        "^^" if argument.is_empty() => text.to_uppercase(),
        ",," if argument.is_empty() => text.to_lowercase(),
        ":" => {
            let (from, length) = argument.split_once(':').unwrap_or((argument, ""));
            let from: usize = from.trim().parse().ok()?;
            let length: usize = match length.trim() {
                "" => usize::MAX,
                digits => digits.parse().ok()?,
            };
            text.chars().skip(from).take(length).collect()
        }
        _ => return None,
    })
}

fn give(given: Given, quoted: bool, atoms: &mut Vec<Atom>) {
    if quoted {
        atoms.push(Atom::Quotes);
    }
    match given {
        Given::Text(text) => split(&text, quoted, atoms),
        Given::Many(texts) => {
            for (at, text) in texts.iter().enumerate() {
                if at > 0 {
                    atoms.push(Atom::Gap);
                }
                if quoted {
                    atoms.push(Atom::Quotes);
                }
                split(text, quoted, atoms);
            }
        }
        Given::Any => atoms.push(Atom::Any {
            quoted,
            solid: false,
        }),
        Given::Solid => atoms.push(Atom::Any {
            quoted,
            solid: true,
        }),
        Given::Nothing => atoms.push(Atom::Any {
            quoted,
            solid: false,
        }),
    }
}

fn split(text: &str, quoted: bool, atoms: &mut Vec<Atom>) {
    let atom = |c: char| match c {
        ' ' | '\t' | '\n' if !quoted => Atom::Gap,
        c => Atom::Char(c, quoted),
    };
    atoms.extend(text.chars().map(atom));
}

fn fields_of(atoms: &[Atom], span: Span) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut field: Option<Field> = None;
    for atom in atoms {
        if let Atom::Gap = atom {
            fields.extend(field.take());
            continue;
        }
        let fresh = field.is_none();
        let field = field.get_or_insert_with(|| Field {
            span,
            ..Field::default()
        });
        match atom {
            Atom::Char(c, quoted) => {
                // A bracket alone is a program; only a pair is a pattern.
                field.glob |=
                    !quoted && (matches!(c, '*' | '?') || (*c == ']' && field.text.contains('[')));
                field.text.push(*c);
            }
            Atom::Any { quoted, solid } => {
                field.open |= !solid && field.text.is_empty();
                field.multiple |= !quoted && !solid;
                field.text.push(ANY);
            }
            Atom::Quotes if fresh => {}
            Atom::Quotes | Atom::Gap => {}
        }
    }
    fields.extend(field);
    fields
}

fn tokens(word: &Word) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for part in &word.parts {
        match part {
            Part::Text(text, quoted) => {
                tokens.extend(text.chars().map(|c| Token::Char(c, *quoted)));
            }
            other => tokens.push(Token::Part(other)),
        }
    }
    tokens
}

type Brace<'a> = (usize, usize, Vec<Vec<Token<'a>>>);

/// The first brace that expands: its range and its choices.
fn first_brace<'a>(word: &[Token<'a>], from: usize) -> Option<Brace<'a>> {
    let opens = |at: &usize| matches!(word.get(*at), Some(Token::Char('{', false)));
    (from..word.len())
        .filter(opens)
        .find_map(|start| brace_at(word, start))
}

fn brace_at<'a>(word: &[Token<'a>], start: usize) -> Option<Brace<'a>> {
    let mut within = 0;
    let mut choices = vec![Vec::new()];
    for (at, token) in word.iter().enumerate().skip(start + 1) {
        match token {
            Token::Char('{', false) => within += 1,
            Token::Char('}', false) if within > 0 => within -= 1,
            Token::Char('}', false) => {
                let end = at + 1;
                if choices.len() > 1 {
                    return Some((start, end, choices));
                }
                let inner: Option<String> = choices[0].iter().map(plain_char).collect();
                return sequence(&inner?).map(|list| (start, end, list));
            }
            Token::Char(',', false) if within == 0 => {
                choices.push(Vec::new());
                continue;
            }
            _ => {}
        }
        choices.last_mut()?.push(token.clone());
    }
    None
}

fn plain_char(token: &Token<'_>) -> Option<char> {
    match token {
        Token::Char(c, false) => Some(*c),
        _ => None,
    }
}

/// `1..5`, `a..e`, with a step or without.
fn sequence<'a>(inner: &str) -> Option<Vec<Vec<Token<'a>>>> {
    let mut ends = inner.split("..");
    let (from, to) = (ends.next()?, ends.next()?);
    let step: i64 = ends.next().map_or(Some(1), |s| s.parse().ok())?;
    let step = step.unsigned_abs().max(1);
    let words: Vec<String> = match (from.parse::<i64>(), to.parse::<i64>()) {
        (Ok(from), Ok(to)) => {
            let count = from.abs_diff(to) / step;
            let shown = count.min(BRACES_MAX as u64);
            let sign = if from <= to { 1 } else { -1 };
            let step = i64::try_from(step).ok()?;
            (0..=i64::try_from(shown).ok()?)
                .map(|i| {
                    from.saturating_add(sign * i.saturating_mul(step))
                        .to_string()
                })
                .collect()
        }
        _ => {
            let mut letters = [from, to].into_iter().map(|text| {
                let mut chars = text.chars();
                let first = chars.next().filter(char::is_ascii);
                first.filter(|_| chars.next().is_none())
            });
            let (from, to) = (letters.next()??, letters.next()??);
            let (low, high) = (from.min(to), from.max(to));
            (low..=high).map(String::from).collect()
        }
    };
    let token = |c: char| Token::Char(c, false);
    Some(
        words
            .iter()
            .map(|w| w.chars().map(token).collect())
            .collect(),
    )
}
