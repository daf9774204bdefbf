//! The set as it travels to another process, and what counts as its answer.

use super::world::{example_data, pack, shipped_sources};
use crate::{Files, PackSource, PolicySet, self_test};
use serde_json::json;

#[test]
fn the_same_set_arrives_and_every_test_answers() {
    let set = PolicySet::load_untested(&shipped_sources(), example_data()).unwrap();
    let answer = self_test(&set.packed().unwrap()).unwrap();
    assert_eq!(set.judge(&answer), []);
}

#[test]
fn a_failed_test_comes_back_with_its_place() {
    let files = vec![
        (
            "a.rego".to_owned(),
            "package portcullis.packs.a\nimport rego.v1\ngrant contains {\"rule\": \"a/b\"}"
                .to_owned(),
        ),
        (
            "a_test.rego".to_owned(),
            "package portcullis.packs.a_test\nimport rego.v1\n\ntest_no if 1 == 2".to_owned(),
        ),
    ];
    let source = PackSource {
        name: "a".to_owned(),
        files: Files::Memory(files),
        dry_run: false,
    };
    let set = PolicySet::load_untested(&[source], json!({})).unwrap();
    let wrong = set.judge(&self_test(&set.packed().unwrap()).unwrap());
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(
        (wrong[0].rule, wrong[0].file.as_str(), wrong[0].line),
        ("load/test", "a_test.rego", 4)
    );
}

#[test]
fn an_answer_about_another_set_is_none() {
    let one = PolicySet::load_untested(
        &[pack("a", "grant contains {\"rule\": \"a/b\"}")],
        json!({}),
    );
    let two = PolicySet::load_untested(
        &[pack("a", "grant contains {\"rule\": \"a/c\"}")],
        json!({}),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    let wrong = one.judge(&self_test(&two.packed().unwrap()).unwrap());
    assert_eq!(wrong[0].rule, "load/self-test");
    assert!(self_test(b"{}").is_err());
    assert!(self_test(b"").is_err());
}
