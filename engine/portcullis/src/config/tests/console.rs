//! `console:` without what it needs, with the line that must be named.

use super::*;

fn of_the_index(text: &str) -> Option<(Option<usize>, String)> {
    let mut found = problems(text).0.into_iter();
    let problem = found.find(|p| p.place == "journal.index" && !p.warning)?;
    Some((
        problem.line,
        format!("{} {}", problem.message, problem.remedy),
    ))
}

#[test]
fn a_console_does_not_stand_without_the_index_that_it_looks_into() {
    let without = format!("{GOOD}console: {{}}\njournal:\n  index: false\n");
    let (line, said) = of_the_index(&without).expect("a complaint");
    assert_eq!(line, Some(GOOD.lines().count() + 3));
    assert!(said.contains("`console`") && said.contains("leave `index` out"));
    for good in [
        format!("{GOOD}console: {{}}\njournal:\n  index: true\n"),
        format!("{GOOD}console: {{}}\n"),
        format!("{GOOD}journal:\n  index: false\n"),
    ] {
        assert_eq!(of_the_index(&good), None);
    }
}
