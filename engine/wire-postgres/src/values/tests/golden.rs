//! Binary values and what PostgreSQL 15 itself prints for them: `golden.tsv` holds type OID, the hex of
//! the type's send function, and the text (UTC, ISO dates, IntervalStyle postgres).

use super::build::cells_of;

fn check(vectors: &str) -> usize {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in vectors.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [oid, hex, text] = fields[..] else {
            panic!("a vector has three fields: {line}");
        };
        let raw: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[i * 2..i * 2 + 2], 16).unwrap())
            .collect();
        let shown = cells_of(oid.parse().unwrap(), 1, &raw);
        if shown != [text] {
            wrong.push(format!("{oid} {hex}: {shown:?} is not {text}"));
        }
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    count
}

#[test]
fn binary_values_read_as_the_server_prints_them() {
    assert!(check(include_str!("golden.tsv")) > 150);
}
