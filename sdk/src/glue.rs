//! What stands between a plugin and the contract's flat calls. Everything here runs natively too, where the
//! harness drives it; only the last stretch, the generated bindings, exists in wasm alone. Malformed input
//! panics: in the sandbox that is a trap, and a trap denies.

use crate::classifier::{Classifier, Message, Opinion, Protocol, Stage};
use crate::facts::Facts;
use crate::masker::{Batch, BatchKind, Column, Edit, Edits, Masker, Shape};
use crate::{ConfigError, Stream};
use serde::de::DeserializeOwned;

/// Reads a configuration.
fn config<C: DeserializeOwned>(json: &[u8]) -> Result<C, ConfigError> {
    serde_json::from_slice(json).map_err(|e| ConfigError::at("", e.to_string()))
}

fn stream(json: &[u8]) -> Stream {
    serde_json::from_slice(json).expect("invariant: the gateway sends a stream's labels")
}

/// A column of the contract.
#[derive(Clone, Copy, Debug)]
pub struct FlatColumn {
    /// Range of the name.
    pub name: (u32, u32),
    /// Type OID.
    pub type_oid: u32,
    /// Table OID.
    pub table_oid: u32,
    /// Column number.
    pub attnum: i32,
    /// Binary format.
    pub binary: bool,
}

/// A masker with the shape it was told last.
#[derive(Debug)]
pub struct MaskerGlue<M> {
    masker: M,
    shape: Shape,
    nameless: Shape,
}

impl<M: Masker> MaskerGlue<M> {
    /// `lifecycle.configure`.
    ///
    /// # Errors
    /// When the plugin refuses the configuration.
    pub fn configure(json: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self {
            masker: M::configure(config(json)?)?,
            shape: Shape::nameless(),
            nameless: Shape::nameless(),
        })
    }

    /// `lifecycle.open`.
    pub fn open(&mut self, json: &[u8]) {
        self.masker.open(&stream(json));
    }

    /// `lifecycle.schema`.
    pub fn schema(&mut self, serial: u32, columns: impl Iterator<Item = FlatColumn>, names: &[u8]) {
        let columns = columns
            .map(|c| Column {
                name: String::from_utf8_lossy(&names[c.name.0 as usize..c.name.1 as usize])
                    .into_owned(),
                type_oid: c.type_oid,
                table_oid: c.table_oid,
                attnum: c.attnum,
                binary: c.binary,
            })
            .collect();
        self.shape = Shape { serial, columns };
        self.masker.schema(&self.shape);
    }

    /// `mask.mask`.
    pub fn mask(
        &mut self,
        kind: u32,
        serial: u32,
        cells: &[u32],
        data: &[u8],
    ) -> (Vec<Edit>, Vec<u8>, u32) {
        let kind = BatchKind::from_number(kind).expect("invariant: a kind of this contract");
        let shape = match serial {
            Shape::NONE => &self.nameless,
            _ => &self.shape,
        };
        assert_eq!(shape.serial, serial, "the shape was told before");
        let mut edits = Edits::default();
        self.masker
            .mask(&Batch::new(kind, shape, cells, data), &mut edits);
        edits.finish()
    }
}

/// A classifier.
#[derive(Debug)]
pub struct ClassifierGlue<C> {
    classifier: C,
}

impl<C: Classifier> ClassifierGlue<C> {
    /// `lifecycle.configure`.
    ///
    /// # Errors
    /// When the plugin refuses the configuration.
    pub fn configure(json: &[u8]) -> Result<Self, ConfigError> {
        let classifier = C::configure(config(json)?)?;
        Ok(Self { classifier })
    }

    /// `lifecycle.open`.
    pub fn open(&mut self, json: &[u8]) {
        self.classifier.open(&stream(json));
    }

    /// `classify.classify`.
    pub fn classify(&mut self, protocol: u32, stage: u32, text: &[u8], facts: &[u8]) -> Opinion {
        let message = Message::new(
            Protocol::from_number(protocol).expect("invariant: a protocol of this contract"),
            Stage::from_number(stage).expect("invariant: a stage of this contract"),
            std::str::from_utf8(text).expect("invariant: text is UTF-8"),
            serde_json::from_slice::<Facts>(facts).expect("invariant: facts of this contract"),
        );
        self.classifier.classify(&message)
    }
}

/// Strings, each followed by a NUL. A string that holds one itself is cut there.
#[must_use]
pub fn nul_terminated<'a>(strings: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in strings {
        bytes.extend_from_slice(text.split('\0').next().unwrap_or_default().as_bytes());
        bytes.push(0);
    }
    bytes
}

/// The objects of an opinion, four strings each.
#[must_use]
pub fn flat_objects(opinion: &Opinion) -> Vec<u8> {
    nul_terminated(opinion.objects.iter().flat_map(|o| {
        let access = if o.write { "w" } else { "r" };
        [&o.kind, o.schema.as_deref().unwrap_or(""), &o.name, access]
    }))
}

/// The bindings that wit-bindgen generates from `wit/portcullis.wit`.
#[cfg(target_arch = "wasm32")]
#[allow(missing_docs, clippy::all, reason = "generated code")]
pub mod bindings {
    pub mod masker {
        wit_bindgen::generate!({
            world: "masker",
            path: "wit",
            pub_export_macro: true,
            export_macro_name: "export_masker_world",
            default_bindings_module: "portcullis_sdk::glue::bindings::masker",
        });
    }
    pub mod classifier {
        wit_bindgen::generate!({
            world: "classifier",
            path: "wit",
            pub_export_macro: true,
            export_macro_name: "export_classifier_world",
            default_bindings_module: "portcullis_sdk::glue::bindings::classifier",
        });
    }
}

/// Makes a crate with a [`Masker`] a plugin: `export_masker!(Pii);`. The manifest is `plugin.json` next to the
/// crate's `Cargo.toml`.
#[macro_export]
macro_rules! export_masker {
    ($masker:ty) => {
        $crate::portcullis_described!($masker);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::glue::MaskerGlue;
            use $crate::glue::bindings::masker as bindings;
            use bindings::exports::portcullis::plugin::{lifecycle, mask};
            use std::cell::RefCell;

            std::thread_local! {
                static GLUE: RefCell<Option<MaskerGlue<$masker>>> = const { RefCell::new(None) };
            }

            fn with<R>(call: impl FnOnce(&mut MaskerGlue<$masker>) -> R) -> R {
                GLUE.with_borrow_mut(|glue| call(glue.as_mut().expect("invariant: configured first")))
            }

            struct Exports;

            impl lifecycle::Guest for Exports {
                fn configure(json: Vec<u8>) -> Result<(), Vec<lifecycle::ConfigError>> {
                    let error = |e: $crate::ConfigError| {
                        vec![lifecycle::ConfigError { path: e.path, message: e.message }]
                    };
                    let glue = MaskerGlue::configure(&json).map_err(error)?;
                    GLUE.set(Some(glue));
                    Ok(())
                }
                fn open(json: Vec<u8>) {
                    with(|glue| glue.open(&json));
                }
                fn schema(shape: u32, columns: Vec<lifecycle::Column>, names: Vec<u8>) {
                    let columns = columns.iter().map(|c| $crate::glue::FlatColumn {
                        name: (c.name_start, c.name_end),
                        type_oid: c.type_oid,
                        table_oid: c.table_oid,
                        attnum: c.attnum,
                        binary: c.binary != 0,
                    });
                    with(|glue| glue.schema(shape, columns, &names));
                }
            }

            impl mask::Guest for Exports {
                fn mask(batch: mask::Batch) -> mask::Edits {
                    let (edits, heap, held) =
                        with(|glue| glue.mask(batch.kind, batch.shape, &batch.cells, &batch.data));
                    let edits = edits.into_iter().map(|e| bindings::portcullis::plugin::types::Edit {
                        cell: e.cell,
                        start: e.start,
                        end: e.end,
                        rep_start: e.rep_start,
                        rep_len: e.rep_len,
                        rule: e.rule,
                        hint: e.hint,
                    });
                    mask::Edits { edits: edits.collect(), heap, held }
                }
            }

            $crate::glue::bindings::masker::export_masker_world!(Exports with_types_in $crate::glue::bindings::masker);
        };
    };
}

/// Makes a crate with a [`Classifier`] a plugin: `export_classifier!(Danger);`. The manifest is `plugin.json`
/// next to the crate's `Cargo.toml`.
#[macro_export]
macro_rules! export_classifier {
    ($classifier:ty) => {
        $crate::portcullis_described!($classifier);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::glue::ClassifierGlue;
            use $crate::glue::bindings::classifier as bindings;
            use bindings::exports::portcullis::plugin::{classify, lifecycle};
            use bindings::portcullis::plugin::types;
            use std::cell::RefCell;

            std::thread_local! {
                static GLUE: RefCell<Option<ClassifierGlue<$classifier>>> = const { RefCell::new(None) };
            }

            fn with<R>(call: impl FnOnce(&mut ClassifierGlue<$classifier>) -> R) -> R {
                GLUE.with_borrow_mut(|glue| call(glue.as_mut().expect("invariant: configured first")))
            }

            struct Exports;

            impl lifecycle::Guest for Exports {
                fn configure(json: Vec<u8>) -> Result<(), Vec<lifecycle::ConfigError>> {
                    let error = |e: $crate::ConfigError| {
                        vec![lifecycle::ConfigError { path: e.path, message: e.message }]
                    };
                    let glue = ClassifierGlue::configure(&json).map_err(error)?;
                    GLUE.set(Some(glue));
                    Ok(())
                }
                fn open(json: Vec<u8>) {
                    with(|glue| glue.open(&json));
                }
                fn schema(_: u32, _: Vec<lifecycle::Column>, _: Vec<u8>) {}
            }

            impl classify::Guest for Exports {
                fn classify(message: classify::Message) -> classify::Classification {
                    let opinion = with(|glue| {
                        glue.classify(message.protocol, message.stage, &message.text, &message.facts)
                    });
                    let findings = opinion.findings.iter().map(|(rule, range)| types::Finding {
                        rule: u32::from(rule.0),
                        start: range.start as u32,
                        end: range.end as u32,
                    });
                    classify::Classification {
                        effect: match opinion.effect {
                            $crate::Effect::Read => types::Effect::Read,
                            $crate::Effect::Write => types::Effect::Write,
                            $crate::Effect::Destroy => types::Effect::Destroy,
                            $crate::Effect::Escalate => types::Effect::Escalate,
                            $crate::Effect::Unknown => types::Effect::Unknown,
                        },
                        risk: match opinion.risk {
                            $crate::Risk::None => types::Risk::None,
                            $crate::Risk::Low => types::Risk::Low,
                            $crate::Risk::Medium => types::Risk::Medium,
                            $crate::Risk::High => types::Risk::High,
                            $crate::Risk::Critical => types::Risk::Critical,
                        },
                        verbs: opinion.verbs.0,
                        labels: $crate::glue::nul_terminated(opinion.labels.iter().map(String::as_str)),
                        findings: findings.collect(),
                        objects: $crate::glue::flat_objects(&opinion),
                    }
                }
            }

            $crate::glue::bindings::classifier::export_classifier_world!(Exports with_types_in $crate::glue::bindings::classifier);
        };
    };
}

/// The manifest, for `cargo test` and for the custom section.
#[doc(hidden)]
#[macro_export]
macro_rules! portcullis_described {
    ($plugin:ty) => {
        impl $crate::Described for $plugin {
            const MANIFEST: &'static str =
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.json"));
        }
    };
}
