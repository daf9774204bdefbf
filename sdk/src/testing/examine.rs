//! Everything that is checked of a plugin on a trace: that it answers what the gateway accepts, the same twice, the same
//! wherever a batch or a stream is cut. Serves natively and through WebAssembly alike. Refuses to stop at the first
//! failure of a plugin's promise: all of them are reported.

use super::flat::{Flat, flat_columns};
use super::needles::{Following, Sound, unsound, variations};
use super::release::{masked, streamed};
use super::subject::{Instance, Masked, Report, Subject};
use super::trace::{Request, Step, Trace, kind_word, stage_word};
use crate::classifier::{Effect, Opinion, Risk};
use crate::manifest::World;
use crate::masker::{BatchKind, Column, Shape};
use serde_json::{Value, json};

/// Calls that one trace may cost beside those that it shows: variants of its cells.
const VARIANTS_MAX: usize = 4000;

/// Broken promises that are told of one trace.
const PROBLEMS_MAX: usize = 20;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// What the plugin makes of the trace, a JSON object a line: the content of a golden file.
    pub golden: String,
    /// Every answer to the trace and to variants of it: what native and WebAssembly must agree on.
    pub transcript: Vec<String>,
    /// How often the plugin was called.
    pub calls: usize,
    /// Promises that it broke.
    pub problems: Vec<String>,
}

/// Shows a plugin a trace in every way that the gateway might.
///
/// # Errors
/// When it refuses the configuration or traps.
pub fn examine(subject: &dyn Subject, trace: &Trace, config: &Value) -> Result<Examined, String> {
    let config = config.to_string().into_bytes();
    let mut sight = Sight {
        subject,
        config: &config,
        columns: Vec::new(),
        sound: Sound::of(subject.manifest()),
        following: Following::default(),
        seen: Examined::default(),
    };
    for (index, step) in trace.steps.iter().enumerate() {
        let shown = match step {
            Step::Columns(columns) => {
                sight.columns.clone_from(columns);
                Ok(())
            }
            Step::Message(request) => sight.message(request),
            Step::Cells(kind, cells) => sight.cells(*kind, cells),
            Step::Stream(pieces) => sight.stream(pieces),
        };
        shown.map_err(|e| format!("step {} of the trace: {e}", index + 1))?;
    }
    Ok(sight.seen)
}

/// A plugin that looks at a trace.
struct Sight<'a> {
    subject: &'a dyn Subject,
    config: &'a [u8],
    columns: Vec<Column>,
    sound: Sound,
    following: Following,
    seen: Examined,
}

impl<'a> Sight<'a> {
    fn cells(&mut self, kind: BatchKind, cells: &[Option<Vec<u8>>]) -> Result<(), String> {
        let shown: Vec<(u32, &[u8])> = (0u32..)
            .zip(cells)
            .filter_map(|(column, cell)| Some((column, cell.as_deref()?)))
            .filter(|(_, cell)| !cell.is_empty())
            .collect();
        let (mut first, mut second) = (
            self.fresh(kind, cells.len())?,
            self.fresh(kind, cells.len())?,
        );
        let together = self.call(&mut *first, kind, &shown)?;
        let word = kind_word(kind);
        if self.call(&mut *second, kind, &shown)? != together {
            self.broken(format!(
                "{word}: another instance answers otherwise: it is not deterministic"
            ));
        }
        if self.call(&mut *first, kind, &shown)? != together {
            self.broken(format!(
                "{word}: the same instance answers otherwise the second time"
            ));
        }
        let mut apart = Vec::new();
        for (index, cell) in (0u32..).zip(&shown) {
            let alone = self.call(&mut *first, kind, &[*cell])?;
            apart.extend(
                alone
                    .reports
                    .into_iter()
                    .map(|r| Report { cell: index, ..r }),
            );
        }
        if apart != together.reports {
            self.broken(format!("{word}: cells alone are masked otherwise than in one batch: a batch may be cut between any two cells"));
        }
        self.check(kind, &shown, &together);
        self.write_down(kind, &together);
        self.golden_cells(kind, cells, &shown, &together.reports)?;
        self.variants(kind, &shown, cells.len())
    }

    /// Beginnings, ends and damaged forms of cells: no golden knows them, and both sides must agree on them.
    fn variants(
        &mut self,
        kind: BatchKind,
        shown: &[(u32, &[u8])],
        width: usize,
    ) -> Result<(), String> {
        let mut instance = self.fresh(kind, width)?;
        for (column, cell) in shown {
            for at in 0..cell.len() {
                if self.seen.transcript.len() >= VARIANTS_MAX {
                    return Ok(());
                }
                let (head, tail) = cell.split_at(at);
                let mut damaged = cell.to_vec();
                damaged[at] = 0xFF;
                for variant in [head, tail, &damaged] {
                    if variant.is_empty() {
                        continue;
                    }
                    let answer = self.call(&mut *instance, kind, &[(*column, variant)])?;
                    self.check(kind, &[(*column, variant)], &answer);
                    self.write_down(kind, &answer);
                }
            }
        }
        self.needles(kind, shown, &mut *instance)
    }

    /// What is found must have a needle, in thousands of variations of these cells.
    fn needles(
        &mut self,
        kind: BatchKind,
        shown: &[(u32, &[u8])],
        instance: &mut dyn Instance,
    ) -> Result<(), String> {
        let seeds = shown
            .iter()
            .filter_map(|(_, cell)| std::str::from_utf8(cell).ok());
        let seeds: Vec<&str> = seeds.collect();
        if !self.sound.claims() || seeds.is_empty() {
            return Ok(());
        }
        for texts in variations(&seeds, shown.len()) {
            let cells = shown
                .iter()
                .zip(&texts)
                .map(|((column, _), text)| (*column, text.as_slice()));
            let cells: Vec<(u32, &[u8])> = cells.filter(|(_, text)| !text.is_empty()).collect();
            let answer = self.call(instance, kind, &cells)?;
            self.check(kind, &cells, &answer);
        }
        Ok(())
    }

    fn stream(&mut self, pieces: &[Vec<u8>]) -> Result<(), String> {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let text = pieces.concat();
        let as_they_came = self.streamed(&pieces)?;
        let whole = self.streamed(&[&text])?;
        if whole != as_they_came {
            self.broken(
                "stream: the pieces of the trace are masked otherwise than the whole".to_owned(),
            );
        }
        for cut in 1..text.len() {
            let (left, right) = text.split_at(cut);
            let two = self.streamed(&[left, right])?;
            self.seen
                .transcript
                .push(json!({"cut": cut, "stream": two}).to_string());
            if two != whole {
                self.broken(format!("stream: cut at byte {cut} it is masked otherwise: hold back what may be a beginning"));
            }
        }
        let line = json!({"stream": as_they_came}).to_string();
        self.line(&line);
        Ok(())
    }

    fn streamed(&mut self, pieces: &[&[u8]]) -> Result<String, String> {
        let mut instance = self.fresh(BatchKind::Stream, 1)?;
        self.seen.calls += pieces.len();
        let manifest = self.subject.manifest();
        streamed(&mut *instance, pieces, &|cell, reports| match masked(
            manifest,
            &|_| true,
            &[cell],
            reports,
        ) {
            Ok(mut row) => row.cells.remove(0),
            Err(reason) => format!("<{reason}>"),
        })
    }

    fn message(&mut self, request: &Request) -> Result<(), String> {
        let manifest = self.subject.manifest();
        let (mut first, mut second) = (self.start()?, self.start()?);
        let opinion = self.classify(&mut *first, request, &request.text)?;
        if self.classify(&mut *second, request, &request.text)? != opinion {
            self.broken("another instance answers otherwise: it is not deterministic".to_owned());
        }
        if self.classify(&mut *first, request, &request.text)? != opinion {
            self.broken("the same instance answers otherwise the second time".to_owned());
        }
        if manifest.facts_only && opinion.findings.is_empty() {
            let blind = self.classify(&mut *first, request, "")?;
            if blind != opinion {
                self.broken(
                    "it answers otherwise where it does not see the text: it is not `facts_only`"
                        .to_owned(),
                );
            }
        }
        let (protocol, stage) = (request.protocol, stage_word(request.stage));
        let said = json!({"text": request.text, "stage": stage, "protocol": format!("{protocol:?}").to_lowercase(), "opinion": opinion_json(&opinion, manifest, &request.text)});
        self.line(&said.to_string());
        self.check_opinion(&request.text, &opinion);
        if request.facts.is_some() {
            // Facts speak of this very text.
            return Ok(());
        }
        let characters: Vec<usize> = request.text.char_indices().map(|(at, _)| at).collect();
        for at in characters.into_iter().take(VARIANTS_MAX) {
            let (head, tail) = request.text.split_at(at);
            for variant in [head, tail] {
                let opinion = self.classify(&mut *first, request, variant)?;
                self.check_opinion(variant, &opinion);
                let line = opinion_json(&opinion, manifest, variant).to_string();
                self.seen.transcript.push(line);
            }
        }
        Ok(())
    }

    fn classify(
        &mut self,
        instance: &mut dyn Instance,
        request: &Request,
        text: &str,
    ) -> Result<Opinion, String> {
        self.seen.calls += 1;
        let facts = request.facts().to_string();
        instance.classify(
            request.protocol as u32,
            request.stage as u32,
            text.as_bytes(),
            facts.as_bytes(),
        )
    }

    fn start(&self) -> Result<Box<dyn Instance + 'a>, String> {
        self.subject.start(self.config)
    }

    fn fresh(&self, kind: BatchKind, width: usize) -> Result<Box<dyn Instance + 'a>, String> {
        if self.subject.manifest().world == World::Classifier {
            return Err("this is a classifier; its traces show requests: {\"text\": …}".to_owned());
        }
        let mut instance = self.start()?;
        if tabular(kind) {
            let mut columns = self.columns.clone();
            columns.resize_with(columns.len().max(width), || Column {
                type_oid: 25,
                ..Column::default()
            });
            let (flat, names) = flat_columns(&columns);
            instance.schema(1, &flat, &names)?;
        }
        Ok(instance)
    }

    fn call(
        &mut self,
        instance: &mut dyn Instance,
        kind: BatchKind,
        cells: &[(u32, &[u8])],
    ) -> Result<Masked, String> {
        self.seen.calls += 1;
        let column = |column: u32| if tabular(kind) { column } else { 0 };
        let flat = Flat::of(cells.iter().map(|(c, bytes)| (column(*c), *bytes)));
        let shape = if tabular(kind) { 1 } else { Shape::NONE };
        instance.mask(kind as u32, shape, &flat.cells, &flat.data)
    }

    /// What the gateway would refuse.
    fn check(&mut self, kind: BatchKind, cells: &[(u32, &[u8])], answer: &Masked) {
        let manifest = self.subject.manifest();
        let word = kind_word(kind);
        if answer.held != 0 {
            self.broken(format!("{word}: only streams can be held"));
        }
        let order = |r: &Report| (r.cell, r.start, r.end);
        if !answer.reports.is_sorted_by_key(order) {
            self.broken(format!("{word}: its reports are not sorted"));
        }
        let columns: &[Column] = if tabular(kind) { &self.columns } else { &[] };
        let name = |column: u32| {
            let column = columns.get(column as usize);
            column.map_or(String::new(), |c| c.name.clone())
        };
        let mut shown = Vec::with_capacity(cells.len());
        for (column, cell) in cells {
            let (at, name) = (*column as usize, name(*column));
            shown.push(self.sound.shows(&mut self.following, at, &name, cell));
        }
        let names: Vec<String> = cells.iter().map(|(column, _)| name(*column)).collect();
        for (index, report) in answer.reports.iter().enumerate() {
            let (_, cell) = cells.get(report.cell as usize).copied().unwrap_or_default();
            let rule = manifest.rules.iter().find(|r| r.id == report.rule);
            let rule = rule.map_or("?", |rule| rule.name.as_str());
            let name = names.get(report.cell as usize).map_or("", String::as_str);
            if shown.get(report.cell as usize) == Some(&false) {
                self.broken(format!("{word}: {}", unsound(cell, name, rule)));
            }
            if report.start >= report.end || report.end as usize > cell.len() {
                self.broken(format!("{word}: {report:?} is out of range"));
            }
            if !manifest.rules.iter().any(|r| r.id == report.rule) {
                self.broken(format!(
                    "{word}: rule {} is not in plugin.json",
                    report.rule
                ));
            }
            let same = answer.reports[..index]
                .iter()
                .any(|r| (r.cell, r.rule) == (report.cell, report.rule) && r.end > report.start);
            if same {
                self.broken(format!(
                    "{word}: two reports of rule {} overlap",
                    report.rule
                ));
            }
        }
    }

    fn check_opinion(&mut self, text: &str, opinion: &Opinion) {
        let manifest = self.subject.manifest();
        for (rule, range) in &opinion.findings {
            if !manifest.rules.iter().any(|r| r.id == rule.0) {
                self.broken(format!("rule {} is not in plugin.json", rule.0));
            }
            if range.start > range.end || range.end > text.len() {
                self.broken(format!("the finding {range:?} is not within the text"));
            }
        }
    }

    fn broken(&mut self, promise: String) {
        if self.seen.problems.len() < PROBLEMS_MAX && !self.seen.problems.contains(&promise) {
            self.seen.problems.push(promise);
        }
    }

    fn line(&mut self, line: &str) {
        self.seen.golden.push_str(line);
        self.seen.golden.push('\n');
        self.seen.transcript.push(line.to_owned());
    }

    fn write_down(&mut self, kind: BatchKind, answer: &Masked) {
        let reports: Vec<Value> = answer
            .reports
            .iter()
            .map(|r| json!([r.cell, r.start, r.end, r.rule, r.hint, r.own]))
            .collect();
        let line = json!({"kind": kind as u32, "reports": reports, "held": answer.held});
        self.seen.transcript.push(line.to_string());
    }

    fn golden_cells(
        &mut self,
        kind: BatchKind,
        cells: &[Option<Vec<u8>>],
        shown: &[(u32, &[u8])],
        reports: &[Report],
    ) -> Result<(), String> {
        let bytes: Vec<&[u8]> = shown.iter().map(|(_, cell)| *cell).collect();
        let row = masked(self.subject.manifest(), &|_| true, &bytes, reports)?;
        let mut after: Vec<Value> = cells
            .iter()
            .map(|cell| cell.as_ref().map_or(Value::Null, |_| json!("")))
            .collect();
        for ((column, _), text) in shown.iter().zip(&row.cells) {
            after[*column as usize] = json!(text);
        }
        let mut line = serde_json::Map::new();
        line.insert(kind_word(kind).to_owned(), after.into());
        if !row.found.is_empty() {
            let found: Vec<Value> = row.found.iter().map(|f| json!([f.rule, f.text])).collect();
            line.insert("found".to_owned(), found.into());
        }
        self.line(&Value::Object(line).to_string());
        Ok(())
    }
}

/// Rows and COPY have columns; everything else is nameless text.
fn tabular(kind: BatchKind) -> bool {
    matches!(kind, BatchKind::Rows | BatchKind::Copy)
}

/// An opinion for people and golden files.
#[must_use]
pub fn opinion_json(opinion: &Opinion, manifest: &crate::Manifest, text: &str) -> Value {
    let mut said = serde_json::Map::new();
    if opinion.effect != Effect::Read {
        said.insert(
            "effect".to_owned(),
            json!(format!("{:?}", opinion.effect).to_lowercase()),
        );
    }
    if opinion.risk != Risk::None {
        said.insert(
            "risk".to_owned(),
            json!(format!("{:?}", opinion.risk).to_lowercase()),
        );
    }
    if opinion.verbs.0 != 0 {
        said.insert("verbs".to_owned(), json!(opinion.verbs.names()));
    }
    if !opinion.labels.is_empty() {
        said.insert("labels".to_owned(), json!(opinion.labels));
    }
    let findings: Vec<Value> = opinion
        .findings
        .iter()
        .map(|(rule, range)| {
            let name = manifest
                .rules
                .iter()
                .find(|r| r.id == rule.0)
                .map_or("?", |r| r.name.as_str());
            json!([name, text.get(range.clone()).unwrap_or("?")])
        })
        .collect();
    if !findings.is_empty() {
        said.insert("findings".to_owned(), findings.into());
    }
    let objects: Vec<Value> = opinion
        .objects
        .iter()
        .map(|o| {
            let schema = o
                .schema
                .as_deref()
                .map_or(String::new(), |s| format!("{s}."));
            json!(format!(
                "{} {schema}{}{}",
                o.kind,
                o.name,
                if o.write { " (written)" } else { "" }
            ))
        })
        .collect();
    if !objects.is_empty() {
        said.insert("objects".to_owned(), objects.into());
    }
    Value::Object(said)
}
