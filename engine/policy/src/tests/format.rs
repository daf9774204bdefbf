//! Layout: what it sets right, what it leaves, and that it says nothing new.

use crate::{builtin, format};
use proptest::prelude::*;

fn shipped() -> Vec<(&'static str, &'static str)> {
    let packs = builtin::packs().iter().flat_map(|(_, files)| files.iter());
    builtin::library().iter().chain(packs).copied().collect()
}

#[test]
fn what_is_formatted_stays_as_it_is() {
    for (file, text) in shipped() {
        let formatted = format(file, text).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(formatted, text, "{file}");
    }
}

#[test]
fn layout_is_set_right_and_comments_stay() {
    let crooked = "\n\npackage a\r\nimport rego.v1\n\n\n\n# Why.   \n  deny contains {\n\"rule\": \"a/b\", # inside\n      \"msg\": sprintf(\"%s\", [\n  input.x,\n]),\n}   if {\n input.a ==\n1\n    # about the next\nsome x in [\n1, 2,\n]\nx == `raw\n   kept  \n`\n}\n\n\n";
    let straight = "package a\nimport rego.v1\n\n# Why.\ndeny contains {\n\t\"rule\": \"a/b\", # inside\n\t\"msg\": sprintf(\"%s\", [\n\t\tinput.x,\n\t]),\n}   if {\n\tinput.a ==\n\t\t1\n\t# about the next\n\tsome x in [\n\t\t1, 2,\n\t]\n\tx == `raw\n   kept  \n`\n}\n";
    assert_eq!(format("a.rego", crooked).unwrap(), straight);
    assert_eq!(format("a.rego", straight).unwrap(), straight);
}

#[test]
fn what_does_not_parse_is_refused_with_its_place() {
    let wrong = format("a.rego", "package a\n\ndeny if {").unwrap_err();
    assert_eq!((wrong.rule, wrong.line), ("load/parse", 3));
}

proptest! {
    /// However the lines of a formatted file are indented, it comes back as it was.
    #[test]
    fn indentation_is_no_matter(pick in 0usize..64, blanks in proptest::collection::vec(0usize..4, 64)) {
        let all = shipped();
        let (file, text) = all[pick % all.len()];
        prop_assume!(!text.contains('`'));
        let crooked: String = text
            .lines()
            .zip(blanks.iter().cycle())
            .map(|(line, blanks)| format!("{}{}{}\n", " ".repeat(*blanks), line.trim_start(), "\t".repeat(*blanks)))
            .collect();
        prop_assert_eq!(format(file, &crooked).unwrap(), text);
    }
}
