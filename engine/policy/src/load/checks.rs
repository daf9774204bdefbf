//! What a set must not contain. Each check refuses something that the engine would accept and that
//! would then fail open, fail late, or take the process down.

use super::graph::Graph;
use super::references::{Contents, HeadKind, Path, Reference, ReferenceKind};
use super::{Module, Owner};
use crate::diagnostic::Diagnostic;
use crate::input::{Known, Paths};
use portcullis_model::limits;
use regorus::unstable::BUILTINS;
use std::collections::{BTreeMap, BTreeSet};

/// The four sets a pack may define.
pub(crate) const ENTRIES: [&str; 4] = ["grant", "deny", "approval", "obligation"];

/// Builtins that no pack may call, with the reason.
const BANNED: [(&str, &str); 14] = [
    (
        "http.send",
        "it is a stub here: undefined, so that `not http.send(…)` is true for everybody",
    ),
    (
        "opa.runtime",
        "a decision depends on the input and on data alone",
    ),
    (
        "rand.intn",
        "a decision that cannot be repeated cannot be replayed",
    ),
    (
        "uuid.rfc4122",
        "a decision that cannot be repeated cannot be replayed",
    ),
    (
        "time.now_ns",
        "read the gateway's clock from input.request.time_ns",
    ),
    (
        "strings.count",
        "the engine panics on an empty needle; use count(indexof_n(text, needle))",
    ),
    (
        "numbers.range",
        "one call can take all memory, and no timer interrupts it",
    ),
    (
        "numbers.range_step",
        "one call can take all memory, and no timer interrupts it",
    ),
    (
        "net.cidr_expand",
        "one call can take all memory; use net.cidr_contains",
    ),
    (
        "bits.lsh",
        "one call can take all memory, and no timer interrupts it",
    ),
    (
        "graph.reachable_paths",
        "it is exponential in one call, and no timer interrupts it",
    ),
    ("trace", "it writes nothing here"),
    ("test.sleep", "a decision never waits"),
    ("print", "it would write values to the log; use it in tests"),
];

/// Checks all modules against each other.
pub(crate) struct Checks<'a> {
    pub modules: &'a [Module],
    pub contents: &'a [Contents],
    pub graph: &'a Graph,
    pub paths: &'a Paths,
    /// Off only in tests of what happens when a ban is missing.
    pub bans: bool,
}

impl Checks<'_> {
    /// Everything that is wrong.
    pub(crate) fn run(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        self.chains(&mut found);
        let functions: BTreeSet<&Path> = self
            .contents
            .iter()
            .flat_map(|c| &c.rules)
            .filter(|rule| rule.kind == HeadKind::Function)
            .map(|rule| &rule.path)
            .collect();
        let mut aliases = BTreeMap::new();
        for (module, contents) in self.modules.iter().zip(self.contents) {
            self.package(module, contents, &mut found);
            self.aliases(module, contents, &mut aliases, &mut found);
            for place in &contents.bare_imports {
                found.push(all_of(module, "an import").at(*place));
            }
            for rule in &contents.rules {
                self.entry_point(module, rule.kind, &rule.path, rule.place, &mut found);
                for reference in &rule.references {
                    let wrong = match reference.kind {
                        ReferenceKind::Data => self.data(module, reference),
                        ReferenceKind::Input => self.input(module, reference),
                        ReferenceKind::Call => self
                            .data(module, reference)
                            .or_else(|| unknown_function(module, reference, &functions)),
                        ReferenceKind::Builtin => self.builtin(module, reference),
                        ReferenceKind::With => with(module, reference),
                    };
                    found.extend(wrong.map(|d| d.at(reference.place)));
                }
            }
        }
        found
    }

    fn chains(&self, found: &mut Vec<Diagnostic>) {
        let (rule, message, path) = match self.graph.depth() {
            Ok(depth) if depth <= limits::POLICY_CALL_DEPTH_MAX => return,
            Ok(depth) => (
                "load/depth",
                format!(
                    "a chain of {depth} rules that call each other, the bound is {}",
                    limits::POLICY_CALL_DEPTH_MAX
                ),
                None,
            ),
            Err(cycle) => {
                let mut names: Vec<String> = cycle.iter().map(|p| dotted(p)).collect();
                names.extend(names.first().cloned());
                (
                    "load/cycle",
                    format!("recursion: {}", names.join(" -> ")),
                    cycle.first().copied(),
                )
            }
        };
        let (file, place) = self.find(path);
        let remedy = "Rego has no recursion: the engine would overflow its stack. Use a comprehension, \
                      `walk` or `graph.reachable`; rename a local variable that has the name of a rule.";
        found.push(Diagnostic::file(&file, rule, message, remedy).at(place));
    }

    fn find(&self, path: Option<&Path>) -> (String, (u32, u32)) {
        self.modules
            .iter()
            .zip(self.contents)
            .flat_map(|(m, c)| c.rules.iter().map(move |r| (m, r)))
            .find(|(_, rule)| Some(&rule.path) == path)
            .map_or_else(
                || ("policies".to_owned(), (0, 0)),
                |(module, rule)| (module.file.clone(), rule.place),
            )
    }

    fn package(&self, module: &Module, contents: &Contents, found: &mut Vec<Diagnostic>) {
        let expected = module.owner.package();
        if dotted(&contents.package) == expected {
            return;
        }
        found.push(
            Diagnostic::file(
                &module.file,
                "load/package",
                format!("the package is {}", dotted(&contents.package)),
                &format!(
                    "This file has to begin with `package {}`: a pack owns its own package and nothing else.",
                    expected.trim_start_matches("data.")
                ),
            )
            .at(contents.place),
        );
    }

    /// The engine has one table of imports for a package, and asks it after the package's own rules.
    fn aliases<'c>(
        &self,
        module: &Module,
        contents: &'c Contents,
        known: &mut BTreeMap<(&'c [String], &'c str), &'c [String]>,
        found: &mut Vec<Diagnostic>,
    ) {
        let own = |alias: &str| {
            let mut rules = self.contents.iter().flat_map(|c| &c.rules);
            rules.any(|rule| {
                let name = rule.path.strip_prefix(contents.package.as_slice());
                name.and_then(|name| name.first())
                    .is_some_and(|name| name == alias)
            })
        };
        for (alias, path, place) in &contents.imports {
            let message = match known.insert((&contents.package, alias), path) {
                _ if matches!(alias.as_str(), "data" | "input") => {
                    format!("`{alias}` is the name of a whole document")
                }
                _ if own(alias) => format!("`{alias}` is also a rule of this package"),
                Some(other) if other != path.as_slice() => {
                    format!("`{alias}` is also imported for {}", dotted(other))
                }
                _ => continue,
            };
            let remedy = "The engine would take one for the other. Give the import a name of its own: `import … as name`.";
            found.push(
                Diagnostic::file(&module.file, "load/import-alias", message, remedy).at(*place),
            );
        }
    }

    fn entry_point(
        &self,
        module: &Module,
        kind: HeadKind,
        path: &[String],
        place: (u32, u32),
        found: &mut Vec<Diagnostic>,
    ) {
        let Owner::Pack(_) = &module.owner else {
            return;
        };
        let named = path.get(4).filter(|name| ENTRIES.contains(&name.as_str()));
        if let (Some(name), true) = (named, kind == HeadKind::Function || path.len() > 5) {
            found.push(
                Diagnostic::file(
                    &module.file,
                    "load/entry-point",
                    format!("`{name}` is one of the four sets of a pack and cannot be a function or an object"),
                    &format!("Write `{name} contains {{\"rule\": …}} if {{ … }}`."),
                )
                .at(place),
            );
        }
    }

    /// A reference to rules or data.
    fn data(&self, module: &Module, reference: &Reference) -> Option<Diagnostic> {
        let parts: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["data"] => Some(all_of(module, "a reference")),
            ["data", "portcullis", rest @ ..] => self.reserved(module, reference, rest),
            _ => None,
        }
    }

    fn reserved(
        &self,
        module: &Module,
        reference: &Reference,
        rest: &[&str],
    ) -> Option<Diagnostic> {
        let test = module.owner.is_test();
        let allowed = match (&module.owner, rest) {
            (_, ["lib", ..]) => true,
            (_, ["fixtures", ..]) => test || module.owner == Owner::Fixtures,
            (Owner::Pack(own) | Owner::PackTest(own), ["packs", pack, ..]) => {
                pack == own || (test && pack.strip_suffix("_test") == Some(own.as_str()))
            }
            (Owner::LibTest, ["lib_test", ..]) => true,
            _ => false,
        };
        if !allowed {
            return Some(Diagnostic::file(
                &module.file,
                "load/foreign",
                format!(
                    "{} is none of this pack's business",
                    dotted(&reference.path)
                ),
                "Packs never see each other: what one says cannot depend on another. Share data, or copy the rule.",
            ));
        }
        if self.graph.targets(&reference.path).is_empty() {
            return Some(Diagnostic::file(
                &module.file,
                "load/unknown-rule",
                format!("there is no rule {}", dotted(&reference.path)),
                "Correct the name: an undefined rule is silently false, and its negation true.",
            ));
        }
        None
    }

    fn input(&self, module: &Module, reference: &Reference) -> Option<Diagnostic> {
        if module.owner.is_test() {
            return None;
        }
        let path = reference.path.get(1..)?;
        let Known::Not(index) = self.paths.look(path) else {
            return None;
        };
        let fields = self.paths.fields(path.get(..index)?).join(", ");
        Some(Diagnostic::file(
            &module.file,
            "load/unknown-input",
            format!(
                "there is no {} in the input document",
                dotted(&reference.path)
            ),
            &format!("Fields there: {fields}. See policies/input.schema.json."),
        ))
    }

    fn builtin(&self, module: &Module, reference: &Reference) -> Option<Diagnostic> {
        let name = reference.path.join(".");
        if name == "print" && module.owner.is_test() {
            return None;
        }
        if let Some((_, reason)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            return self.bans.then(|| {
                Diagnostic::file(
                    &module.file,
                    "load/banned-function",
                    format!("{name} may not be called"),
                    &format!("{reason}."),
                )
            });
        }
        match BUILTINS.contains_key(name.as_str()) {
            true => None,
            false => Some(no_function(module, &name)),
        }
    }
}

fn unknown_function(
    module: &Module,
    reference: &Reference,
    functions: &BTreeSet<&Path>,
) -> Option<Diagnostic> {
    match !reference.open && functions.contains(&reference.path) {
        true => None,
        false => Some(no_function(module, &dotted(&reference.path))),
    }
}

fn no_function(module: &Module, name: &str) -> Diagnostic {
    Diagnostic::file(
        &module.file,
        "load/unknown-function",
        format!("there is no function {name}"),
        "The engine would notice only when it is reached. `crypto.*` and `io.jwt.*` do not exist here.",
    )
}

fn with(module: &Module, reference: &Reference) -> Option<Diagnostic> {
    match module.owner.is_test() {
        true => None,
        false => Some(Diagnostic::file(
            &module.file,
            "load/with",
            format!("`with {}` outside a test", dotted(&reference.path)),
            "A rule judges the input it is given. Move the test into a file that ends in _test.rego.",
        )),
    }
}

fn all_of(module: &Module, what: &str) -> Diagnostic {
    Diagnostic::file(
        &module.file,
        "load/foreign",
        format!("{what} to a whole document: `data` holds every other pack"),
        "Name the part that is meant: `data.access`, `data.config`, `data.portcullis.lib`.",
    )
}

pub(crate) fn dotted(path: &[String]) -> String {
    path.join(".")
}
