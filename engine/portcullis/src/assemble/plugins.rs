//! From `plugins:` to a set that runs. Shipped plugins are in the binary; files are pinned by digest, or signed by a key
//! that the configuration trusts. Refuses everything else, and a signed file of another plugin.

use super::Broken;
use crate::config::{Loaded, Plugin};
use portcullis_model::limits;
use portcullis_sandbox::signature::{PublicKey, verify};
use portcullis_sandbox::{PluginSet, PluginSpec, Sandbox, TenantKey, inspect};
use portcullis_stream::Tripwires;
use portcullis_vault::Secrets;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

include!(concat!(env!("OUT_DIR"), "/builtin_plugins.rs"));

/// The plugins of a configuration, in order.
///
/// # Errors
/// When a file cannot be read, is not signed as it should be, or a shipped plugin is not in this binary.
pub fn specs(loaded: &Loaded) -> Result<Vec<PluginSpec>, String> {
    let plugins = loaded.config.plugins.iter();
    plugins.map(|plugin| spec(plugin, loaded)).collect()
}

/// One of them: its bytes, and why they may run.
///
/// # Errors
/// See [`specs`].
pub fn spec(plugin: &Plugin, loaded: &Loaded) -> Result<PluginSpec, String> {
    let (name, bytes, sha256) = match (&plugin.builtin, &plugin.path) {
        (Some(name), _) => (name.clone(), builtin(name)?.to_vec(), plugin.sha256.clone()),
        (None, Some(path)) => {
            let path = loaded.path(path);
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let bytes = read(&path)?;
            let sha256 = trusted(plugin, &name, &path, &bytes)?;
            (name, bytes, Some(sha256))
        }
        (None, None) => return Err("a plugin needs `builtin` or `path`".to_owned()),
    };
    Ok(PluginSpec {
        name,
        bytes,
        config: plugin.config.clone().unwrap_or_else(|| json!({})),
        sha256,
    })
}

/// The digest that the loader is to insist on: the pinned one, else what a trusted key has signed. These very bytes
/// go to the compiler: nothing is read twice.
fn trusted(plugin: &Plugin, name: &str, path: &Path, bytes: &[u8]) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let pin = plugin.sha256.as_deref();
    let found = inspect(name, bytes, pin).map_err(|error| error.to_string())?;
    let manifest = &found.manifest;
    if let Some(expected) = plugin.name.as_ref().filter(|n| **n != manifest.name) {
        let other = &manifest.name;
        return Err(failed(&format!(
            "is `{other}`, and `name: {expected}` was expected"
        )));
    }
    if plugin.trusted_keys.is_empty() {
        let neither = || failed(&"is neither pinned nor signed by a trusted key");
        return pin.map(str::to_owned).ok_or_else(neither);
    }
    let keys = plugin.trusted_keys.iter().map(|key| PublicKey::parse(key));
    let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let note = signature_of(path)?;
    let (digest, version) = (&found.digest, &manifest.version);
    let signed = verify(&note, digest, &manifest.name, version, &keys);
    let signed = signed.map_err(|e| format!("{}: {e}", signature_file(path).display()))?;
    Ok(signed.sha256)
}

/// Where the signature of a component lies.
#[must_use]
pub fn signature_file(component: &Path) -> PathBuf {
    let mut file = component.as_os_str().to_owned();
    file.push(".sig");
    file.into()
}

/// The signature of a component.
///
/// # Errors
/// When there is none, or it is too long to be one.
pub fn signature_of(component: &Path) -> Result<String, String> {
    let file = signature_file(component);
    let failed = |error: &dyn std::fmt::Display| {
        format!(
            "{}: {error}; `portcullis plugin sign FILE --key KEY` writes it",
            file.display()
        )
    };
    let size = std::fs::metadata(&file).map_err(|e| failed(&e))?.len();
    if size > limits::PLUGIN_SIGNATURE_BYTES_MAX as u64 {
        return Err(failed(&"is too long for a signature"));
    }
    std::fs::read_to_string(&file).map_err(|e| failed(&e))
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

/// The bytes of a component.
///
/// # Errors
/// When it cannot be read, or is larger than what is loaded.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > limits::PLUGIN_BYTES_MAX as u64 {
        return Err(format!("{}: {size} bytes are too many", path.display()));
    }
    std::fs::read(path).map_err(failed)
}

/// Loads, configures and warms the set, and gives it the tenant's key.
pub(crate) async fn load(
    sandbox: &Arc<Sandbox>,
    loaded: &Loaded,
    secrets: &Secrets,
    tripwires: &Tripwires,
) -> Result<Arc<PluginSet>, Broken> {
    let specs = specs(loaded).map_err(Broken::Plugins)?;
    let key = tenant_key(loaded, secrets, tripwires).await;
    let key = key.map_err(Broken::Masking)?;
    let set = sandbox.load_keyed(specs, key).await;
    set.map_err(|error| Broken::Plugins(error.to_string()))
}

/// The key of tokens that are the same in all sessions, matched in output for as long as it is used.
///
/// # Errors
/// When it cannot be read, or is no key.
pub(crate) async fn tenant_key(
    loaded: &Loaded,
    secrets: &Secrets,
    tripwires: &Tripwires,
) -> Result<Option<TenantKey>, String> {
    let Some(reference) = &loaded.config.masking.tenant_key else {
        return Ok(None);
    };
    let source = super::secrets::source(secrets, reference, loaded);
    let read = portcullis_vault::tenant_key(&source, tripwires).await;
    let (bytes, armed) = read.map_err(|error| error.to_string())?;
    let key = TenantKey::new(bytes.as_ref()).map_err(|error| format!("{reference}: {error}"))?;
    Ok(Some(key.keeping(armed)))
}
