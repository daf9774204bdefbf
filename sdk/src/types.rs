//! PostgreSQL's types by name: what an interest and a trace may call them. Types that were created later have no
//! name here; they are named by their OID.

/// The name, the OID of the type and that of its array (`pg_type.dat`).
pub const TYPES: [(&str, u32, u32); 29] = [
    ("bit", 1560, 1561),
    ("bool", 16, 1000),
    ("bpchar", 1042, 1014),
    ("bytea", 17, 1001),
    ("char", 18, 1002),
    ("cidr", 650, 651),
    ("date", 1082, 1182),
    ("float4", 700, 1021),
    ("float8", 701, 1022),
    ("inet", 869, 1041),
    ("int2", 21, 1005),
    ("int4", 23, 1007),
    ("int8", 20, 1016),
    ("interval", 1186, 1187),
    ("json", 114, 199),
    ("jsonb", 3802, 3807),
    ("macaddr", 829, 1040),
    ("money", 790, 791),
    ("name", 19, 1003),
    ("numeric", 1700, 1231),
    ("oid", 26, 1028),
    ("text", 25, 1009),
    ("time", 1083, 1183),
    ("timestamp", 1114, 1115),
    ("timestamptz", 1184, 1185),
    ("tsvector", 3614, 3643),
    ("uuid", 2950, 2951),
    ("varchar", 1043, 1015),
    ("xml", 142, 143),
];

/// The OID of a type by its name.
#[must_use]
pub fn oid(name: &str) -> Option<u32> {
    let found = TYPES.iter().find(|(known, ..)| *known == name);
    found.map(|(_, oid, _)| *oid)
}
