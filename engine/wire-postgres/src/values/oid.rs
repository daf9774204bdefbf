//! The types of PostgreSQL's catalog (`src/include/catalog/pg_type.dat`) as far as masking cares: what
//! stands in a value and what may stand in its place. Refuses to know user-defined types: their OIDs
//! differ from database to database, so they are `Loose`.

/// A scalar type that is no text: replaced whole, by a constant of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Typed {
    Bool,
    Char,
    Int2,
    Int4,
    Int8,
    /// `oid`, `xid`, `cid`: four bytes, unsigned.
    Unsigned,
    /// `regclass` and its kind: a name in text, an OID in binary.
    Registered,
    Xid8,
    Float4,
    Float8,
    Numeric,
    Money,
    Uuid,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Inet,
    Cidr,
    MacAddr,
    MacAddr8,
    Lsn,
}

/// What a type is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Characters, in both formats.
    Text,
    /// A scalar.
    Typed(Typed),
    /// `json`: text in both formats.
    Json,
    /// `jsonb`: a version byte before the text in binary format.
    Jsonb,
    /// `jsonpath`: text, with a version byte in binary format.
    Jsonpath,
    /// `bytea`.
    Bytea,
    /// An array of this element type.
    Array(u32),
    /// `record`.
    Record,
    /// Built in, but nothing we could write one of: shown whole, replaced by NULL.
    Foreign,
    /// Not built in.
    Loose,
}

/// `anyarray`, of `pg_stats.most_common_vals` and its kind.
const ANYARRAY: u32 = 2277;
/// OIDs from here on are assigned by `initdb` or by users (`FirstGenbkiObjectId`, access/transam.h).
const FIRST_ASSIGNED: u32 = 10_000;
/// `box` arrays are written with `;` between the elements.
const BOX: u32 = 603;

/// The class of a type OID.
pub(super) fn class(oid: u32) -> Class {
    if let Some(typed) = typed(oid) {
        return Class::Typed(typed);
    }
    match oid {
        // name, text, xml, pg_node_tree, unknown, bpchar, varchar, refcursor, cstring.
        19 | 25 | 142 | 194 | 705 | 1042 | 1043 | 1790 | 2275 => Class::Text,
        114 => Class::Json,
        3802 => Class::Jsonb,
        4072 => Class::Jsonpath,
        17 => Class::Bytea,
        2249 => Class::Record,
        ANYARRAY => Class::Array(0),
        0 => Class::Loose,
        _ if oid >= FIRST_ASSIGNED => Class::Loose,
        _ => element(oid).map_or(Class::Foreign, Class::Array),
    }
}

fn typed(oid: u32) -> Option<Typed> {
    Some(match oid {
        16 => Typed::Bool,
        18 => Typed::Char,
        20 => Typed::Int8,
        21 => Typed::Int2,
        23 => Typed::Int4,
        26 | 28 | 29 => Typed::Unsigned,
        24 | 2202..=2206 | 3734 | 3769 | 4089 | 4096 | 4191 => Typed::Registered,
        5069 => Typed::Xid8,
        700 => Typed::Float4,
        701 => Typed::Float8,
        1700 => Typed::Numeric,
        790 => Typed::Money,
        2950 => Typed::Uuid,
        1082 => Typed::Date,
        1083 => Typed::Time,
        1266 => Typed::TimeTz,
        1114 => Typed::Timestamp,
        1184 => Typed::TimestampTz,
        1186 => Typed::Interval,
        869 => Typed::Inet,
        650 => Typed::Cidr,
        829 => Typed::MacAddr,
        774 => Typed::MacAddr8,
        3220 => Typed::Lsn,
        _ => return None,
    })
}

/// `typarray` to `typelem` of every built-in array type, sorted; 0 stands for a row type of the catalog.
const ARRAYS: [(u32, u32); 82] = [
    (143, 142),
    (199, 114),
    (210, 0),
    (270, 0),
    (271, 5069),
    (272, 0),
    (273, 0),
    (629, 628),
    (651, 650),
    (719, 718),
    (775, 774),
    (791, 790),
    (1000, 16),
    (1001, 17),
    (1002, 18),
    (1003, 19),
    (1005, 21),
    (1006, 22),
    (1007, 23),
    (1008, 24),
    (1009, 25),
    (1010, 27),
    (1011, 28),
    (1012, 29),
    (1013, 30),
    (1014, 1042),
    (1015, 1043),
    (1016, 20),
    (1017, 600),
    (1018, 601),
    (1019, 602),
    (1020, BOX),
    (1021, 700),
    (1022, 701),
    (1027, 604),
    (1028, 26),
    (1034, 1033),
    (1040, 829),
    (1041, 869),
    (1115, 1114),
    (1182, 1082),
    (1183, 1083),
    (1185, 1184),
    (1187, 1186),
    (1231, 1700),
    (1263, 2275),
    (1270, 1266),
    (1561, 1560),
    (1563, 1562),
    (2201, 1790),
    (2207, 2202),
    (2208, 2203),
    (2209, 2204),
    (2210, 2205),
    (2211, 2206),
    (2287, 2249),
    (2949, 2970),
    (2951, 2950),
    (3221, 3220),
    (3643, 3614),
    (3644, 3642),
    (3645, 3615),
    (3735, 3734),
    (3770, 3769),
    (3807, 3802),
    (3905, 3904),
    (3907, 3906),
    (3909, 3908),
    (3911, 3910),
    (3913, 3912),
    (3927, 3926),
    (4073, 4072),
    (4090, 4089),
    (4097, 4096),
    (4192, 4191),
    (5039, 5038),
    (6150, 4451),
    (6151, 4532),
    (6152, 4533),
    (6153, 4534),
    (6155, 4535),
    (6157, 4536),
];

/// The element type of a built-in array type.
fn element(oid: u32) -> Option<u32> {
    let found = ARRAYS
        .binary_search_by_key(&oid, |(array, _)| *array)
        .ok()?;
    ARRAYS.get(found).map(|(_, element)| *element)
}

/// What stands between the elements of an array of this type (`typdelim`).
pub(super) fn delimiter(element: u32) -> u8 {
    match element {
        BOX => b';',
        _ => b',',
    }
}
