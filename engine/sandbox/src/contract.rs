//! The contract in the host's types, `sdk/wit/portcullis.wit` word for word: wasmtime compares them with the
//! component when it is loaded. API version 0.1; a later version gets a module of its own beside this one.

use wasmtime::component::{ComponentType, Instance, Lift, Linker, Lower, TypedFunc};
use wasmtime::{AsContextMut, StoreContextMut};

use crate::guest::Guest;

/// The versions that are loadable, newest first: this one and, once there are more, the two before.
pub(crate) const VERSIONS: [&str; 1] = [portcullis_sdk::manifest::API];

/// The only interface that may be imported.
pub(crate) const HOST: &str = "portcullis:plugin/host@0.1.0";
const LIFECYCLE: &str = "portcullis:plugin/lifecycle@0.1.0";
const MASK: &str = "portcullis:plugin/mask@0.1.0";
const CLASSIFY: &str = "portcullis:plugin/classify@0.1.0";

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

/// The functions of an instance.
pub(crate) fn functions(
    instance: &Instance,
    mut store: impl AsContextMut<Data = Guest>,
    masker: bool,
) -> wasmtime::Result<(Lifecycle, Work)> {
    let lifecycle = Lifecycle {
        configure: function(instance, &mut store, LIFECYCLE, "configure")?,
        open: function(instance, &mut store, LIFECYCLE, "open")?,
        schema: function(instance, &mut store, LIFECYCLE, "schema")?,
    };
    let work = match masker {
        true => Work::Mask(function(instance, &mut store, MASK, "mask")?),
        false => Work::Classify(function(instance, &mut store, CLASSIFY, "classify")?),
    };
    Ok((lifecycle, work))
}

pub(crate) fn function<P, R>(
    instance: &Instance,
    mut store: impl AsContextMut<Data = Guest>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: wasmtime::component::ComponentNamedList + Lower,
    R: wasmtime::component::ComponentNamedList + Lift,
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

/// The two functions that a plugin can call.
pub(crate) fn link_host(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut host = linker.instance(HOST)?;
    host.func_wrap(
        "log",
        |mut store: StoreContextMut<'_, Guest>, (code, value): (u32, u64)| {
            store.data_mut().log(code, value);
            Ok(())
        },
    )?;
    host.func_wrap(
        "count",
        |store: StoreContextMut<'_, Guest>, (counter, by): (u32, u64)| {
            store.data().count(counter, by);
            Ok(())
        },
    )
}
