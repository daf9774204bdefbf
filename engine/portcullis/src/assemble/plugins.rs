//! From `plugins:` to a set that runs. Shipped plugins are in the binary; files are pinned by digest.

use super::Broken;
use crate::config::{Loaded, Plugin};
use portcullis_model::limits;
use portcullis_sandbox::{PluginSet, PluginSpec, Sandbox};
use serde_json::json;
use std::sync::Arc;

include!(concat!(env!("OUT_DIR"), "/builtin_plugins.rs"));

/// The plugins of a configuration, in order.
///
/// # Errors
/// When a file cannot be read, or a shipped plugin is not in this binary.
pub fn specs(loaded: &Loaded) -> Result<Vec<PluginSpec>, String> {
    let plugins = loaded.config.plugins.iter();
    plugins.map(|plugin| spec(plugin, loaded)).collect()
}

fn spec(plugin: &Plugin, loaded: &Loaded) -> Result<PluginSpec, String> {
    let (name, bytes) = match (&plugin.builtin, &plugin.path) {
        (Some(name), _) => (name.clone(), builtin(name)?.to_vec()),
        (None, Some(path)) => {
            let path = loaded.path(path);
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (name, read(&path)?)
        }
        (None, None) => return Err("a plugin needs `builtin` or `path`".to_owned()),
    };
    Ok(PluginSpec {
        name,
        bytes,
        config: plugin.config.clone().unwrap_or_else(|| json!({})),
        sha256: plugin.sha256.clone(),
    })
}

/// A shipped plugin.
///
/// # Errors
/// When it is not in this binary, with how to get it there.
pub fn builtin(name: &str) -> Result<&'static [u8], String> {
    let found = BUILTIN.iter().find(|(known, _)| *known == name);
    if let Some((_, bytes)) = found {
        return Ok(bytes);
    }
    Err(match BUILTIN {
        [] => format!(
            "plugin `{name}`: this binary was built without plugins; run `cargo xtask plugins` and build again"
        ),
        some => {
            let known: Vec<_> = some.iter().map(|(name, _)| *name).collect();
            format!(
                "no plugin `{name}` ships with the gateway; there are {}",
                known.join(", ")
            )
        }
    })
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > limits::PLUGIN_BYTES_MAX as u64 {
        return Err(format!("{}: {size} bytes are too many", path.display()));
    }
    std::fs::read(path).map_err(failed)
}

/// Loads, configures and warms the set.
pub(crate) async fn load(
    sandbox: &Arc<Sandbox>,
    loaded: &Loaded,
) -> Result<Arc<PluginSet>, Broken> {
    let specs = specs(loaded).map_err(Broken::Plugins)?;
    let set = sandbox.load(specs).await;
    set.map_err(|error| Broken::Plugins(error.to_string()))
}
