//! Rules about Rust files: a header that says what and why, short functions, short files, honest names,
//! and no way to panic in the data path.

use super::Breach;
use anyhow::{Context, Result};
use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

const BANNED: [&str; 9] = [
    "manager",
    "handler",
    "helper",
    "util",
    "common",
    "misc",
    "service",
    "processor",
    "base",
];

/// Crates in which nothing may panic.
const NO_PANIC: [&str; 9] = [
    "engine/model/",
    "engine/gate/",
    "engine/link/",
    "engine/sql/",
    "engine/stream/",
    "engine/wire-postgres/",
    "engine/wire-ssh/",
    "engine/wire-kubernetes/",
    "engine/sandbox/",
];

/// Checks one file.
pub fn check(workspace: &Path, file: &Path, breaches: &mut Vec<Breach>) -> Result<()> {
    let shown = file.display().to_string();
    let text =
        std::fs::read_to_string(workspace.join(file)).with_context(|| format!("read {shown}"))?;
    if shown.contains("/compile_fail/") {
        return Ok(());
    }
    if !text.starts_with("//!") && !text.starts_with("#!") {
        breaches.push(Breach::new(
            &shown,
            "open with `//!`: what it is, why, and what it refuses to do",
        ));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        let advice = format!("{lines} lines, at most {FILE_LINES_MAX}: split it by idea");
        breaches.push(Breach::new(&shown, advice));
    }
    let stem = file
        .file_stem()
        .map(|s| s.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    if let Some(word) = stem.split(['_', '-']).find(|w| BANNED.contains(w)) {
        breaches.push(Breach::new(
            &shown,
            format!("`{word}` names nothing: say what it is"),
        ));
    }
    let Ok(tree) = syn::parse_file(&text) else {
        breaches.push(Breach::new(&shown, "does not parse"));
        return Ok(());
    };
    let test_file = shown.contains("/tests/")
        || stem == "tests"
        || stem.ends_with("_tests")
        || shown.starts_with("tests/");
    let mut visitor = Visitor {
        file: shown.clone(),
        no_panic: !test_file && NO_PANIC.iter().any(|c| shown.starts_with(c)),
        breaches,
    };
    visitor.visit_file(&tree);
    Ok(())
}

struct Visitor<'a> {
    file: String,
    no_panic: bool,
    breaches: &'a mut Vec<Breach>,
}

impl Visitor<'_> {
    fn breach(&mut self, span: proc_macro2::Span, advice: String) {
        let place = format!("{}:{}", self.file, span.start().line);
        self.breaches.push(Breach::new(place, advice));
    }

    fn length(&mut self, name: &syn::Ident, whole: proc_macro2::Span) {
        let lines = whole.end().line + 1 - name.span().start().line;
        if lines > FUNCTION_LINES_MAX {
            let advice = format!(
                "`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}: give its parts names"
            );
            self.breach(name.span(), advice);
        }
    }

    fn type_name(&mut self, name: &syn::Ident) {
        let mut word = String::new();
        for letter in name.to_string().chars().chain(std::iter::once('A')) {
            if letter.is_uppercase() && !word.is_empty() {
                if BANNED.contains(&word.as_str()) {
                    self.breach(
                        name.span(),
                        format!("`{word}` in `{name}` names nothing: say what it is"),
                    );
                }
                word.clear();
            }
            word.extend(letter.to_lowercase());
        }
    }
}

/// `#[cfg(test)]`, `#[test]`, `#[tokio::test]`.
fn for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        path.segments.last().is_some_and(|s| s.ident == "test")
            || (path.is_ident("cfg")
                && attribute
                    .meta
                    .require_list()
                    .is_ok_and(|l| l.tokens.to_string().starts_with("test")))
    })
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let before = self.no_panic;
        self.no_panic &= !for_tests(&item.attrs);
        visit::visit_item_mod(self, item);
        self.no_panic = before;
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.length(&item.sig.ident, item.span());
        let before = self.no_panic;
        self.no_panic &= !for_tests(&item.attrs);
        visit::visit_item_fn(self, item);
        self.no_panic = before;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.length(&item.sig.ident, item.span());
        let before = self.no_panic;
        self.no_panic &= !for_tests(&item.attrs);
        visit::visit_impl_item_fn(self, item);
        self.no_panic = before;
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.type_name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.type_name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if self.no_panic && (call.method == "unwrap" || call.method == "expect") {
            let advice = format!(
                "`{}` can panic in the data path: return a Fault",
                call.method
            );
            self.breach(call.method.span(), advice);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_index(&mut self, index: &'ast syn::ExprIndex) {
        if self.no_panic {
            self.breach(
                index.span(),
                "indexing can panic in the data path: use `get`".to_owned(),
            );
        }
        visit::visit_expr_index(self, index);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let name = item
            .path
            .segments
            .last()
            .map(|s| s.ident.to_string())
            .unwrap_or_default();
        if self.no_panic
            && ["panic", "unreachable", "todo", "unimplemented"].contains(&name.as_str())
        {
            self.breach(
                item.span(),
                format!("`{name}!` in the data path: return a Fault"),
            );
        }
        visit::visit_macro(self, item);
    }
}
