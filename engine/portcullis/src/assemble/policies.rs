//! From `policies:` to a set that decides. A set is parsed, checked, compiled and passes its own tests, in
//! a process of their own, before it serves.

use super::Broken;
use super::trial::Trial;
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
        (None, Some(path)) => match &pack.verification_key {
            Some(key) => PackSource::bundle(loaded.path(path), Some(loaded.path(key))),
            None => PackSource::path(loaded.path(path)),
        },
        (None, None) => return Err("a pack needs `builtin` or `path`".to_owned()),
    };
    Ok(match pack.dry_run {
        true => source.dry_run(),
        false => source,
    })
}

/// Reads, checks and compiles the set, and has its tests run by another process: what takes an engine
/// down, takes that process down. Takes a while and much stack: see [`load`].
///
/// # Errors
/// Everything that is wrong with it.
fn policy_set(loaded: &Loaded, trial: &Trial) -> Result<PolicySet, Broken> {
    let sources = pack_sources(loaded).map_err(Broken::Policies)?;
    let data = match &loaded.config.policies.data {
        Some(path) => read_data(&loaded.path(path)).map_err(|found| wrong(&[found]))?,
        None => json!({}),
    };
    let set = PolicySet::load_untested(&sources, data).map_err(|found| wrong(&found))?;
    match trial.run(&set) {
        found if found.is_empty() => Ok(set),
        found => Err(wrong(&found)),
    }
}

fn wrong(found: &[Diagnostic]) -> Broken {
    let lines: Vec<String> = found.iter().map(Diagnostic::to_string).collect();
    Broken::Policies(lines.join("\n"))
}

/// The same on a thread for blocking work.
pub(crate) async fn load(loaded: &Loaded) -> Result<PolicySet, Broken> {
    let loaded = loaded.clone();
    match tokio::task::spawn_blocking(move || policy_set(&loaded, &Trial::own())).await {
        Ok(set) => set,
        Err(error) => Err(Broken::Policies(format!("loading them failed: {error}"))),
    }
}
