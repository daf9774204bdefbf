//! `login:` with times that do not fit, with the line that must be named.

use super::*;

#[test]
fn no_login_goes_on_for_longer_than_its_end_is_remembered() {
    let with = |longest: &str| {
        let text = format!("{GOOD}login:\n  url: https://gw.example\n  longest: {longest}\n");
        let mut found = problems(&text).0.into_iter();
        found.find(|p| p.place == "login.longest")
    };
    assert_eq!(with("90d").map(|p| p.message), None);
    let problem = with("91d").expect("a complaint");
    assert_eq!(problem.line, Some(GOOD.lines().count() + 3));
    assert!(!problem.warning && problem.remedy.contains("90d"));
}
