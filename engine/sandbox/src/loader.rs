//! Looks into a component before anything of it is compiled: digest, manifest, imports. Refuses what is
//! no component, what carries no manifest, what another version of the contract wrote and what wants more than `host`.

use crate::contract::{self, VERSIONS, Version};
use crate::error::LoadError;
use crate::interest::Interest;
use aws_lc_rs::digest;
use portcullis_model::limits;
use portcullis_sdk::Manifest;
use portcullis_sdk::manifest::SECTION;
use wasmparser::{Encoding, Parser, Payload};

/// What a module of the WASI targets imports from, and what a component of them does.
const WASI_MODULE: &str = "wasi_snapshot_preview1";
const WASI_PACKAGE: &str = "wasi:";

const TARGET_ADVICE: &str =
    "build it for `wasm32-unknown-unknown`, which has no WASI: `portcullis plugin build` does";

/// What a component says of itself.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// sha256 of the bytes, hex.
    pub digest: String,
    /// Its manifest, checked.
    pub manifest: Manifest,
    /// Bytes.
    pub size: usize,
    /// What it imports: of a plugin that loads, nothing but the contract's own.
    pub imports: Vec<String>,
    pub(crate) version: &'static Version,
}

/// Looks into a component without compiling it. `name` is for messages; `pin` is the sha256 that it must
/// have, in hex.
///
/// # Errors
/// [`LoadError`] with advice.
pub fn inspect(name: &str, bytes: &[u8], pin: Option<&str>) -> Result<Inspection, LoadError> {
    let digest = hex::encode(digest::digest(&digest::SHA256, bytes));
    if let Some(pin) = pin
        && !pin
            .trim_start_matches("sha256:")
            .eq_ignore_ascii_case(&digest)
    {
        return Err(LoadError::VerifyPin {
            name: name.to_owned(),
            pinned: pin.to_owned(),
            found: digest,
        });
    }
    if bytes.len() > limits::PLUGIN_BYTES_MAX {
        return Err(LoadError::ReadComponent {
            name: name.to_owned(),
            detail: format!("{} bytes", bytes.len()),
        });
    }
    let outside = outside(name, bytes)?;
    // A foreign target first: it explains whatever else is missing.
    if let Some(import) = outside.imports.iter().find(|i| i.starts_with(WASI_PACKAGE)) {
        return Err(LoadError::CheckImports {
            name: name.to_owned(),
            import: (*import).to_owned(),
            advice: format!(": that is WASI, of the target wasm32-wasip2; {TARGET_ADVICE}"),
        });
    }
    let json = outside.manifest.ok_or_else(|| LoadError::ReadManifest {
        name: name.to_owned(),
        detail: format!("no custom section `{SECTION}`; `portcullis plugin build` writes it"),
    })?;
    let (version, manifest) = manifest(name, json)?;
    for import in &outside.imports {
        if *import != version.host && *import != version.types {
            return Err(LoadError::CheckImports {
                name: name.to_owned(),
                import: (*import).to_owned(),
                advice: String::new(),
            });
        }
    }
    Ok(Inspection {
        digest,
        manifest,
        size: bytes.len(),
        imports: outside.imports.into_iter().map(str::to_owned).collect(),
        version,
    })
}

/// The outermost layer of a component.
struct Outside<'a> {
    imports: Vec<&'a str>,
    manifest: Option<&'a [u8]>,
}

fn outside<'a>(name: &str, bytes: &'a [u8]) -> Result<Outside<'a>, LoadError> {
    let unreadable = |detail: String| LoadError::ReadComponent {
        name: name.to_owned(),
        detail,
    };
    let mut outside = Outside {
        imports: Vec::new(),
        manifest: None,
    };
    let mut depth = 0u32;
    let mut is_module = false;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| unreadable(e.message().to_owned()))? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                is_module |= depth == 1 && encoding == Encoding::Module;
            }
            Payload::ImportSection(section) if is_module => {
                let mut imports = section.into_imports().flatten();
                if imports.any(|import| import.module == WASI_MODULE) {
                    return Err(unreadable(format!(
                        "a core module that imports WASI, of the target wasm32-wasip1; {TARGET_ADVICE}"
                    )));
                }
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let import = import.map_err(|e| unreadable(e.message().to_owned()))?;
                    outside.imports.push(import.name.name);
                }
            }
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                outside.manifest = Some(section.data());
            }
            _ => {}
        }
    }
    match is_module {
        true => Err(unreadable("a core module".to_owned())),
        false => Ok(outside),
    }
}

fn manifest(name: &str, json: &[u8]) -> Result<(&'static Version, Manifest), LoadError> {
    let malformed = |detail: String| LoadError::ReadManifest {
        name: name.to_owned(),
        detail,
    };
    let text = std::str::from_utf8(json)
        .ok()
        .filter(|t| t.len() <= limits::PLUGIN_MANIFEST_BYTES_MAX)
        .ok_or_else(|| malformed("the manifest is no text, or too long".to_owned()))?;
    // The version first: another one may have other fields.
    let api = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|v| Some(v.get("api")?.as_str()?.to_owned()))
        .ok_or_else(|| malformed("the manifest has no `api`".to_owned()))?;
    let version = contract::version(&api).ok_or_else(|| LoadError::MatchApi {
        name: name.to_owned(),
        advice: api_advice(&api),
        found: api,
        supported: VERSIONS.map(|version| version.api).join(", "),
    })?;
    let manifest = (version.manifest)(text).map_err(malformed)?;
    check_words(&manifest).map_err(malformed)?;
    Interest::of(&manifest).map_err(malformed)?;
    Ok((version, manifest))
}

/// `portcullis:plugin@0.7` is newer than anything here; `acme@1` is no version at all.
fn api_advice(api: &str) -> &'static str {
    let number = |api: &str| -> Option<(u32, u32)> {
        let (major, minor) = api.strip_prefix("portcullis:plugin@")?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let newest = VERSIONS.first().and_then(|version| number(version.api));
    match (number(api), newest) {
        (Some(found), Some(newest)) if found > newest => {
            "upgrade the gateway, or build the plugin with an older SDK"
        }
        (Some(_), _) => "build the plugin again with a newer SDK",
        (None, _) => "correct `api` in plugin.json",
    }
}

/// Names end up in marks, labels and logs: they must not be able to forge any.
fn check_words(manifest: &Manifest) -> Result<(), String> {
    let word = |what: &str, text: &str, extra: &[u8], upper: bool| {
        let plain = |b: u8| {
            b.is_ascii_digit()
                || extra.contains(&b)
                || (if upper {
                    b.is_ascii_uppercase()
                } else {
                    b.is_ascii_lowercase()
                })
        };
        match !text.is_empty() && text.len() <= 64 && text.bytes().all(plain) {
            true => Ok(()),
            false => Err(format!("the {what} `{}` is malformed", text.escape_debug())),
        }
    };
    word("name", &manifest.name, b"-/", false)?;
    word("version", &manifest.version, b".+-", false)?;
    for rule in &manifest.rules {
        word("rule", &rule.name, b"-_", false)?;
        if let Some(entity) = &rule.entity {
            word("entity", entity, b"_", true)?;
        }
    }
    for counter in &manifest.counters {
        word("counter", counter, b"_", false)?;
    }
    match manifest.counters.len() > 64 || manifest.rules.len() > 4096 {
        true => Err("the manifest has too many rules or counters".to_owned()),
        false => Ok(()),
    }
}
