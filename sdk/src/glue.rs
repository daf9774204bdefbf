//! What stands between a plugin and the contract's flat calls. Everything here runs natively too, where the
//! harness drives it; only the last stretch, [`abi`], exists in wasm alone. Malformed input panics: in the
//! sandbox that is a trap, and a trap denies.

#[cfg(target_arch = "wasm32")]
pub mod abi;

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

/// A column in the layout of the contract.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FlatColumn {
    /// Range of the name.
    pub name_start: u32,
    /// See `name_start`.
    pub name_end: u32,
    /// Type OID.
    pub type_oid: u32,
    /// Table OID.
    pub table_oid: u32,
    /// Column number.
    pub attnum: i32,
    /// 1 when in binary format.
    pub binary: u32,
}

/// What both worlds have in common.
pub trait Lifecycle {
    /// `lifecycle.open`.
    fn open(&mut self, json: &[u8]);
    /// `lifecycle.schema`.
    fn schema(&mut self, serial: u32, columns: &[FlatColumn], names: &[u8]);
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

impl<M: Masker> Lifecycle for MaskerGlue<M> {
    fn open(&mut self, json: &[u8]) {
        self.masker.open(&stream(json));
    }

    fn schema(&mut self, serial: u32, columns: &[FlatColumn], names: &[u8]) {
        let columns = columns
            .iter()
            .map(|c| Column {
                name: String::from_utf8_lossy(&names[c.name_start as usize..c.name_end as usize])
                    .into_owned(),
                type_oid: c.type_oid,
                table_oid: c.table_oid,
                attnum: c.attnum,
                binary: c.binary != 0,
            })
            .collect();
        self.shape = Shape { serial, columns };
        self.masker.schema(&self.shape);
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

impl<C: Classifier> Lifecycle for ClassifierGlue<C> {
    fn open(&mut self, json: &[u8]) {
        self.classifier.open(&stream(json));
    }

    /// Requests have no columns.
    fn schema(&mut self, _: u32, _: &[FlatColumn], _: &[u8]) {}
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

/// Makes a crate with a [`Masker`] a plugin: `export_masker!(Pii);`. The manifest is `plugin.json` next to the
/// crate's `Cargo.toml`, or another file there: `export_masker!(Pii, "examples/pii.json");`.
#[macro_export]
macro_rules! export_masker {
    ($masker:ty) => {
        $crate::export_masker!($masker, "plugin.json");
    };
    ($masker:ty, $manifest:literal) => {
        $crate::portcullis_described!($masker, $manifest);
        $crate::portcullis_lifecycle!($crate::glue::MaskerGlue<$masker>);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "portcullis:plugin/mask@0.1.0#mask")]
            unsafe extern "C" fn mask(
                kind: u32,
                shape: u32,
                cells: *mut u32,
                cells_len: usize,
                data: *mut u8,
                data_len: usize,
            ) -> *const u32 {
                // SAFETY: the canonical ABI hands over lists that `cabi_realloc` allocated.
                let (cells, data) = unsafe {
                    (
                        $crate::glue::abi::take(cells, cells_len),
                        $crate::glue::abi::take(data, data_len),
                    )
                };
                portcullis_plugin(|glue| $crate::glue::abi::mask(glue, kind, shape, &cells, &data))
            }
        };
    };
}

/// Makes a crate with a [`Classifier`] a plugin: `export_classifier!(Danger);`. The manifest is `plugin.json`
/// next to the crate's `Cargo.toml`, or another file there, as for `export_masker!`.
#[macro_export]
macro_rules! export_classifier {
    ($classifier:ty) => {
        $crate::export_classifier!($classifier, "plugin.json");
    };
    ($classifier:ty, $manifest:literal) => {
        $crate::portcullis_described!($classifier, $manifest);
        $crate::portcullis_lifecycle!($crate::glue::ClassifierGlue<$classifier>);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            #[unsafe(export_name = "portcullis:plugin/classify@0.1.0#classify")]
            unsafe extern "C" fn classify(
                protocol: u32,
                stage: u32,
                text: *mut u8,
                text_len: usize,
                facts: *mut u8,
                facts_len: usize,
            ) -> *const u32 {
                // SAFETY: the canonical ABI hands over lists that `cabi_realloc` allocated.
                let (text, facts) = unsafe {
                    (
                        $crate::glue::abi::take(text, text_len),
                        $crate::glue::abi::take(facts, facts_len),
                    )
                };
                portcullis_plugin(|glue| {
                    $crate::glue::abi::classify(glue, protocol, stage, &text, &facts)
                })
            }
        };
    };
}

/// The manifest, for `cargo test`. The build tool puts the same file into the component.
#[doc(hidden)]
#[macro_export]
macro_rules! portcullis_described {
    ($plugin:ty, $manifest:literal) => {
        impl $crate::Described for $plugin {
            const MANIFEST: &'static str =
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));
        }
    };
}

/// What both worlds export: memory for arguments, and the interface `lifecycle`.
#[doc(hidden)]
#[macro_export]
macro_rules! portcullis_lifecycle {
    ($glue:ty) => {
        // Natively only tests call a plugin; it is no dead code for all that.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&[u8]) -> Result<$glue, $crate::ConfigError> = <$glue>::configure;

        #[cfg(target_arch = "wasm32")]
        fn portcullis_plugin<R>(call: impl FnOnce(&mut $glue) -> R) -> R {
            $crate::glue::abi::with::<$glue, R>(&PORTCULLIS_PLUGIN, call)
        }

        #[cfg(target_arch = "wasm32")]
        ::std::thread_local! {
            static PORTCULLIS_PLUGIN: ::std::cell::RefCell<Option<$glue>> =
                const { ::std::cell::RefCell::new(None) };
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::glue::{FlatColumn, Lifecycle, abi};

            #[unsafe(export_name = "cabi_realloc")]
            unsafe extern "C" fn realloc(
                old: *mut u8,
                old_len: usize,
                align: usize,
                len: usize,
            ) -> *mut u8 {
                // SAFETY: the canonical ABI passes back what this function returned, with its length.
                unsafe { abi::realloc(old, old_len, align, len) }
            }

            #[unsafe(export_name = "portcullis:plugin/lifecycle@0.1.0#configure")]
            unsafe extern "C" fn configure(json: *mut u8, len: usize) -> *const u32 {
                // SAFETY: the canonical ABI hands over lists that `cabi_realloc` allocated.
                let json = unsafe { abi::take(json, len) };
                let glue = <$glue>::configure(&json);
                abi::configured(&PORTCULLIS_PLUGIN, glue)
            }

            #[unsafe(export_name = "portcullis:plugin/lifecycle@0.1.0#open")]
            unsafe extern "C" fn open(json: *mut u8, len: usize) {
                // SAFETY: as above.
                let json = unsafe { abi::take(json, len) };
                portcullis_plugin(|glue| Lifecycle::open(glue, &json));
            }

            #[unsafe(export_name = "portcullis:plugin/lifecycle@0.1.0#schema")]
            unsafe extern "C" fn schema(
                shape: u32,
                columns: *mut FlatColumn,
                columns_len: usize,
                names: *mut u8,
                names_len: usize,
            ) {
                // SAFETY: as above.
                let (columns, names) =
                    unsafe { (abi::take(columns, columns_len), abi::take(names, names_len)) };
                portcullis_plugin(|glue| Lifecycle::schema(glue, shape, &columns, &names));
            }
        };
    };
}
