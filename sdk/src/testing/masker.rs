//! The harness for maskers. It masks as the gateway does under a policy that redacts: the widest of overlapping
//! finds names the mark.

use super::flat::{Flat, flat_columns};
use super::needles::{Following, Sound, unsound};
use super::release::{masked, streamed};
use super::subject::{Instance, Masked, Report};
use super::{manifest, stream_json};
use crate::glue::{Lifecycle, MaskerGlue};
use crate::masker::{BatchKind, Column, Masker};
use crate::{ConfigError, Described, Manifest};
use serde_json::Value;
use std::marker::PhantomData;

/// A masker under test.
#[derive(Debug)]
pub struct Harness<M> {
    config: Vec<u8>,
    columns: Vec<(String, u32)>,
    kind: BatchKind,
    entities: Option<Vec<String>>,
    manifest: Manifest,
    sound: Sound,
    plugin: PhantomData<M>,
}

/// Tests a masker with this configuration, on result rows with nameless text columns.
#[must_use]
pub fn harness<M: Masker + Described>(config: Value) -> Harness<M> {
    let manifest = manifest::<M>();
    Harness {
        config: config.to_string().into_bytes(),
        columns: Vec::new(),
        kind: BatchKind::Rows,
        entities: None,
        sound: Sound::of(&manifest),
        manifest,
        plugin: PhantomData,
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the cell.
    pub cell: usize,
    /// What stands there.
    pub text: String,
    /// Its entity.
    pub entity: String,
    /// The rule's name.
    pub rule: String,
}

/// A masked row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The cells as they would be released.
    pub cells: Vec<String>,
    /// What was found in them.
    pub found: Vec<Found>,
}

impl Row {
    /// Checks the masked cells.
    ///
    /// # Panics
    /// When they differ.
    pub fn expect(&self, cells: &[&str]) {
        assert_eq!(self.cells, cells, "found: {:#?}", self.found);
    }

    /// Checks what was found: pairs of rule name and text, in order.
    ///
    /// # Panics
    /// When they differ.
    pub fn expect_found(&self, pairs: &[(&str, &str)]) {
        let found: Vec<_> = self
            .found
            .iter()
            .map(|f| (f.rule.as_str(), f.text.as_str()))
            .collect();
        assert_eq!(found, pairs);
    }
}

impl<M: Masker + Described> Harness<M> {
    /// Names of text columns.
    #[must_use]
    pub fn columns(mut self, names: &[&str]) -> Self {
        self.columns = names.iter().map(|n| ((*n).to_owned(), 25)).collect();
        self
    }

    /// Names and type OIDs of columns.
    #[must_use]
    pub fn typed_columns(mut self, columns: &[(&str, u32)]) -> Self {
        self.columns = columns.iter().map(|(n, t)| ((*n).to_owned(), *t)).collect();
        self
    }

    /// Another kind of batch.
    #[must_use]
    pub fn kind(mut self, kind: BatchKind) -> Self {
        self.kind = kind;
        self
    }

    /// A policy that masks these entities only.
    #[must_use]
    pub fn only(mut self, entities: &[&str]) -> Self {
        self.entities = Some(entities.iter().map(|e| (*e).to_owned()).collect());
        self
    }

    /// The error of a configuration that must be refused.
    ///
    /// # Panics
    /// When the configuration is accepted.
    #[must_use]
    pub fn config_error(&self) -> ConfigError {
        match MaskerGlue::<M>::configure(&self.config) {
            Err(error) => error,
            Ok(_) => panic!("the configuration is accepted, it should be refused"),
        }
    }

    /// Masks one row. All cells in one batch, each cell in its own, and another instance must agree.
    ///
    /// # Panics
    /// When they do not, or when a report is malformed.
    #[must_use]
    pub fn row(&self, cells: &[&str]) -> Row {
        let bytes: Vec<&[u8]> = cells.iter().map(|c| c.as_bytes()).collect();
        self.row_bytes(&bytes)
    }

    /// The same for cells that are no UTF-8.
    ///
    /// # Panics
    /// As [`Harness::row`].
    #[must_use]
    pub fn row_bytes(&self, cells: &[&[u8]]) -> Row {
        let mut glue = self.fresh(cells.len());
        let together = self.once(&mut glue, cells, 0);
        assert_eq!(
            self.once(&mut self.fresh(cells.len()), cells, 0),
            together,
            "another instance answers otherwise: a masker must be deterministic"
        );
        let mut apart = Vec::new();
        for (index, cell) in (0u32..).zip(cells) {
            let reports = self.once(&mut glue, &[cell], index);
            apart.extend(reports.into_iter().map(|report| Report {
                cell: index,
                ..report
            }));
        }
        assert_eq!(
            apart, together,
            "cells alone are masked otherwise than in one batch: the gateway may cut between cells"
        );
        self.check_needles(&mut Following::default(), cells, &together);
        self.apply(cells, &together)
    }

    /// Fails when something is found in a cell without a needle, in many variations of these texts: cut, joined,
    /// with other digits, separators, letters and cases. [`Harness::row`] checks the same for its own cells.
    ///
    /// # Panics
    /// When the needles of the manifest are not sound: the gateway would not show that cell.
    pub fn needles_hold(&self, seeds: &[&str]) {
        let width = self.columns.len().max(1);
        let mut glue = self.fresh(width);
        let mut following = Following::default();
        for cells in super::needles::variations(seeds, width) {
            let cells: Vec<&[u8]> = cells.iter().map(Vec::as_slice).collect();
            let edits = self.once(&mut glue, &cells, 0);
            self.check_needles(&mut following, &cells, &edits);
        }
    }

    fn check_needles(&self, following: &mut Following, cells: &[&[u8]], reports: &[Report]) {
        // A stream is shown as a whole: what is held at its cuts cannot be told from a part.
        if self.kind == BatchKind::Stream {
            return;
        }
        for (index, cell) in cells.iter().enumerate() {
            let column = self.columns.get(index);
            let name = column.map_or("", |(name, _)| name.as_str());
            let shown = self.sound.shows(following, index, name, cell);
            let report = reports.iter().find(|r| r.cell as usize == index);
            if let Some(report) = report.filter(|_| !shown) {
                let rule = self.manifest.rules.iter().find(|r| r.id == report.rule);
                let rule = rule.map_or("?", |rule| rule.name.as_str());
                panic!("{}", unsound(cell, name, rule));
            }
        }
    }

    /// Masks a byte stream, cut in two at every byte: every cut must give what the whole gives.
    ///
    /// # Panics
    /// When a cut gives something else.
    #[must_use]
    pub fn stream(&self, text: &[u8]) -> Vec<u8> {
        let whole = self.streamed(&[text]);
        for cut in 1..text.len() {
            let (left, right) = text.split_at(cut);
            assert_eq!(
                String::from_utf8_lossy(&self.streamed(&[left, right])),
                String::from_utf8_lossy(&whole),
                "cut at byte {cut}"
            );
        }
        whole
    }

    fn streamed(&self, pieces: &[&[u8]]) -> Vec<u8> {
        let mut glue = self.fresh(1);
        let masked = streamed(&mut glue, pieces, &|cell, reports| {
            self.apply(&[cell], reports).cells.remove(0)
        });
        masked.unwrap_or_else(|e| panic!("{e}")).into_bytes()
    }

    fn fresh(&self, width: usize) -> MaskerGlue<M> {
        let mut glue = MaskerGlue::<M>::configure(&self.config)
            .unwrap_or_else(|e| panic!("the configuration is refused: {e}"));
        glue.open(&stream_json());
        let nameless = (String::new(), 25);
        let columns = (0..width).map(|i| self.columns.get(i).unwrap_or(&nameless));
        let columns: Vec<Column> = columns
            .map(|(name, type_oid)| Column {
                name: name.clone(),
                type_oid: *type_oid,
                ..Column::default()
            })
            .collect();
        let (flat, names) = flat_columns(&columns);
        Lifecycle::schema(&mut glue, 1, &flat, &names);
        glue
    }

    fn once(&self, glue: &mut MaskerGlue<M>, cells: &[&[u8]], first_column: u32) -> Vec<Report> {
        let flat = Flat::of((first_column..).zip(cells.iter().copied()));
        let answer = Instance::mask(glue, self.kind as u32, 1, &flat.cells, &flat.data);
        let Masked { reports, held } = answer.unwrap_or_else(|e| panic!("{e}"));
        let stream = self.kind == BatchKind::Stream;
        assert!(held == 0 || stream, "only streams can be held");
        reports
    }

    fn apply(&self, cells: &[&[u8]], reports: &[Report]) -> Row {
        let wanted = |entity: &str| match &self.entities {
            Some(entities) => entities.iter().any(|e| e == entity),
            None => true,
        };
        masked(&self.manifest, &wanted, cells, reports).unwrap_or_else(|e| panic!("{e}"))
    }
}
