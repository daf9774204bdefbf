//! Embeds what the program carries. The first-party plugins, as `builtin:NAME`: they are looked for in
//! `$PORTCULLIS_PLUGINS_DIR`, else in `plugins/` of the target folder, where `cargo xtask plugins` puts them; without
//! them the build still works, and using one says how to get it. And the SDK's sources, so that `portcullis plugin new`
//! needs nothing but the program.

#[path = "build/carried_sdk.rs"]
mod carried_sdk;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed=PORTCULLIS_PLUGINS_DIR");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut text = String::from("pub(super) const BUILTIN: &[(&str, &[u8])] = &[\n");
    if let Some(folder) = plugins_dir(&out) {
        println!("cargo::rerun-if-changed={}", folder.display());
        for plugin in plugins(&folder) {
            println!("cargo::rerun-if-changed={}", plugin.display());
            let name = plugin
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .replace('_', "-");
            writeln!(text, "    ({name:?}, include_bytes!({plugin:?})),").expect("a String grows");
        }
    }
    text.push_str("];\n");
    fs::write(out.join("builtin_plugins.rs"), text).expect("OUT_DIR can be written");
    fs::write(out.join("carried_sdk.rs"), carried_sdk::table(&out))
        .expect("OUT_DIR can be written");
}

fn plugins_dir(out: &Path) -> Option<PathBuf> {
    if let Some(folder) = env::var_os("PORTCULLIS_PLUGINS_DIR") {
        return Some(PathBuf::from(folder));
    }
    // target/[triple/]profile/build/portcullis-hash/out
    let target = out
        .ancestors()
        .skip(4)
        .take(2)
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.map(|folder| folder.join("plugins"))
}

fn plugins(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect();
    found.sort();
    found
}
