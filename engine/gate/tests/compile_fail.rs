//! The permit chain holds at compile time: what must not compile, does not.

#[test]
fn proofs_cannot_be_forged_copied_or_used_twice() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
