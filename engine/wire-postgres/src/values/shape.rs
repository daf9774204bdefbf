//! The shapes of results: from RowDescription, from what a COPY statement says, and the fixed ones of
//! messages. Refuses a description that does not fit its length, or formats that do not fit its columns.

use super::cursor::Cursor;
use super::frames::broken;
use portcullis_model::rows::Column;
use portcullis_model::{Fault, RowShape};
use std::sync::{Arc, LazyLock};

/// Serials from here on belong to the fixed shapes of messages; callers number theirs from 0.
pub const FIRST_RESERVED_SERIAL: u32 = u32::MAX - 15;

/// The type of strings that have none.
pub(super) const TEXT_OID: u32 = 25;

/// The columns of a RowDescription (protocol section 55.7), with the formats that Bind asked for.
pub(super) fn described(description: &[u8], formats: Option<&[i16]>) -> Result<Vec<Column>, Fault> {
    columns(description, formats).ok_or_else(|| broken("read a RowDescription"))
}

fn columns(description: &[u8], formats: Option<&[i16]>) -> Option<Vec<Column>> {
    let mut cursor = Cursor::new(description);
    let count = cursor.count()?;
    // Every column has at least a NUL and 18 bytes.
    if count > cursor.remaining() / 19 {
        return None;
    }
    let mut columns = Vec::with_capacity(count);
    for index in 0..count {
        let name = String::from_utf8_lossy(cursor.cstr()?).into_owned();
        let table_oid = cursor.u32()?;
        let attnum = cursor.i16()?;
        let type_oid = cursor.u32()?;
        let (_size, _modifier) = (cursor.i16()?, cursor.i32()?);
        let described = cursor.i16()?;
        let format = match formats {
            None => described,
            Some([]) => 0,
            Some([all]) => *all,
            Some(each) if each.len() == count => *each.get(index)?,
            Some(_) => return None,
        };
        columns.push(Column {
            name,
            type_oid,
            table_oid,
            attnum,
            binary: binary(format)?,
        });
    }
    cursor.is_empty().then_some(columns)
}

/// A format code.
pub(super) fn binary(format: i16) -> Option<bool> {
    match format {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// A column that belongs to no relation.
pub(super) fn nameless(name: String, binary: bool) -> Column {
    Column {
        name,
        type_oid: TEXT_OID,
        table_oid: 0,
        attnum: 0,
        binary,
    }
}

fn fixed(offset: u32, names: &[&str], type_oid: u32, binary: bool) -> Arc<RowShape> {
    let column = |name: &&str| Column {
        type_oid,
        ..nameless((*name).to_owned(), binary)
    };
    Arc::new(RowShape {
        serial: FIRST_RESERVED_SERIAL + offset,
        columns: names.iter().map(column).collect(),
    })
}

/// The columns of errors and notices; `other` takes every field that has none of its own.
pub(super) const REPORT_COLUMNS: [&str; 12] = [
    "message",
    "detail",
    "hint",
    "context",
    "internal_query",
    "schema",
    "table",
    "column",
    "datatype",
    "constraint",
    "source",
    "other",
];

pub(super) static ERROR: LazyLock<Arc<RowShape>> =
    LazyLock::new(|| fixed(0, &REPORT_COLUMNS, TEXT_OID, false));
pub(super) static NOTICE: LazyLock<Arc<RowShape>> =
    LazyLock::new(|| fixed(1, &REPORT_COLUMNS, TEXT_OID, false));
pub(super) static NOTIFICATION: LazyLock<Arc<RowShape>> =
    LazyLock::new(|| fixed(2, &["channel", "payload"], TEXT_OID, false));
pub(super) static PARAMETER: LazyLock<Arc<RowShape>> =
    LazyLock::new(|| fixed(3, &["name", "value"], TEXT_OID, false));
pub(super) static CALL: LazyLock<Arc<RowShape>> = LazyLock::new(|| fixed(4, &["result"], 17, true));
