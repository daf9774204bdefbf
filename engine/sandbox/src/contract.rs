//! The contract in the host's types. Versions stand side by side, one module each (`v0_1`): what a version calls its
//! interfaces, what it may import, how its manifest reads and how its functions are called. The types here are those of
//! the newest; a version whose records differ brings its own and turns them into these. A manifest of a version that is
//! not in the table is refused before anything of the component is compiled.

mod v0_1;

use crate::guest::Guest;
use portcullis_sdk::Manifest;
use wasmtime::component::{
    ComponentNamedList, ComponentType, Instance, Lift, Linker, Lower, TypedFunc,
};
use wasmtime::{AsContextMut, StoreContextMut};

/// One version of the contract.
pub(crate) struct Version {
    /// What its manifests say: `portcullis:plugin@0.1`.
    pub(crate) api: &'static str,
    /// The only interface that may be imported.
    pub(crate) host: &'static str,
    /// The package of its types, which have no code and come with the interfaces that use them.
    pub(crate) types: &'static str,
    /// Reads its manifest.
    pub(crate) manifest: fn(&str) -> Result<Manifest, String>,
    /// Gives its guests the host's two functions.
    link: fn(&mut Linker<Guest>) -> wasmtime::Result<()>,
    /// Finds the functions of an instance.
    functions: fn(&Instance, StoreContextMut<'_, Guest>, bool) -> wasmtime::Result<Functions>,
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.api)
    }
}

/// The versions that are loadable, newest first: the gateway's own and, as they come, the two before.
pub(crate) static VERSIONS: [&Version; 1] = [&v0_1::VERSION];

/// The version that a manifest names.
pub(crate) fn version(api: &str) -> Option<&'static Version> {
    VERSIONS.into_iter().find(|version| version.api == api)
}

/// What a component is to export: a world of a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) version: &'static Version,
    pub(crate) masker: bool,
}

impl World {
    /// The functions of an instance.
    pub(crate) fn functions(
        self,
        instance: &Instance,
        mut store: impl AsContextMut<Data = Guest>,
    ) -> wasmtime::Result<Functions> {
        (self.version.functions)(instance, store.as_context_mut(), self.masker)
    }
}

/// The functions of an instance: those of both worlds, and those of its own.
pub(crate) type Functions = (Lifecycle, Work);

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Column {
    #[component(name = "name-start")]
    pub(crate) name_start: u32,
    #[component(name = "name-end")]
    pub(crate) name_end: u32,
    #[component(name = "type-oid")]
    pub(crate) type_oid: u32,
    #[component(name = "table-oid")]
    pub(crate) table_oid: u32,
    pub(crate) attnum: i32,
    pub(crate) binary: u32,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Batch<'a> {
    pub(crate) kind: u32,
    pub(crate) shape: u32,
    pub(crate) cells: &'a [u32],
    pub(crate) data: &'a [u8],
}

#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Edit {
    pub(crate) cell: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    #[component(name = "rep-start")]
    pub(crate) rep_start: u32,
    #[component(name = "rep-len")]
    pub(crate) rep_len: u32,
    pub(crate) rule: u16,
    pub(crate) hint: u16,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Edits {
    pub(crate) edits: Vec<Edit>,
    pub(crate) heap: Vec<u8>,
    pub(crate) held: u32,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Message<'a> {
    pub(crate) protocol: u32,
    pub(crate) stage: u32,
    pub(crate) text: &'a [u8],
    pub(crate) facts: &'a [u8],
}

#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only a guest makes them")]
pub(crate) enum Effect {
    #[component(name = "read")]
    Read,
    #[component(name = "write")]
    Write,
    #[component(name = "destroy")]
    Destroy,
    #[component(name = "escalate")]
    Escalate,
    #[component(name = "unknown")]
    Unknown,
}

#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only a guest makes them")]
pub(crate) enum Risk {
    #[component(name = "none")]
    None,
    #[component(name = "low")]
    Low,
    #[component(name = "medium")]
    Medium,
    #[component(name = "high")]
    High,
    #[component(name = "critical")]
    Critical,
}

#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Finding {
    pub(crate) rule: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Classification {
    pub(crate) effect: Effect,
    pub(crate) risk: Risk,
    pub(crate) verbs: u32,
    pub(crate) labels: Vec<u8>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) objects: Vec<u8>,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct ConfigError {
    pub(crate) path: String,
    pub(crate) message: String,
}

type Configure = TypedFunc<(&'static [u8],), (Result<(), Vec<ConfigError>>,)>;
type Open = TypedFunc<(&'static [u8],), ()>;
type Schema = TypedFunc<(u32, &'static [Column], &'static [u8]), ()>;
type MaskFn = TypedFunc<(Batch<'static>,), (Edits,)>;
type ClassifyFn = TypedFunc<(Message<'static>,), (Classification,)>;

/// What both worlds export.
#[derive(Clone, Copy)]
pub(crate) struct Lifecycle {
    pub(crate) configure: Configure,
    pub(crate) open: Open,
    pub(crate) schema: Schema,
}

/// What one of them exports.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    Mask(MaskFn),
    Classify(ClassifyFn),
}

pub(crate) fn function<P, R>(
    instance: &Instance,
    mut store: impl AsContextMut<Data = Guest>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let missing = || wasmtime::Error::msg(format!("`{interface}#{name}` is not exported"));
    let outer = instance
        .get_export_index(&mut store, None, interface)
        .ok_or_else(missing)?;
    let inner = instance
        .get_export_index(&mut store, Some(&outer), name)
        .ok_or_else(missing)?;
    instance.get_typed_func(&mut store, inner)
}

/// The functions that a plugin can call, of every version: a component imports those of its own.
pub(crate) fn link_host(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    VERSIONS
        .into_iter()
        .try_for_each(|version| (version.link)(linker))
}
