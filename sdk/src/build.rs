//! From a core module to a plugin: the module gets the types of its world, becomes a component, and carries
//! its manifest in a custom section. For build tools (feature `build`); refuses a module that imports
//! anything but `host`.

use crate::manifest::{Manifest, SECTION, World};
use std::borrow::Cow;
use wasm_encoder::{CustomSection, Section};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract.
pub const WIT: &str = include_str!("../wit/portcullis.wit");

/// Makes a component of a core module built for `wasm32-unknown-unknown`, with this manifest.
///
/// # Errors
/// A sentence: the manifest is malformed, or the module does not fit its world.
pub fn component(module: &[u8], manifest: &str) -> Result<Vec<u8>, String> {
    let parsed = Manifest::parse(manifest)?;
    let world = match parsed.world {
        World::Masker => "masker",
        World::Classifier => "classifier",
    };
    let says = |what: &'static str| move |e| format!("{what}: {e:#}");
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("portcullis.wit", WIT)
        .map_err(|e| format!("the contract cannot be read: {e:#}"))?;
    let id = resolve
        .select_world(&[package], Some(world))
        .map_err(|e| format!("the contract has no such world: {e:#}"))?;
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, id, StringEncoding::UTF8)
        .map_err(says("the module cannot take the types of its world"))?;
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(says(
            "the module is no plugin (build it for wasm32-unknown-unknown, which has no WASI, and call \
             export_masker! or export_classifier!)",
        ))?;
    let json = serde_json::to_vec(&parsed).map_err(|e| e.to_string())?;
    let section = CustomSection {
        name: Cow::Borrowed(SECTION),
        data: Cow::Owned(json),
    };
    component.push(section.id());
    wasm_encoder::Encode::encode(&section, &mut component);
    Ok(component)
}
