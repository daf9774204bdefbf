//! Cells and columns in the flat form of the contract, as the gateway sends them.

use crate::glue::FlatColumn;
use crate::masker::Column;

/// The flat form of some cells.
pub(super) struct Flat {
    pub(super) cells: Vec<u32>,
    pub(super) data: Vec<u8>,
}

impl Flat {
    /// Of pairs: column and bytes.
    pub(super) fn of<'a>(cells: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
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

/// The flat form of columns, and the text that holds their names.
pub(super) fn flat_columns(columns: &[Column]) -> (Vec<FlatColumn>, Vec<u8>) {
    let mut names = Vec::new();
    let flat = columns
        .iter()
        .map(|column| {
            let start = names.len() as u32;
            names.extend_from_slice(column.name.as_bytes());
            FlatColumn {
                name_start: start,
                name_end: names.len() as u32,
                type_oid: column.type_oid,
                table_oid: column.table_oid,
                attnum: column.attnum,
                binary: u32::from(column.binary),
            }
        })
        .collect();
    (flat, names)
}
