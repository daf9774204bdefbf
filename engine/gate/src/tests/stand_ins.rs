//! Columns whose mask needs a key: the maskers are asked for what stands in, and for nothing else.

use super::fakes::{Fakes, NOW};
use super::{allow, row};
use crate::{Catalog, Gate, Mask, Outgoing, Relation, Rewrite};
use bytes::Bytes;
use portcullis_model::rows::Column;
use portcullis_model::verdict::ColumnRule;
use portcullis_model::{
    Batch, ColumnMask, Edits, Fault, Obligations, Predicates, RowShape, SpanEdit, Strategy,
};
use std::sync::{Arc, Mutex};

/// Answers every cell of the columns that it is asked about with one word.
struct Keyed(Fakes);

impl Mask for Keyed {
    fn wants(&self, kind: portcullis_model::BatchKind, shape: &RowShape) -> bool {
        self.0.wants(kind, shape)
    }

    fn mask<'a>(
        &'a mut self,
        batch: &'a Batch,
        skip: &'a [bool],
        obligations: &'a Obligations,
    ) -> crate::BoxFuture<'a, Result<Edits, Fault>> {
        self.0.mask(batch, skip, obligations)
    }

    fn stand_ins(&self, batch: &Batch, columns: &[ColumnMask]) -> Vec<SpanEdit> {
        assert_eq!(columns.len(), 1);
        let stand_in = |(number, cell): (u32, &portcullis_model::Cell)| SpanEdit {
            cell: number,
            start: 0,
            end: cell.end - cell.start,
            replacement: Bytes::from_static(b"qzx"),
            label: Arc::from("ssn"),
        };
        (0..).zip(&batch.cells).map(stand_in).collect()
    }
}

/// One table with one column.
struct Users;

impl Catalog for Users {
    fn relation(&self, oid: u32) -> Option<Arc<Relation>> {
        Some(Arc::new(Relation {
            oid,
            schema: "public".to_owned(),
            name: "users".to_owned(),
            columns: vec!["ssn".to_owned()],
            sources: Vec::new(),
            table: true,
            origins: Vec::new(),
        }))
    }

    fn named(&self, _: &str) -> Vec<Arc<Relation>> {
        Vec::new()
    }

    fn refresh<'a>(&'a self, _: &'a [u32]) -> crate::BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

/// Keeps the edits that it is given.
struct Seen(Arc<Mutex<Edits>>);

impl Rewrite for Seen {
    fn rewrite(self: Box<Self>, _: &Batch, edits: &Edits) -> Result<Bytes, Fault> {
        *self.0.lock().expect("no panic") = edits.clone();
        Ok(Bytes::from_static(b"masked"))
    }
}

async fn edits(strategy: Strategy, secret: &str) -> Edits {
    let fakes = Fakes::new(allow());
    fakes.secret(secret);
    let mut granted = Obligations::none();
    granted.columns.insert(ColumnRule {
        schema: "public".to_owned(),
        table: "users".to_owned(),
        column: "ssn".to_owned(),
        strategy,
        tag: "ssn".to_owned(),
        predicates: Predicates::Deny,
        approver_groups: Vec::new(),
    });
    fakes.grant(granted);
    let mut parts = fakes.parts();
    parts.mask = Box::new(Keyed(fakes.clone()));
    parts.catalog = Arc::new(Users);
    let mut gate = Gate::open(parts, Bytes::new(), NOW).expect("recorded");
    let shape = Arc::new(RowShape {
        serial: 1,
        columns: vec![Column {
            name: "ssn".to_owned(),
            type_oid: 25,
            table_oid: 10,
            attnum: 1,
            binary: false,
        }],
    });
    let seen = Arc::new(Mutex::new(Edits::default()));
    let Outgoing::Values { batch, .. } = row("123-45-6789", &shape) else {
        panic!("values are values")
    };
    let values = Outgoing::Values {
        batch,
        rewrite: Box::new(Seen(seen.clone())),
        facts: None,
        obligations: None,
    };
    let _release = gate.release(vec![values], NOW).await.expect("a release");
    let seen = seen.lock().expect("no panic");
    seen.clone()
}

#[tokio::test]
async fn a_stand_in_comes_with_the_mask_of_its_column() {
    for strategy in Strategy::ALL {
        let edits = edits(strategy, "").await;
        assert_eq!(edits.columns.len(), 1);
        let words: Vec<_> = edits.spans.iter().map(|s| &*s.replacement).collect();
        match strategy.keyed() {
            true => assert_eq!(words, [b"qzx"], "{strategy:?}"),
            false => assert!(words.is_empty(), "{strategy:?}"),
        }
    }
}

#[tokio::test]
async fn a_secret_of_ours_goes_before_a_stand_in() {
    let edits = edits(Strategy::Token, "45").await;
    let words: Vec<_> = edits.spans.iter().map(|s| &*s.replacement).collect();
    assert_eq!(words, [b"[pc-masked:tripwire]"]);
    assert_eq!(edits.columns.len(), 1);
}
