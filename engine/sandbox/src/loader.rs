//! Looks into a component before anything of it is compiled: digest, manifest, imports. Refuses what is
//! no component, what carries no manifest, what another version of the contract wrote and what wants more than `host`.

use crate::contract::{HOST, VERSIONS};
use crate::error::LoadError;
use aws_lc_rs::digest;
use portcullis_model::limits;
use portcullis_sdk::Manifest;
use portcullis_sdk::manifest::SECTION;
use wasmparser::{Encoding, Parser, Payload};

const WASI_ADVICE: &str = ": there is no WASI; build for `wasm32-unknown-unknown`, not for wasm32-wasip1 or \
                           wasm32-wasip2";

/// What a component says of itself.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// sha256 of the bytes, hex.
    pub digest: String,
    /// Its manifest, checked.
    pub manifest: Manifest,
    /// Bytes.
    pub size: usize,
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
    let json = outside.manifest.ok_or_else(|| LoadError::ReadManifest {
        name: name.to_owned(),
        detail: format!("no custom section `{SECTION}`; `portcullis plugin build` writes it"),
    })?;
    let manifest = manifest(name, json)?;
    for import in outside.imports {
        check_import(name, import)?;
    }
    Ok(Inspection {
        digest,
        manifest,
        size: bytes.len(),
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
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| unreadable(e.message().to_owned()))? {
            Payload::Version { encoding, .. } => {
                depth += 1;
                if depth == 1 && encoding == Encoding::Module {
                    return Err(unreadable("a core module".to_owned()));
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
    Ok(outside)
}

fn manifest(name: &str, json: &[u8]) -> Result<Manifest, LoadError> {
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
    if !VERSIONS.contains(&api.as_str()) {
        return Err(LoadError::MatchApi {
            name: name.to_owned(),
            found: api,
            supported: VERSIONS.join(", "),
        });
    }
    let manifest = Manifest::parse(text).map_err(malformed)?;
    check_words(&manifest).map_err(malformed)?;
    Ok(manifest)
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

fn check_import(name: &str, import: &str) -> Result<(), LoadError> {
    // Types have no code: they come with the interfaces that use them.
    if import == HOST || import == "portcullis:plugin/types@0.1.0" {
        return Ok(());
    }
    Err(LoadError::CheckImports {
        name: name.to_owned(),
        import: import.to_owned(),
        advice: match import.starts_with("wasi:") {
            true => WASI_ADVICE,
            false => "",
        },
    })
}
