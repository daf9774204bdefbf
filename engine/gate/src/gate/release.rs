//! Back to the client: mask, rebuild, record what is released, and only then a release.

use super::*;
use portcullis_model::Counted;

/// Why a response cannot be released.
#[derive(Debug)]
pub enum Unreleased {
    /// A budget is used up: the client is told which.
    Budget(Denial),
    /// Something broke: the stream ends.
    Fault(Fault),
}

impl From<Fault> for Unreleased {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What a part of a response goes back to.
struct Cause {
    facts: Option<Arc<Facts>>,
    code: Option<[u8; 5]>,
    decision: Option<Arc<Decision>>,
    granted: Arc<Obligations>,
}

impl Cause {
    fn obligations(&self) -> &Obligations {
        self.decision
            .as_ref()
            .map_or(&self.granted, |d| &d.obligations)
    }
}

impl Treated {
    fn holds_for(&self, batch: &Batch, cause: &Cause, reshaped: bool) -> bool {
        let same_facts = match (&self.facts, &cause.facts) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        // Errors are rare and their code matters: they are treated anew each time.
        cause.code.is_none()
            && Arc::ptr_eq(&self.shape, &batch.shape)
            && same_facts
            && self.reshaped == reshaped
            && self.obligations == *cause.obligations()
    }
}

impl Gate {
    /// A new result begins: row limits count per result.
    pub fn begin_result(&mut self) {
        self.result_rows = 0;
    }

    /// Masks, rebuilds and records a part of a response, in one append.
    ///
    /// # Errors
    /// [`Unreleased::Budget`] when a row or byte limit is reached; [`Unreleased::Fault`] when a plugin,
    /// the journal or a rewrite fails, or a second secret of the gateway's own shows up: nothing of the
    /// batch is released.
    pub async fn release(
        &mut self,
        outgoing: Vec<Outgoing>,
        now: Timestamp,
    ) -> Result<Release, Unreleased> {
        let mut frames = Vec::with_capacity(outgoing.len());
        let mut entries = Vec::with_capacity(outgoing.len() + 1);
        for part in outgoing {
            let (wire, level) = match part {
                Outgoing::Control(wire) => (wire, RecordLevel::Full),
                Outgoing::Opaque(wire) => {
                    self.pass_unread(&wire, now, &mut entries)?;
                    // Recorded already, as far as it is to be.
                    (wire, RecordLevel::Metadata)
                }
                Outgoing::Unread { stream, wire } => {
                    self.pass_named(stream, &wire, now, &mut entries)?;
                    (wire, RecordLevel::Metadata)
                }
                Outgoing::Values {
                    batch,
                    rewrite,
                    facts,
                    obligations,
                } => {
                    let cause = Cause {
                        facts,
                        code: rewrite.code(),
                        decision: obligations,
                        granted: self.granted.clone(),
                    };
                    self.spend(&batch, cause.obligations(), now)?;
                    let edits = self.edits(&batch, &cause, now).await?;
                    if !edits.is_empty() {
                        entries.push(masked_entry(&batch, &edits, now));
                    }
                    let wire = match edits.is_empty() {
                        true => batch.wire,
                        false => rewrite.rewrite(&batch, &edits)?,
                    };
                    (wire, cause.obligations().record)
                }
            };
            if level == RecordLevel::Full {
                released(&mut entries, &wire, now);
            }
            self.count_bytes(wire.len(), now);
            frames.push(wire);
        }
        let sequence = self.append(&entries)?;
        Ok(Release { frames, sequence })
    }

    fn spend(
        &mut self,
        batch: &Batch,
        obligations: &Obligations,
        now: Timestamp,
    ) -> Result<(), Unreleased> {
        let rows = u64::from(batch.rows);
        if let Some(limit) = obligations.row_limit
            && self.result_rows + rows > limit
        {
            return Err(Unreleased::Budget(
                Denial::new(
                    "obligation/row-limit",
                    format!("the result has more than {limit} rows"),
                )
                .hint(format!("Add LIMIT {limit} or a narrower WHERE clause.")),
            ));
        }
        if let Some(denial) = self.over_budget(obligations, Counted::Rows, rows, now) {
            return Err(Unreleased::Budget(denial));
        }
        self.spend_bytes(obligations, batch.wire.len() as u64, now)?;
        self.result_rows += rows;
        self.count_rows(rows, now);
        Ok(())
    }

    async fn edits(
        &mut self,
        batch: &Batch,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<Edits, Fault> {
        let tripped = self.tripwire(batch, now)?;
        let obligations = cause.obligations();
        if !obligations.masks() {
            return Ok(Edits {
                spans: tripped,
                ..Edits::default()
            });
        }
        self.treat_shape(batch, cause).await?;
        let Some(treated) = &self.shape else {
            return Err(Fault::bare(Blame::Gateway, "treat a shape"));
        };
        let columns = column_masks(&treated.treatments);
        let documents = treated.documents.clone();
        let mut edits = match treated.wanted && !batch.cells.is_empty() {
            true => self.mask.mask(batch, &treated.skip, obligations).await?,
            false => Edits::default(),
        };
        if columns.iter().any(|mask| mask.strategy.keyed()) {
            // Detectors do not look at these columns, so nothing overlaps.
            edits.spans.extend(self.mask.stand_ins(batch, &columns));
            edits.spans.sort_by_key(|edit| (edit.cell, edit.start));
        }
        edits.columns = columns;
        edits.documents = documents;
        edits.spans = merge(edits.spans, tripped);
        Ok(edits)
    }

    /// Treatments are worked out once per shape, statement and decision; a relation that the catalog does
    /// not know is looked up before the first row is released.
    async fn treat_shape(&mut self, batch: &Batch, cause: &Cause) -> Result<(), Fault> {
        if self
            .shape
            .as_ref()
            .is_some_and(|t| t.holds_for(batch, cause, self.reshaped))
        {
            return Ok(());
        }
        let (facts, obligations) = (cause.facts.as_deref(), cause.obligations());
        let catalog = self.parts.catalog.clone();
        let mut treatments = match batch.kind {
            BatchKind::Rows if self.parts.session.target.protocol == Protocol::Kubernetes => {
                treat_object(&batch.shape, obligations)
            }
            BatchKind::Rows | BatchKind::Copy | BatchKind::Call => {
                let (first, unknown) = self.treated(batch, cause, &*catalog);
                if unknown.is_empty() {
                    first
                } else {
                    catalog.refresh(&unknown).await?;
                    self.treated(batch, cause, &*catalog).0
                }
            }
            BatchKind::Error | BatchKind::Notice => treat_report(
                &batch.shape,
                cause.code,
                facts,
                obligations,
                &*catalog,
                self.reshaped,
            ),
            // A trigger may notify whole rows; nobody knows of which relation.
            BatchKind::Notification if !obligations.columns.is_empty() => batch
                .shape
                .columns
                .iter()
                .enumerate()
                .map(|(index, _)| match index {
                    0 => Treatment::Scan,
                    _ => Treatment::Whole {
                        strategy: Strategy::Redact,
                        tag: Arc::from("payload"),
                    },
                })
                .collect(),
            _ => vec![Treatment::Scan; batch.shape.columns.len()],
        };
        let documents = self.in_parts(batch, cause, &mut treatments);
        let skip = treatments
            .iter()
            .map(|t| matches!(t, Treatment::Whole { .. }))
            .collect();
        let wanted = !obligations.entities.is_empty() && self.mask.wants(batch.kind, &batch.shape);
        self.shape = Some(Treated {
            shape: batch.shape.clone(),
            facts: cause.facts.clone(),
            obligations: obligations.clone(),
            reshaped: self.reshaped || cause.code.is_some(),
            treatments,
            documents,
            skip,
            wanted,
        });
        Ok(())
    }

    /// Treatments of a result, and the relations that nobody knows.
    fn treated(
        &mut self,
        batch: &Batch,
        cause: &Cause,
        catalog: &dyn Catalog,
    ) -> (Vec<Treatment>, Vec<u32>) {
        let (facts, obligations) = (cause.facts.as_deref(), cause.obligations());
        let shown = match obligations.columns.is_empty() {
            true => None,
            false => self.shown(batch.kind, facts, obligations),
        };
        let shape = &batch.shape;
        treat(
            shape,
            facts,
            obligations,
            catalog,
            self.reshaped,
            shown.as_deref(),
        )
    }

    /// The columns of which only parts are masked.
    fn in_parts(
        &self,
        batch: &Batch,
        cause: &Cause,
        treatments: &mut [Treatment],
    ) -> Vec<DocumentMask> {
        let asked = Narrowing {
            kind: batch.kind,
            shape: &batch.shape,
            facts: cause.facts.as_deref(),
            obligations: cause.obligations(),
            catalog: &*self.parts.catalog,
            reshaped: self.reshaped,
        };
        narrow(&asked, treatments)
    }

    /// Our own secrets in a response: masked, recorded, and the second one ends the session.
    fn tripwire(&mut self, batch: &Batch, now: Timestamp) -> Result<Vec<SpanEdit>, Fault> {
        let hits = self.parts.tripwire.hits(&batch.text);
        let mut spans: Vec<SpanEdit> = Vec::new();
        for (start, end) in hits {
            self.tripped("a secret of the gateway stood in a response", now)?;
            let (start, end) = (
                u32::try_from(start).unwrap_or(u32::MAX),
                u32::try_from(end).unwrap_or(u32::MAX),
            );
            let before = spans.len();
            for (index, cell) in batch.cells.iter().enumerate() {
                if cell.start < end && start < cell.end {
                    spans.push(SpanEdit {
                        cell: u32::try_from(index).unwrap_or(u32::MAX),
                        start: start.max(cell.start) - cell.start,
                        end: end.min(cell.end) - cell.start,
                        replacement: mask_text("tripwire", None).into(),
                        label: Arc::from("tripwire"),
                    });
                }
            }
            if spans.len() == before {
                return Err(Fault::bare(
                    Blame::Upstream,
                    "mask a secret that stands in no cell",
                ));
            }
        }
        Ok(spans)
    }
}

/// What is released, for the record. Small frames that go out together stand in one entry: each entry is hashed
/// into the chain and the tree on its own, which costs more than copying them.
fn released(entries: &mut Vec<Entry>, wire: &Bytes, now: Timestamp) {
    if let Some(last) = entries.last_mut()
        && last.kind == EntryKind::Release
        && last.payload.len() + wire.len() <= limits::RELEASES_JOINED_BYTES_MAX
    {
        let mut joined = BytesMut::with_capacity(last.payload.len() + wire.len());
        joined.extend_from_slice(&last.payload);
        joined.extend_from_slice(wire);
        last.payload = joined.freeze();
        return;
    }
    entries.push(Entry {
        kind: EntryKind::Release,
        at: now,
        payload: wire.clone(),
    });
}

fn column_masks(treatments: &[Treatment]) -> Vec<ColumnMask> {
    treatments
        .iter()
        .enumerate()
        .filter_map(|(column, treatment)| match treatment {
            Treatment::Scan => None,
            Treatment::Whole { strategy, tag } => Some(ColumnMask {
                column: u32::try_from(column).unwrap_or(u32::MAX),
                strategy: *strategy,
                label: tag.clone(),
            }),
        })
        .collect()
}

/// Two sorted lists of edits into one; where they overlap the tripwire's stands and the other goes.
fn merge(spans: Vec<SpanEdit>, tripped: Vec<SpanEdit>) -> Vec<SpanEdit> {
    if tripped.is_empty() {
        return spans;
    }
    let clear = |edit: &SpanEdit| {
        !tripped
            .iter()
            .any(|t| t.cell == edit.cell && t.start < edit.end && edit.start < t.end)
    };
    let mut all: Vec<SpanEdit> = spans.into_iter().filter(clear).collect();
    all.extend(tripped);
    all.sort_by_key(|e| (e.cell, e.start));
    all
}

/// What was edited: counts per label, never the values.
fn masked_entry(batch: &Batch, edits: &Edits, now: Timestamp) -> Entry {
    let mut labels: std::collections::BTreeMap<&str, u32> = std::collections::BTreeMap::new();
    for span in &edits.spans {
        *labels.entry(&span.label).or_default() += 1;
    }
    let columns: Vec<_> = edits
        .columns
        .iter()
        .map(|mask| {
            let name = batch.shape.columns.get(mask.column as usize).map(|c| c.name.as_str());
            json!({"column": name, "strategy": mask.strategy, "tag": &*mask.label, "rows": batch.rows})
        })
        .collect();
    let mut payload = json!({"kind": batch.kind, "edits": labels, "columns": columns});
    if let (false, Some(fields)) = (edits.documents.is_empty(), payload.as_object_mut()) {
        let documents = edits.documents.iter().map(|mask| masked_parts(batch, mask));
        fields.insert("documents".to_owned(), documents.collect());
    }
    let payload = payload.to_string();
    Entry {
        kind: EntryKind::Masked,
        at: now,
        payload: payload.into(),
    }
}

/// Which parts of the documents of a column were to be masked.
fn masked_parts(batch: &Batch, mask: &DocumentMask) -> serde_json::Value {
    let name = batch
        .shape
        .columns
        .get(mask.column as usize)
        .map(|c| c.name.as_str());
    let part = |part: &portcullis_model::PathMask| json!({"path": part.path, "strategy": part.strategy, "tag": &*part.label});
    let parts: Vec<_> = mask.parts.iter().map(part).collect();
    json!({"column": name, "parts": parts, "rows": batch.rows})
}
