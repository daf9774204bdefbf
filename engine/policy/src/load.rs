//! From sources to a set that may serve: read, parse, check, compile, test, in that order. Nothing is
//! evaluated before the checks have passed, because some of what they refuse would end the process.
//! It refuses the whole set at the first stage that finds something wrong.

mod checks;
mod console;
mod data;
mod graph;
mod guards;
pub(crate) mod heads;
mod reach;
mod references;
mod scope;
mod types;
mod walk;

pub(crate) use checks::ENTRIES;

use crate::builtin;
use crate::diagnostic::{Diagnostic, pointed};
use crate::explain::Anatomy;
use crate::input::{Paths, Section};
use crate::set::{Pack, Plan, PolicySet, Reads};
use crate::source::{Files, PackSource, Pieces};
use crate::testing::{Suite, TestReport};
use aws_lc_rs::digest::{Context, SHA256};
use checks::Checks;
use graph::Graph;
use portcullis_model::limits;
pub(crate) use references::{Contents, fixed};
use references::{HeadKind, ReferenceKind};
use regorus::unstable::{Expr, Literal};
use regorus::{Engine, Value};
use scope::Scope;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whose module it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Lib,
    LibTest,
    Fixtures,
    Pack(String),
    PackTest(String),
}

impl Owner {
    fn package(&self) -> String {
        match self {
            Self::Lib => "data.portcullis.lib".to_owned(),
            Self::LibTest => "data.portcullis.lib_test".to_owned(),
            Self::Fixtures => "data.portcullis.fixtures".to_owned(),
            Self::Pack(name) => format!("data.portcullis.packs.{name}"),
            Self::PackTest(name) => format!("data.portcullis.packs.{name}_test"),
        }
    }

    /// True for what never serves.
    pub(crate) fn is_test(&self) -> bool {
        match self {
            Self::Lib | Self::Pack(_) => false,
            Self::LibTest | Self::Fixtures | Self::PackTest(_) => true,
        }
    }
}

/// One file.
pub(crate) struct Module {
    pub owner: Owner,
    pub file: String,
    pub text: String,
}

/// How strict the loader is; less than everything only in this crate's own tests.
#[derive(Clone, Copy)]
pub(crate) struct Strictness {
    pub bans: bool,
    pub tests: bool,
}

/// Loads a set. See [`PolicySet::load`].
pub(crate) fn load(
    sources: &[PackSource],
    data: serde_json::Value,
    strictness: Strictness,
) -> Result<PolicySet, Vec<Diagnostic>> {
    let mut read = read(sources)?;
    let data = data::merged(data, &read).map_err(|found| vec![found])?;
    read.extend(console::pack(&data, &read).map_err(|found| vec![found])?);
    let modules = Arc::new(modules(&read)?);
    compile(&read, &modules, data, strictness).map_err(|wrong| {
        let text_of = |file: &str| modules.iter().find(|m| m.file == file).map(|m| &*m.text);
        wrong.into_iter().map(|d| d.excerpted(text_of)).collect()
    })
}

/// A source that has been read.
pub(crate) struct Read {
    pub name: String,
    pub dry_run: bool,
    pub pieces: Pieces,
}

fn read(sources: &[PackSource]) -> Result<Vec<Read>, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for source in sources {
        // A name that is wrong by itself is told before a folder that is not there.
        if !matches!(source.files, Files::Bundle(..))
            && let Some(diagnostic) = bad_name(&source.name)
        {
            wrong.push(diagnostic);
            continue;
        }
        match source.read() {
            Err(diagnostic) => wrong.push(diagnostic),
            Ok(mut pieces) => {
                let name = pieces.name.take().unwrap_or_else(|| source.name.clone());
                wrong.extend(bad_name(&name).or_else(|| taken(&name, &mut names)));
                all.push(Read {
                    name,
                    dry_run: source.dry_run,
                    pieces,
                });
            }
        }
    }
    refuse(wrong)?;
    Ok(all)
}

fn compile(
    sources: &[Read],
    modules: &Arc<Vec<Module>>,
    data: Value,
    strictness: Strictness,
) -> Result<PolicySet, Vec<Diagnostic>> {
    let parsed = parse(modules)?;
    let graph = Graph::new(parsed.iter().flat_map(|c| &c.rules));
    let checks = Checks {
        modules,
        contents: &parsed,
        graph: &graph,
        paths: &Paths::new(),
        bans: strictness.bans,
    };
    refuse(checks.run())?;
    let mut wrong = spoken(modules, &parsed);
    let packs = packs(sources, modules, &parsed, &graph, &data, &mut wrong);
    refuse(wrong)?;
    let keys = plain_keys(&data);
    let plan = Plan::of(&packs, &keys);
    let entry = plan.module(&packs);
    let prototype = engine(modules, &entry, &data, false).map_err(|d| vec![d])?;
    let revision = revision(&packs, modules, &data);
    let tests = Suite::new(
        modules,
        &parsed,
        engine(modules, &entry, &data, true).map_err(|d| vec![d])?,
    );
    if strictness.tests {
        refuse(failures(&tests.run()))?;
    }
    let anatomy = Anatomy {
        modules: Arc::clone(modules),
        contents: parsed,
        data,
    };
    Ok(PolicySet::new(
        prototype,
        packs,
        plan,
        Arc::from(revision),
        tests,
        anatomy,
    ))
}

/// The first keys of the data that can be written without quotes.
fn plain_keys(data: &Value) -> BTreeSet<String> {
    let Ok(fields) = data.as_object() else {
        return BTreeSet::new();
    };
    let keys = fields.iter().filter_map(|(key, _)| key.as_string().ok());
    keys.map(|key| key.to_string())
        .filter(|key| plain(key))
        .collect()
}

/// True for a name that can be written as it is.
fn plain(name: &str) -> bool {
    const WORDS: [&str; 15] = [
        "as", "contains", "default", "else", "every", "false", "if", "import", "in", "not", "null",
        "package", "some", "true", "with",
    ];
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name)
}

fn refuse(mut wrong: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort();
    wrong.dedup();
    Err(wrong)
}

fn failures(report: &TestReport) -> Vec<Diagnostic> {
    report
        .results
        .iter()
        .filter_map(|result| {
            let why = result.failure.as_ref()?;
            let remedy =
                "A set that fails its own tests does not serve. Correct the rule or the test.";
            let message = format!("{} failed: {why}", result.name);
            Some(Diagnostic::file(&result.file, "load/test", message, remedy).at((result.line, 0)))
        })
        .collect()
}

/// All modules: the library and the fixtures, which are the gateway's own, and those of the packs.
fn modules(sources: &[Read]) -> Result<Vec<Module>, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let mut modules: Vec<Module> = builtin::library()
        .iter()
        .map(|(path, text)| Module {
            owner: match *path {
                path if path.ends_with("_test.rego") => Owner::LibTest,
                path if path.contains("fixtures") => Owner::Fixtures,
                _ => Owner::Lib,
            },
            file: (*path).to_owned(),
            text: (*text).to_owned(),
        })
        .collect();
    for source in sources {
        modules.extend(source.pieces.files.iter().map(|(file, text)| Module {
            owner: match file.ends_with("_test.rego") {
                true => Owner::PackTest(source.name.clone()),
                false => Owner::Pack(source.name.clone()),
            },
            file: file.clone(),
            text: text.clone(),
        }));
    }
    let mut seen = BTreeSet::new();
    for module in &modules {
        if !seen.insert(&module.file) {
            wrong.push(Diagnostic::file(
                &module.file,
                "load/duplicate-module",
                "the module is there twice".to_owned(),
                "The engine would keep both. List each file once.",
            ));
        }
    }
    if modules.len() > limits::POLICY_MODULES_MAX {
        wrong.push(Diagnostic::file(
            "policies",
            "load/too-many",
            format!("more than {} modules", limits::POLICY_MODULES_MAX),
            "Load fewer packs.",
        ));
    }
    refuse(wrong)?;
    Ok(modules)
}

fn bad_name(name: &str) -> Option<Diagnostic> {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.ends_with("_test");
    (!plain).then(|| {
        Diagnostic::file(
            name,
            "load/name",
            format!("`{name}` is no name for a pack"),
            "Use lower-case letters, digits and `_`, beginning with a letter and not ending in `_test`.",
        )
    })
}

fn taken(name: &str, seen: &mut BTreeSet<String>) -> Option<Diagnostic> {
    if seen.insert(name.to_owned()) {
        return None;
    }
    Some(Diagnostic::file(
        name,
        "load/duplicate-module",
        format!("the pack {name} is listed twice"),
        "List each pack once; a pack cannot be enforced and on trial at the same time.",
    ))
}

/// Hands every reference of a condition to `see`.
pub(crate) fn each_reference(literal: &Literal, see: &mut dyn FnMut(&Expr)) {
    walk::literal(literal, &mut |seen| {
        if let walk::Seen::Expr(expr @ (Expr::RefDot { .. } | Expr::RefBrack { .. })) = seen {
            see(expr);
        }
    });
}

/// Parses every module on its own, so that each error names its file.
fn parse(modules: &[Module]) -> Result<Vec<Contents>, Vec<Diagnostic>> {
    let mut wrong = Vec::new();
    let mut parsed = Vec::new();
    let mut names: references::Names = BTreeMap::new();
    for module in modules {
        let mut engine = Engine::new();
        match engine.add_policy(module.file.clone(), module.text.clone()) {
            Err(error) => wrong.push(unparsed(module, &error.to_string())),
            Ok(_) => {
                parsed.extend(engine.get_modules().iter().cloned());
            }
        }
    }
    refuse(wrong)?;
    for module in &parsed {
        let (package, own) = references::names(module);
        names.entry(package).or_default().extend(own);
    }
    Ok(parsed
        .iter()
        .map(|module| references::contents(module, &names))
        .collect())
}

fn unparsed(module: &Module, error: &str) -> Diagnostic {
    let (place, message) = pointed(error);
    let diagnostic = Diagnostic::file(
        &module.file,
        "load/parse",
        message,
        "The gateway reads Rego v1: `rule if { … }`, `set contains x if { … }`.",
    );
    match place {
        Some((_, line, column)) => diagnostic.at((line, column)),
        None => diagnostic,
    }
}

/// The packs with their sets and what each of them reads.
fn packs(
    sources: &[Read],
    modules: &[Module],
    parsed: &[Contents],
    graph: &Graph,
    data: &Value,
    wrong: &mut Vec<Diagnostic>,
) -> Vec<Pack> {
    let reads = reads_by_rule(parsed);
    let (scope, at_large) = (Scope::new(parsed, data), Scope::at_large(parsed));
    sources
        .iter()
        .map(|source| {
            let package = Owner::Pack(source.name.clone()).package();
            let root: Vec<String> = package.split('.').map(str::to_owned).collect();
            let own = graph.targets(&root);
            let entries = ENTRIES
                .into_iter()
                .filter(|entry| {
                    own.iter()
                        .any(|&rule| graph.path(rule).get(4).is_some_and(|n| n == entry))
                })
                .collect::<Vec<_>>();
            if entries.is_empty() {
                let file = modules
                    .iter()
                    .find(|m| m.owner == Owner::Pack(source.name.clone()))
                    .map_or(source.name.as_str(), |m| m.file.as_str());
                wrong.push(Diagnostic::file(
                    file,
                    "load/says-nothing",
                    format!(
                        "the pack {} defines none of {}",
                        source.name,
                        ENTRIES.join(", ")
                    ),
                    "A pack says something through at least one of these sets.",
                ));
            }
            let reached = graph.reach(own);
            let mut reached = reached.into_iter().map(|rule| graph.path(rule));
            let (mut all, mut data) = (Reads::nothing(), BTreeSet::new());
            reached.by_ref().for_each(|path| {
                if let Some((reads, keys)) = reads.get(path.as_slice()) {
                    all = all.join(*reads);
                    data.extend(keys.iter().cloned());
                }
            });
            let entries = entries.into_iter();
            Pack {
                name: Arc::from(source.name.as_str()),
                dry_run: source.dry_run,
                signed_by: source.pieces.signed_by.clone(),
                entries: entries
                    .map(|name| scope.entry(&root, name, &at_large))
                    .collect(),
                reads: all,
                data,
            }
        })
        .collect()
}

/// What is wrong with the rules of the four sets, rule by rule.
fn spoken(modules: &[Module], parsed: &[Contents]) -> Vec<Diagnostic> {
    let scope = Scope::at_large(parsed);
    let paths = Paths::new();
    let mut wrong = Vec::new();
    for (module, contents) in modules.iter().zip(parsed) {
        if module.owner.is_test() {
            continue;
        }
        wrong.extend(types::check(&module.file, &contents.ast, &paths));
        for (rule, facts) in contents.ast.policy.iter().zip(&contents.rules) {
            let entry = facts.path.get(4).map_or("", String::as_str);
            let Owner::Pack(_) = &module.owner else {
                continue;
            };
            if !ENTRIES.contains(&entry) || facts.kind != HeadKind::Set {
                continue;
            }
            wrong.extend(heads::check(&module.file, entry, rule));
            wrong.extend(reach::check(&reach::Spoken {
                file: &module.file,
                entry,
                rule,
                stages: scope.bodies(facts),
            }));
        }
    }
    wrong
}

/// What each rule reads: of the input in sections of the document, of data its first keys.
type ReadsByRule<'p> = BTreeMap<&'p [String], (Reads, BTreeSet<String>)>;

fn reads_by_rule(parsed: &[Contents]) -> ReadsByRule<'_> {
    let mut reads = ReadsByRule::new();
    for rule in parsed.iter().flat_map(|c| &c.rules) {
        let nothing = (Reads::nothing(), BTreeSet::new());
        let (input, data) = reads.entry(&rule.path).or_insert(nothing);
        for reference in &rule.references {
            let parts: Vec<&str> = reference.path.iter().skip(1).map(String::as_str).collect();
            match (reference.kind, parts.first()) {
                (ReferenceKind::Input, _) => *input = input.join(sections(&parts)),
                (ReferenceKind::Data, Some(key)) => {
                    data.insert((*key).to_owned());
                }
                _ => {}
            }
        }
    }
    reads
}

fn sections(path: &[&str]) -> Reads {
    let of = |sections: &[Section]| Reads::of(sections);
    match path {
        ["version", ..] => Reads::nothing(),
        ["action", ..] => of(&[Section::Action]),
        ["identity", ..] => of(&[Section::Identity]),
        ["connection", ..] => of(&[Section::Connection]),
        ["session", ..] => of(&[Section::Session]),
        ["connect", ..] => of(&[Section::Connect]),
        [
            "command",
            "text" | "truncated" | "parameters" | "digest",
            ..,
        ] => of(&[Section::Wording]),
        ["command"] => of(&[Section::Meaning, Section::Wording]),
        ["command", ..] => of(&[Section::Meaning]),
        ["context", ..] => of(&[Section::Context]),
        ["approval", ..] => of(&[Section::Approval]),
        ["request", "node" | "source_ip" | "program" | "tls", ..] => of(&[Section::Origin]),
        ["request", "time_ns", ..] => of(&[Section::Time]),
        ["request"] => of(&[Section::Origin, Section::Time]),
        ["history", ..] => of(&[Section::History]),
        // The whole document, or something new: when unsure, all of it and not cached.
        _ => Reads::everything(),
    }
}

/// The module that asks packs for their sets, see [`Plan::module`].
const ENTRY_FILE: &str = "portcullis/entry.rego";

/// An engine that is ready to be cloned for each decision.
fn engine(
    modules: &[Module],
    entry: &str,
    data: &Value,
    tests: bool,
) -> Result<Engine, Diagnostic> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    let broken = |error: &str| {
        let (place, message) = pointed(error);
        let (file, line, column) = place.unwrap_or_else(|| ("policies".to_owned(), 0, 0));
        let remedy = "The engine cannot compile this: correct the line.";
        Diagnostic::file(&file, "load/compile", message, remedy).at((line, column))
    };
    for module in modules.iter().filter(|m| tests || !m.owner.is_test()) {
        engine
            .add_policy(module.file.clone(), module.text.clone())
            .map_err(|e| broken(&e.to_string()))?;
    }
    engine
        .add_policy(ENTRY_FILE.to_owned(), entry.to_owned())
        .map_err(|e| broken(&e.to_string()))?;
    engine
        .add_data(data.clone())
        .map_err(|e| broken(&e.to_string()))?;
    engine
        .eval_rule("data.portcullis.entry.ready".to_owned())
        .map_err(|e| broken(&e.to_string()))?;
    Ok(engine)
}

/// The first 12 hex digits of the SHA-256 over everything that decides.
fn revision(packs: &[Pack], modules: &[Module], data: &Value) -> String {
    let mut context = Context::new(&SHA256);
    let mut field = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_le_bytes());
        context.update(bytes);
    };
    for pack in packs {
        field(pack.name.as_bytes());
        field(&[u8::from(pack.dry_run)]);
    }
    for module in modules.iter().filter(|m| !m.owner.is_test()) {
        field(module.owner.package().as_bytes());
        field(module.text.as_bytes());
    }
    // The engine's maps are ordered: the same data has the same bytes.
    field(data.to_string().as_bytes());
    let digest = context.finish();
    hex::encode(digest.as_ref().get(..6).unwrap_or_default())
}
