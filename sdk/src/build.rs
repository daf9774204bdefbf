//! From a crate, or from any core module, to a plugin: the module gets the types of its world, becomes a component,
//! and carries its manifest in a custom section. For build tools (feature `build`); refuses a module that imports
//! anything but `host`, and says where such an import comes from.

mod guest;
mod toolchain;

pub use guest::{Guest, PROFILE};
pub use toolchain::{TARGET, Toolchain, wasm_ld};

use crate::manifest::{Manifest, SECTION, World};
use std::borrow::Cow;
use wasm_encoder::{CustomSection, Section};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract.
pub const WIT: &str = include_str!("../wit/portcullis.wit");

/// What a module may import from.
const HOST: &str = "portcullis:plugin/host@0.1.0";

/// Makes a component of a core module built for `wasm32-unknown-unknown`, with this manifest.
///
/// # Errors
/// A sentence: the manifest is malformed, or the module does not fit its world.
pub fn component(module: &[u8], manifest: &str) -> Result<Vec<u8>, String> {
    let parsed = Manifest::parse(manifest)?;
    check_module(module)?;
    let world = match parsed.world {
        World::Masker => "masker",
        World::Classifier => "classifier",
    };
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("portcullis.wit", WIT)
        .map_err(|e| format!("the contract cannot be read: {e:#}"))?;
    let id = resolve
        .select_world(&[package], Some(world))
        .map_err(|e| format!("the contract has no such world: {e:#}"))?;
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, id, StringEncoding::UTF8)
        .map_err(|e| format!("the module cannot take the types of its world: {e:#}"))?;
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|e| no_plugin(world, &format!("{e:#}")))?;
    let json = serde_json::to_vec(&parsed).map_err(|e| e.to_string())?;
    let section = CustomSection {
        name: Cow::Borrowed(SECTION),
        data: Cow::Owned(json),
    };
    component.push(section.id());
    wasm_encoder::Encode::encode(&section, &mut component);
    Ok(component)
}

fn no_plugin(world: &str, detail: &str) -> String {
    format!(
        "the module is no {world}: {detail}. Its manifest says `\"world\": \"{world}\"`: the crate must call \
         `export_{world}!`, and be `crate-type = [\"cdylib\", \"rlib\"]`"
    )
}

/// A core module that imports nothing but the contract's host.
fn check_module(module: &[u8]) -> Result<(), String> {
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|e| format!("not WebAssembly: {}", e.message()))?;
        match payload {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => {
                return Err(already_a_component());
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(|e| e.message().to_owned())?;
                    check_import(import.module, import.name)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn already_a_component() -> String {
    format!(
        "this is a component already, and a plugin is built from a core module: build for `{TARGET}` \
         (wasm32-wasip2 makes components, and these import WASI, which does not exist here)"
    )
}

fn check_import(module: &str, name: &str) -> Result<(), String> {
    if module == HOST {
        return Ok(());
    }
    let advice = if module.starts_with("wasi") {
        format!(
            "that is WASI: the module was built for wasm32-wasip1 or linked with a C library. Build it for \
             `{TARGET}`; a plugin has no clock, file, socket, environment or randomness"
        )
    } else if module.starts_with("__wbindgen") || module == "wasm-bindgen" {
        "some dependency expects a browser (wasm-bindgen): `cargo tree --target wasm32-unknown-unknown -i wasm-bindgen` \
         names it; switch that feature off"
            .to_owned()
    } else {
        "a function that is declared and defined nowhere, or a dependency that expects another host"
            .to_owned()
    };
    Err(format!(
        "the module imports `{name}` from `{module}`, and only `{HOST}` exists here: {advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{
        "api": "portcullis:plugin@0.1", "name": "a", "version": "1.0.0", "world": "masker",
        "interest": [{"protocol": "postgres", "direction": "response", "kinds": ["rows"]}], "rules": []
    }"#;

    /// A module with one imported function and nothing else.
    fn importing(module: &str) -> Vec<u8> {
        use wasm_encoder::{EntityType, ImportSection, Module, TypeSection};
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import(module, "f", EntityType::Function(0));
        let mut out = Module::new();
        out.section(&types).section(&imports);
        out.finish()
    }

    #[test]
    fn a_module_for_another_target_is_refused_with_advice() {
        for (import, advice) in [
            ("wasi_snapshot_preview1", "wasm32-wasip1"),
            ("__wbindgen_placeholder__", "wasm-bindgen"),
            ("env", "declared and defined nowhere"),
        ] {
            let error = component(&importing(import), MANIFEST).unwrap_err();
            assert!(error.contains(import) && error.contains(advice), "{error}");
        }
        let error = component(&importing(HOST), MANIFEST).unwrap_err();
        assert!(error.contains("export_masker!"), "{error}");
        let finished = wasm_encoder::Component::new().finish();
        let error = component(&finished, MANIFEST).unwrap_err();
        assert!(error.contains("wasm32-wasip2"), "{error}");
        let error = component(b"not wasm", MANIFEST).unwrap_err();
        assert!(error.contains("not WebAssembly"), "{error}");
    }
}
