//! Rules that ask for the conditions of other rules one by one. For a body `a; b; c` there is one for
//! `a`, one for `a; b`, and one for all three: the first that does not hold is the condition that failed.
//! A condition that cannot be asked alone, because a later one gives it its variables, is asked together
//! with that.

use super::Anatomy;
use crate::diagnostic::pointed;
use crate::input::Document;
use crate::load::{self, ENTRIES, Owner};
use crate::outline::says;
use crate::set::timer;
use portcullis_model::{Blame, Fault, limits};
use regorus::unstable::{Expr, Literal, LiteralStmt, Rule, RuleBody, RuleHead, Span};
use regorus::{Engine, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How far a condition that is a rule is followed into that rule.
const DEPTH_MAX: usize = 3;
/// A value is cut to this many characters.
const VALUE_CHARS_MAX: usize = 160;
/// Probes that may turn out not to stand alone.
const DROPPED_MAX: usize = 512;

/// One rule of the four sets of a pack.
#[derive(Clone, Debug, Serialize)]
pub struct RuleExplanation {
    /// `grant`, `deny`, `approval` or `obligation`.
    pub set: String,
    /// The rule's name, or its type for an obligation; none when the text does not show it.
    pub rule: Option<String>,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// It spoke.
    pub spoke: bool,
    /// Why it did not, for each of its bodies.
    pub failed: Vec<Condition>,
}

/// A condition that did not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// As it stands in the file.
    pub text: String,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// What it looked at, and what that was.
    pub saw: Vec<(String, String)>,
    /// When it is a rule: what failed in there.
    pub because: Vec<Condition>,
}

/// A set with its probes, and one input.
pub(crate) struct Probes<'a> {
    anatomy: &'a Anatomy,
    engine: Engine,
    dropped: BTreeSet<String>,
}

impl<'a> Probes<'a> {
    /// Builds them. Some conditions do not stand alone; those are left out.
    pub(crate) fn new(anatomy: &'a Anatomy, document: &Document) -> Result<Self, Fault> {
        let apart = |why: String| {
            let why = std::io::Error::other(why);
            Fault::new(Blame::Policy, "take the policy apart", why)
        };
        let input = std::str::from_utf8(document.bytes())
            .ok()
            .and_then(|text| Value::from_json_str(text).ok())
            .ok_or_else(|| Fault::bare(Blame::Policy, "read the policy input"))?;
        let mut dropped = BTreeSet::new();
        while dropped.len() < DROPPED_MAX {
            let (mut engine, lines) = build(anatomy, &dropped).map_err(apart)?;
            match engine.eval_rule("data.portcullis.ready.yes".to_owned()) {
                Ok(_) => {
                    engine.set_input(input);
                    return Ok(Self {
                        anatomy,
                        engine,
                        dropped,
                    });
                }
                Err(error) => {
                    let (place, _) = pointed(&format!("{error:#}"));
                    let name = place.and_then(|(file, line, _)| {
                        let probes = lines.get(&file)?;
                        probes
                            .range(..=line)
                            .next_back()
                            .map(|(_, name)| name.clone())
                    });
                    if !name.is_some_and(|name| dropped.insert(name)) {
                        return Err(apart(error.to_string()));
                    }
                }
            }
        }
        Err(apart("too many conditions do not stand alone".to_owned()))
    }

    /// The rules of a pack.
    pub(crate) fn pack(&mut self, pack: &str) -> Vec<RuleExplanation> {
        let anatomy = self.anatomy;
        let mut all = Vec::new();
        for (number, (module, contents)) in
            anatomy.modules.iter().zip(&anatomy.contents).enumerate()
        {
            if module.owner != Owner::Pack(pack.to_owned()) {
                continue;
            }
            for (index, (rule, facts)) in
                contents.ast.policy.iter().zip(&contents.rules).enumerate()
            {
                let entry = facts.path.get(4).map_or("", String::as_str);
                if !ENTRIES.contains(&entry) {
                    continue;
                }
                let failed: Vec<Condition> = self.failed(number, index, DEPTH_MAX);
                all.push(RuleExplanation {
                    set: entry.to_owned(),
                    rule: says(rule),
                    file: module.file.clone(),
                    line: facts.place.0,
                    spoke: failed.is_empty(),
                    failed,
                });
            }
        }
        all
    }

    /// For each body of a rule that does not hold, the condition that fails. Empty when one does hold.
    fn failed(&mut self, module: usize, index: usize, depth: usize) -> Vec<Condition> {
        let anatomy = self.anatomy;
        let (Some(file), Some(contents)) =
            (anatomy.modules.get(module), anatomy.contents.get(module))
        else {
            return Vec::new();
        };
        let Some(rule) = contents.ast.policy.get(index) else {
            return Vec::new();
        };
        let package = contents.package.join(".");
        let mut failed = Vec::new();
        for (number, body) in bodies(rule).iter().enumerate() {
            let statements = &body.query.stmts;
            let broke = (1..=statements.len()).find(|&count| {
                let name = name(index, number, count);
                !self.dropped.contains(&name) && !self.holds(&format!("{package}.{name}"))
            });
            let Some(count) = broke else {
                return self.unsaid(&package, &file.file, rule, index, number);
            };
            let Some(statement) = statements.get(count - 1) else {
                continue;
            };
            failed.push(Condition {
                text: shown(condition(&statement.span)),
                file: file.file.clone(),
                line: statement.span.line,
                saw: self.saw(statement),
                because: self.because(statement, &contents.package, depth),
            });
        }
        failed
    }

    /// All conditions hold: it has spoken, unless what it wants to say is undefined.
    fn unsaid(
        &mut self,
        package: &str,
        file: &str,
        rule: &Rule,
        index: usize,
        body: usize,
    ) -> Vec<Condition> {
        let name = name(index, body, 0);
        if object(rule).is_none() {
            return Vec::new();
        }
        if self.dropped.contains(&name) || self.holds(&format!("{package}.{name}")) {
            return Vec::new();
        }
        vec![Condition {
            text: "all its conditions hold, but something it says is undefined".to_owned(),
            file: file.to_owned(),
            line: rule.span().line,
            saw: Vec::new(),
            because: Vec::new(),
        }]
    }

    /// A condition that is a rule: what failed in there.
    fn because(
        &mut self,
        statement: &LiteralStmt,
        package: &[String],
        depth: usize,
    ) -> Vec<Condition> {
        let Literal::Expr { expr, .. } = &statement.literal else {
            return Vec::new();
        };
        if depth == 0 || !matches!(**expr, Expr::Var { .. } | Expr::RefDot { .. }) {
            return Vec::new();
        }
        let (path, open) = load::fixed(expr);
        if open {
            return Vec::new();
        }
        let full: Vec<String> = match path.first().map(String::as_str) {
            Some("data") => path,
            Some(_) => package.iter().cloned().chain(path).collect(),
            None => return Vec::new(),
        };
        let anatomy = self.anatomy;
        let mut found = Vec::new();
        for (module, contents) in anatomy.contents.iter().enumerate() {
            for (index, facts) in contents.rules.iter().enumerate() {
                if facts.path == full {
                    found.extend(self.failed(module, index, depth - 1));
                }
            }
        }
        found
    }

    /// What a condition looked at.
    fn saw(&mut self, statement: &LiteralStmt) -> Vec<(String, String)> {
        let mut paths: BTreeMap<String, String> = BTreeMap::new();
        load::each_reference(&statement.literal, &mut |expr| {
            let (path, open) = load::fixed(expr);
            if open || path.len() < 2 || !matches!(path[0].as_str(), "input" | "data") {
                return;
            }
            paths.insert(path.join("."), expr.span().text().to_owned());
        });
        // A path that goes on in another says nothing of its own.
        let longest: Vec<String> = paths
            .keys()
            .filter(|path| {
                !paths
                    .keys()
                    .any(|other| other.starts_with(&format!("{path}.")))
            })
            .cloned()
            .collect();
        longest
            .into_iter()
            .map(|path| {
                let value = self.value(&path);
                (path, value)
            })
            .collect()
    }

    fn value(&mut self, path: &str) -> String {
        let mut engine = self.engine.clone();
        engine.set_execution_timer_config(timer(limits::POLICY_TEST_TIME_MAX));
        let path = path.to_owned();
        let value = catch_unwind(AssertUnwindSafe(move || engine.eval_query(path, false)));
        let results = match value {
            Err(_) => return "the policy engine broke".to_owned(),
            Ok(Err(_)) => return "an error".to_owned(),
            Ok(Ok(results)) => results,
        };
        let found = results.result.first().and_then(|r| r.expressions.first());
        match found.map(|expression| &expression.value) {
            None | Some(Value::Undefined) => "undefined".to_owned(),
            Some(value) => shown(&value.to_string()),
        }
    }

    fn holds(&mut self, path: &str) -> bool {
        let mut engine = self.engine.clone();
        engine.set_execution_timer_config(timer(limits::POLICY_TEST_TIME_MAX));
        let path = path.to_owned();
        let value = catch_unwind(AssertUnwindSafe(move || engine.eval_rule(path)));
        match value {
            Ok(Ok(Value::Bool(held))) => held,
            Ok(Ok(Value::Set(said))) => !said.is_empty(),
            _ => false,
        }
    }
}

fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() > VALUE_CHARS_MAX {
        true => line
            .chars()
            .take(VALUE_CHARS_MAX - 1)
            .chain(['…'])
            .collect(),
        false => line,
    }
}

/// The text of a condition. Where the engine says it ends is not always where it does, so it is read anew:
/// to the end of the line, a `;` or a closing bracket, whichever comes first outside of brackets and
/// strings, and further where an operator or `with` carries it on.
fn condition(span: &Span) -> &str {
    let source = span.source.contents();
    let mut start = span.start as usize;
    // A string that comes first begins behind its quote.
    let before = start.checked_sub(1).and_then(|i| source.as_bytes().get(i));
    if before.is_some_and(|b| matches!(b, b'"' | b'`')) {
        start -= 1;
    }
    let text = source.get(start..).unwrap_or_default();
    text.get(..end_of(text, false)).unwrap_or(text).trim_end()
}

/// The text of the object that a rule of the four sets says, where it is written as one.
fn object(rule: &Rule) -> Option<&str> {
    let Rule::Spec {
        head: RuleHead::Set { refr, .. },
        ..
    } = rule
    else {
        return None;
    };
    // The engine has an object begin at one of its fields: it is looked for behind the rule's name.
    let span = refr.span();
    let text = span.source.contents().get(span.start as usize..)?;
    let said = text.split_once("contains")?.1.trim_start();
    match said.starts_with('{') {
        true => said.get(..end_of(said, true)),
        false => None,
    }
}

fn end_of(text: &str, bracketed: bool) -> usize {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    let mut comment = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some('"'), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\n') => {
                let code = text
                    .get(..comment.take().unwrap_or(at))
                    .unwrap_or_default()
                    .trim_end();
                let rest = text.get(at..).unwrap_or_default().trim_start();
                let signs = ["|", "&", "+", "-", "*", "/", "%", "=", "<", ">", ","];
                let goes_on =
                    signs.iter().any(|sign| code.ends_with(sign)) || rest.starts_with("with ");
                if depth == 0 && !goes_on {
                    return code.len();
                }
            }
            (None, _) if comment.is_some() => {}
            (None, '#') => comment = Some(at),
            (None, '"' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') if depth == 0 => return at,
            (None, ')' | ']' | '}') => {
                depth -= 1;
                if bracketed && depth == 0 {
                    return at + 1;
                }
            }
            (None, ';') if depth == 0 => return at,
            (None, _) => {}
        }
    }
    text.len()
}

fn bodies(rule: &Rule) -> &[RuleBody] {
    match rule {
        Rule::Spec {
            head: RuleHead::Compr { .. } | RuleHead::Set { .. },
            bodies,
            ..
        } => bodies,
        _ => &[],
    }
}

fn name(rule: usize, body: usize, count: usize) -> String {
    format!("portcullis_probe_{rule}_{body}_{count}")
}

/// By file: the line at which each probe begins.
type Lines = BTreeMap<String, BTreeMap<u32, String>>;

fn build(anatomy: &Anatomy, dropped: &BTreeSet<String>) -> Result<(Engine, Lines), String> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    let mut lines = Lines::new();
    for (module, contents) in anatomy.modules.iter().zip(&anatomy.contents) {
        if module.owner.is_test() {
            continue;
        }
        let mut text = module.text.clone();
        let places = lines.entry(module.file.clone()).or_default();
        for (index, rule) in contents.ast.policy.iter().enumerate() {
            for (number, body) in bodies(rule).iter().enumerate() {
                probes(rule, index, number, body, dropped, &mut |name, probe| {
                    text.push('\n');
                    let line = text.matches('\n').count() as u32 + 1;
                    places.insert(line, name.to_owned());
                    text.push_str(probe);
                });
            }
        }
        engine
            .add_policy(module.file.clone(), text)
            .map_err(|e| e.to_string())?;
    }
    let ready = "package portcullis.ready\n\nyes := true\n".to_owned();
    engine
        .add_policy("portcullis/ready.rego".to_owned(), ready)
        .map_err(|e| e.to_string())?;
    engine
        .add_data(anatomy.data.clone())
        .map_err(|e| e.to_string())?;
    Ok((engine, lines))
}

/// The probes of one body.
fn probes(
    rule: &Rule,
    index: usize,
    number: usize,
    body: &RuleBody,
    dropped: &BTreeSet<String>,
    add: &mut dyn FnMut(&str, &str),
) {
    let statements: Vec<&str> = body
        .query
        .stmts
        .iter()
        .map(|s| condition(&s.span))
        .collect();
    for count in 1..=statements.len() {
        let name = name(index, number, count);
        if !dropped.contains(&name) {
            let held = statements.get(..count).unwrap_or_default().join("\n");
            add(&name, &format!("{name} := true if {{\n{held}\n}}\n"));
        }
    }
    let name = name(index, number, 0);
    if let Some(said) = object(rule).filter(|_| !dropped.contains(&name)) {
        let held = match statements.is_empty() {
            true => "true".to_owned(),
            false => statements.join("\n"),
        };
        add(
            &name,
            &format!("{name} contains {said} if {{\n{held}\n}}\n"),
        );
    }
}
