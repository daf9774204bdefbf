//! The SDK as the program carries it: its sources, and a manifest that needs no workspace. Refuses a manifest that it
//! cannot turn into such a one: the build stops and names the line.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Dependencies of the build tools: a plugin never needs them.
const NOT_FOR_PLUGINS: [&str; 4] = ["wit-component", "wit-parser", "wasm-encoder", "wasmparser"];

/// A table of paths and texts, as Rust. The manifest is written beside it.
pub fn table(out: &Path) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders deep");
    let sdk = workspace.join("sdk");
    let read = |path: PathBuf| {
        println!("cargo::rerun-if-changed={}", path.display());
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let manifest = manifest(
        &read(sdk.join("Cargo.toml")),
        &read(workspace.join("Cargo.toml")),
    );
    let manifest_file = out.join("carried_sdk.toml");
    fs::write(&manifest_file, manifest).expect("OUT_DIR can be written");
    let mut files = vec![("Cargo.toml".to_owned(), manifest_file)];
    for folder in ["src", "wit"] {
        println!("cargo::rerun-if-changed={}", sdk.join(folder).display());
        collect(&sdk.join(folder), folder, &mut files);
    }
    files.retain(|(name, _)| !name.starts_with("src/build"));
    files.sort();
    let mut text = String::from("pub(super) const SDK: &[(&str, &str)] = &[\n");
    for (name, path) in files {
        writeln!(text, "    ({name:?}, include_str!({path:?})),").expect("a String grows");
    }
    text + "];\n"
}

fn collect(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        let name = format!(
            "{name}/{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        );
        match path.is_dir() {
            true => collect(&path, &name, files),
            false => files.push((name, path)),
        }
    }
}

/// The SDK's manifest with everything that it takes from the workspace written out, and without what only the
/// workspace needs.
fn manifest(sdk: &str, workspace: &str) -> String {
    let mut text =
        String::from("# Carried by the portcullis program; see README.md of the plugin.\n");
    let mut section = String::new();
    for line in sdk.lines() {
        if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']').to_owned();
        }
        let wanted = ["package", "lib", "features"].contains(&section.as_str())
            || section.ends_with("dependencies") && !section.contains("dev-");
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let left_out = !wanted
            || line.starts_with('#')
            || NOT_FOR_PLUGINS.contains(&name)
            || section == "features" && name == "build"
            || section == "package" && ["readme", "publish"].contains(&name);
        if !left_out {
            writeln!(text, "{}", written_out(line, name, workspace)).expect("a String grows");
        }
    }
    // The SDK's own switches are not all among the features of this copy.
    text + "\n[lints.rust]\nunexpected_cfgs = \"allow\"\n"
}

/// `serde.workspace = true` as the workspace writes it: `serde = { version = "1", … }`.
fn written_out(line: &str, name: &str, workspace: &str) -> String {
    if !line.contains("workspace = true") {
        return line.to_owned();
    }
    let there = workspace
        .lines()
        .find_map(|l| l.strip_prefix(name)?.trim_start().strip_prefix('='))
        .unwrap_or_else(|| panic!("the workspace's Cargo.toml does not say `{name} = …`"))
        .trim();
    let more = line
        .split_once('{')
        .map_or("", |(_, rest)| rest.trim_end_matches('}'));
    let more: Vec<&str> = more
        .split(", ")
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "workspace = true")
        .collect();
    if more.is_empty() {
        return format!("{name} = {there}");
    }
    let own = match there.strip_prefix('{') {
        Some(fields) => fields.trim_end_matches('}').trim().to_owned(),
        None => format!("version = {there}"),
    };
    assert!(
        !(own.contains("features") && more.iter().any(|m| m.starts_with("features"))),
        "{line}: features both here and in the workspace; write them in one place"
    );
    format!("{name} = {{ {own}, {} }}", more.join(", "))
}
