//! API version 0.1, `sdk/wit/portcullis.wit` word for word: wasmtime compares these types with the component's
//! own when a function is looked up. Its records are the host's own. Refuses nothing that 0.1 has ever allowed: a
//! plugin built against it keeps loading for as long as this module is in the table.

use super::{Functions, Lifecycle, Version, Work, function};
use crate::guest::Guest;
use portcullis_sdk::Manifest;
use wasmtime::StoreContextMut;
use wasmtime::component::{Instance, Linker};

const HOST: &str = "portcullis:plugin/host@0.1.0";
const LIFECYCLE: &str = "portcullis:plugin/lifecycle@0.1.0";
const MASK: &str = "portcullis:plugin/mask@0.1.0";
const CLASSIFY: &str = "portcullis:plugin/classify@0.1.0";

pub(super) static VERSION: Version = Version {
    api: "portcullis:plugin@0.1",
    host: HOST,
    types: "portcullis:plugin/types@0.1.0",
    manifest: Manifest::parse,
    link,
    functions,
};

fn functions(
    instance: &Instance,
    mut store: StoreContextMut<'_, Guest>,
    masker: bool,
) -> wasmtime::Result<Functions> {
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

fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
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
