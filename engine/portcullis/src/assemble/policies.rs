//! From `policies:` to a set that decides. A set is parsed, compiled and passes its own tests before it
//! serves.

use super::Broken;
use crate::config::{Loaded, Pack};
use portcullis_policy::{Diagnostic, PackSource, PolicySet, builtin, read_data};
use serde_json::json;

/// The packs of a configuration, in order.
///
/// # Errors
/// When a shipped pack is named that does not exist.
pub fn pack_sources(loaded: &Loaded) -> Result<Vec<PackSource>, String> {
    loaded
        .config
        .policies
        .packs
        .iter()
        .map(|pack| source(pack, loaded))
        .collect()
}

fn source(pack: &Pack, loaded: &Loaded) -> Result<PackSource, String> {
    let source = match (&pack.builtin, &pack.path) {
        (Some(name), _) => PackSource::builtin(name).ok_or_else(|| {
            let known: Vec<_> = builtin::packs().iter().map(|(name, _)| *name).collect();
            format!(
                "no pack `{name}` ships with the gateway; there are {}",
                known.join(", ")
            )
        })?,
        (None, Some(path)) => PackSource::path(loaded.path(path)),
        (None, None) => return Err("a pack needs `builtin` or `path`".to_owned()),
    };
    Ok(match pack.dry_run {
        true => source.dry_run(),
        false => source,
    })
}

/// Loads and tests the set. Takes a while and much stack: see [`load`].
///
/// # Errors
/// Everything that is wrong with it.
pub fn policy_set(loaded: &Loaded) -> Result<PolicySet, Broken> {
    let sources = pack_sources(loaded).map_err(Broken::Policies)?;
    let data = match &loaded.config.policies.data {
        Some(path) => read_data(&loaded.path(path)).map_err(|found| wrong(&[found]))?,
        None => json!({}),
    };
    PolicySet::load(&sources, data).map_err(|found| wrong(&found))
}

fn wrong(found: &[Diagnostic]) -> Broken {
    let lines: Vec<String> = found.iter().map(Diagnostic::to_string).collect();
    Broken::Policies(lines.join("\n"))
}

/// The same on a thread for blocking work.
pub(crate) async fn load(loaded: &Loaded) -> Result<PolicySet, Broken> {
    let loaded = loaded.clone();
    match tokio::task::spawn_blocking(move || policy_set(&loaded)).await {
        Ok(set) => set,
        Err(error) => Err(Broken::Policies(format!("loading them failed: {error}"))),
    }
}
