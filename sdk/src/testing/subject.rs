//! What is under test: a plugin that can be started, natively here and through WebAssembly in `portcullis plugin
//! test`. Both answer the same calls, so one set of checks serves both. Refuses nothing: a failure is an answer.

use super::{manifest, stream_json};
use crate::classifier::{Classifier, Opinion};
use crate::glue::{ClassifierGlue, FlatColumn, Lifecycle, MaskerGlue};
use crate::masker::{Edit, Masker};
use crate::{Described, Manifest};
use std::marker::PhantomData;

/// One report of a masker, with the replacement it brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Index of the cell in its call.
    pub cell: u32,
    /// Half-open byte range within the cell.
    pub start: u32,
    /// See `start`.
    pub end: u32,
    /// Id of a rule.
    pub rule: u16,
    /// Bit 0: never show a tail.
    pub hint: u16,
    /// The replacement that it brings along; empty when it leaves it to the gateway.
    pub own: String,
}

/// What a masker answers to one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// In order.
    pub reports: Vec<Report>,
    /// Bytes to be seen again.
    pub held: u32,
}

/// A plugin that can be started.
pub trait Subject {
    /// What it declares.
    fn manifest(&self) -> &Manifest;
    /// An instance: configured, and told its stream.
    ///
    /// # Errors
    /// When it refuses the configuration, or fails.
    fn start(&self, config: &[u8]) -> Result<Box<dyn Instance + '_>, String>;
}

/// One instance of a plugin: the calls of the contract.
pub trait Instance {
    /// `lifecycle.schema`.
    ///
    /// # Errors
    /// When it traps.
    fn schema(&mut self, serial: u32, columns: &[FlatColumn], names: &[u8]) -> Result<(), String>;
    /// `mask.mask`.
    ///
    /// # Errors
    /// When it traps.
    fn mask(&mut self, kind: u32, shape: u32, cells: &[u32], data: &[u8])
    -> Result<Masked, String>;
    /// `classify.classify`.
    ///
    /// # Errors
    /// When it traps.
    fn classify(
        &mut self,
        protocol: u32,
        stage: u32,
        text: &[u8],
        facts: &[u8],
    ) -> Result<Opinion, String>;
}

/// The labels of the stream that instances under test work for.
#[must_use]
pub fn stream_labels() -> Vec<u8> {
    stream_json()
}

/// A masker, natively.
pub(super) struct NativeMasker<M> {
    manifest: Manifest,
    plugin: PhantomData<M>,
}

impl<M: Masker + Described> NativeMasker<M> {
    pub(super) fn new() -> Self {
        Self {
            manifest: manifest::<M>(),
            plugin: PhantomData,
        }
    }
}

impl<M: Masker> Subject for NativeMasker<M> {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, config: &[u8]) -> Result<Box<dyn Instance + '_>, String> {
        let mut glue = MaskerGlue::<M>::configure(config)
            .map_err(|e| format!("the configuration is refused: {e}"))?;
        glue.open(&stream_json());
        Ok(Box::new(glue))
    }
}

impl<M: Masker> Instance for MaskerGlue<M> {
    fn schema(&mut self, serial: u32, columns: &[FlatColumn], names: &[u8]) -> Result<(), String> {
        Lifecycle::schema(self, serial, columns, names);
        Ok(())
    }

    fn mask(
        &mut self,
        kind: u32,
        shape: u32,
        cells: &[u32],
        data: &[u8],
    ) -> Result<Masked, String> {
        let (edits, heap, held) = Self::mask(self, kind, shape, cells, data);
        let reports = edits.iter().map(|edit| report(edit, &heap)).collect();
        Ok(Masked { reports, held })
    }

    fn classify(&mut self, _: u32, _: u32, _: &[u8], _: &[u8]) -> Result<Opinion, String> {
        Err("a masker does not classify".to_owned())
    }
}

pub(super) fn report(edit: &Edit, heap: &[u8]) -> Report {
    let (start, len) = (edit.rep_start as usize, edit.rep_len as usize);
    let own = String::from_utf8(heap[start..start + len].to_vec());
    Report {
        cell: edit.cell,
        start: edit.start,
        end: edit.end,
        rule: edit.rule,
        hint: edit.hint,
        own: own.expect("a replacement is UTF-8"),
    }
}

/// A classifier, natively.
pub(super) struct NativeClassifier<C> {
    manifest: Manifest,
    plugin: PhantomData<C>,
}

impl<C: Classifier + Described> NativeClassifier<C> {
    pub(super) fn new() -> Self {
        Self {
            manifest: manifest::<C>(),
            plugin: PhantomData,
        }
    }
}

impl<C: Classifier> Subject for NativeClassifier<C> {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, config: &[u8]) -> Result<Box<dyn Instance + '_>, String> {
        let mut glue = ClassifierGlue::<C>::configure(config)
            .map_err(|e| format!("the configuration is refused: {e}"))?;
        glue.open(&stream_json());
        Ok(Box::new(glue))
    }
}

impl<C: Classifier> Instance for ClassifierGlue<C> {
    fn schema(&mut self, _: u32, _: &[FlatColumn], _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn mask(&mut self, _: u32, _: u32, _: &[u32], _: &[u8]) -> Result<Masked, String> {
        Err("a classifier does not mask".to_owned())
    }

    fn classify(
        &mut self,
        protocol: u32,
        stage: u32,
        text: &[u8],
        facts: &[u8],
    ) -> Result<Opinion, String> {
        Ok(Self::classify(self, protocol, stage, text, facts))
    }
}
