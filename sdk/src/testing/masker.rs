//! The harness for maskers. It masks as the gateway does under a policy that redacts: the widest of overlapping
//! finds names the mark.

use super::needles::Sound;
use super::{manifest, stream_json};
use crate::glue::{FlatColumn, Lifecycle, MaskerGlue};
use crate::masker::{BatchKind, Edit, Masker, Shape};
use crate::{ConfigError, Described, Manifest};
use serde_json::Value;
use std::marker::PhantomData;

/// Bytes of a stream that the gateway shows again in front of what comes.
const CONTEXT: usize = 64;

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

/// The flat form of some cells.
struct Flat {
    cells: Vec<u32>,
    data: Vec<u8>,
}

impl Flat {
    fn of<'a>(cells: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut flat = Self {
            cells: Vec::new(),
            data: Vec::new(),
        };
        for (column, bytes) in cells {
            let start = flat.data.len() as u32;
            flat.data.extend_from_slice(bytes);
            let end = flat.data.len() as u32;
            flat.cells.extend([column, start, end]);
            flat.data.push(0);
        }
        flat
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
        for (index, cell) in cells.iter().enumerate() {
            let edits = self.once(&mut glue, &[cell], index as u32);
            apart.extend(edits.into_iter().map(|(mut edit, own)| {
                edit.cell = index as u32;
                (edit, own)
            }));
        }
        assert_eq!(
            apart, together,
            "cells alone are masked otherwise than in one batch: the gateway may cut between cells"
        );
        self.check_needles(cells, &together);
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
        for cells in super::needles::variations(seeds, width) {
            let cells: Vec<&[u8]> = cells.iter().map(Vec::as_slice).collect();
            let edits = self.once(&mut glue, &cells, 0);
            self.check_needles(&cells, &edits);
        }
    }

    fn check_needles(&self, cells: &[&[u8]], edits: &[(Edit, String)]) {
        // A stream is shown as a whole: what is held at its cuts cannot be told from a part.
        if self.kind == BatchKind::Stream {
            return;
        }
        for (edit, _) in edits {
            let index = edit.cell as usize;
            let name = self
                .columns
                .get(index)
                .map_or("", |(name, _)| name.as_str());
            let rule = self.manifest.rules.iter().find(|r| r.id == edit.rule);
            let rule = rule.map_or("?", |rule| rule.name.as_str());
            self.sound.check(cells[index], name, rule);
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

    /// As the gateway does: what has gone last stands in front, and what touches the end waits.
    fn streamed(&self, chunks: &[&[u8]]) -> Vec<u8> {
        let mut glue = self.fresh(1);
        let mut out = Vec::new();
        let (mut text, mut gone) = (Vec::new(), 0);
        for (index, chunk) in chunks.iter().enumerate() {
            text.extend_from_slice(chunk);
            let flat = Flat::of(std::iter::once((0, text.as_slice())));
            let stream = BatchKind::Stream as u32;
            let (mut edits, heap, held) = glue.mask(stream, Shape::NONE, &flat.cells, &flat.data);
            edits.retain(|e| e.end as usize > gone);
            let mut ready = text.len();
            if index + 1 < chunks.len() {
                ready -= (held as usize).min(text.len() - gone);
                let open = |ready: usize| {
                    let open = edits.iter().filter(|e| {
                        let (start, end) = (e.start as usize, e.end as usize);
                        start.max(gone) < ready && (end > ready || end == text.len())
                    });
                    open.map(|e| (e.start as usize).max(gone)).min()
                };
                while let Some(start) = open(ready) {
                    ready = start;
                }
            }
            let settled = edits.iter().filter(|e| e.end as usize <= ready);
            let settled = settled.map(|e| {
                let (start, end) = ((e.start as usize).max(gone) - gone, e.end as usize - gone);
                let (start, end) = (start as u32, end as u32);
                (Edit { start, end, ..*e }, own(e, &heap))
            });
            let masked = self.apply(&[&text[gone..ready]], &settled.collect::<Vec<_>>());
            out.extend_from_slice(masked.cells[0].as_bytes());
            let forget = ready.saturating_sub(CONTEXT);
            text.drain(..forget);
            gone = ready - forget;
        }
        out
    }

    fn fresh(&self, width: usize) -> MaskerGlue<M> {
        let mut glue = MaskerGlue::<M>::configure(&self.config)
            .unwrap_or_else(|e| panic!("the configuration is refused: {e}"));
        glue.open(&stream_json());
        let nameless = (String::new(), 25);
        let columns = (0..width).map(|i| self.columns.get(i).unwrap_or(&nameless));
        let mut names = Vec::new();
        let flat: Vec<FlatColumn> = columns
            .map(|(name, oid)| {
                let start = names.len() as u32;
                names.extend_from_slice(name.as_bytes());
                FlatColumn {
                    name_start: start,
                    name_end: names.len() as u32,
                    type_oid: *oid,
                    table_oid: 0,
                    attnum: 0,
                    binary: 0,
                }
            })
            .collect();
        glue.schema(1, &flat, &names);
        glue
    }

    fn once(
        &self,
        glue: &mut MaskerGlue<M>,
        cells: &[&[u8]],
        first_column: u32,
    ) -> Vec<(Edit, String)> {
        let flat = Flat::of((first_column..).zip(cells.iter().copied()));
        let (edits, heap, held) = glue.mask(self.kind as u32, 1, &flat.cells, &flat.data);
        let stream = self.kind == BatchKind::Stream;
        assert!(held == 0 || stream, "only streams can be held");
        edits
            .into_iter()
            .map(|e| {
                let text = own(&e, &heap);
                // Where the text stands in the heap is no part of the answer.
                (Edit { rep_start: 0, ..e }, text)
            })
            .collect()
    }

    fn apply(&self, cells: &[&[u8]], edits: &[(Edit, String)]) -> Row {
        let mut row = Row {
            cells: Vec::new(),
            found: Vec::new(),
        };
        for (index, cell) in cells.iter().enumerate() {
            let mut spans: Vec<(usize, usize, String, usize)> = Vec::new();
            for (edit, own) in edits.iter().filter(|(e, _)| e.cell as usize == index) {
                let rule = self.manifest.rules.iter().find(|r| r.id == edit.rule);
                let rule =
                    rule.unwrap_or_else(|| panic!("rule {} is not in plugin.json", edit.rule));
                let entity = rule.entity.clone().unwrap_or_default();
                if self.entities.as_ref().is_some_and(|e| !e.contains(&entity)) {
                    continue;
                }
                let (start, end) = (edit.start as usize, edit.end as usize);
                let mark = match own.is_empty() {
                    true => format!("[pc-masked:{}]", entity.to_lowercase()),
                    false => own.clone(),
                };
                row.found.push(Found {
                    cell: index,
                    text: String::from_utf8_lossy(&cell[start..end]).into_owned(),
                    entity,
                    rule: rule.name.clone(),
                });
                match spans.last_mut() {
                    Some(last) if start < last.1 => {
                        if end - start > last.3 {
                            (last.2, last.3) = (mark, end - start);
                        }
                        last.1 = last.1.max(end);
                    }
                    _ => spans.push((start, end, mark, end - start)),
                }
            }
            let mut masked = Vec::new();
            let mut from = 0;
            for (start, end, mark, _) in spans {
                masked.extend_from_slice(&cell[from..start]);
                masked.extend_from_slice(mark.as_bytes());
                from = end;
            }
            masked.extend_from_slice(&cell[from..]);
            row.cells
                .push(String::from_utf8_lossy(&masked).into_owned());
        }
        row
    }
}

fn own(edit: &Edit, heap: &[u8]) -> String {
    let (start, len) = (edit.rep_start as usize, edit.rep_len as usize);
    String::from_utf8(heap[start..start + len].to_vec()).expect("a replacement is UTF-8")
}
