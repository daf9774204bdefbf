//! Recorded decisions before another set.

use super::world::{Asked, delete, granting, identity, load, pack, select, set};
use crate::{Outcome, PolicySet, Then, change};
use portcullis_model::{Decision, Kind, Predicate, Verdict};
use serde_json::{Value, json};

struct Recorded {
    decision: Decision,
    verdict: &'static str,
    rule: String,
    obligations: Value,
}

impl Recorded {
    fn by(set: &PolicySet, asked: &Asked) -> Self {
        let decision = asked.decide(set);
        let (verdict, rule) = match &decision.verdict {
            Verdict::Allow { rule } => ("allow", rule.clone()),
            Verdict::Deny(denial) => ("deny", denial.rule.clone()),
            Verdict::Hold(_) => ("hold", String::new()),
        };
        let obligations = serde_json::to_value(&decision.obligations).unwrap();
        Self {
            decision,
            verdict,
            rule,
            obligations,
        }
    }

    fn then(&self) -> Then<'_> {
        Then {
            verdict: self.verdict,
            rule: &self.rule,
            reasons: &self.decision.reasons,
            obligations: &self.obligations,
        }
    }

    fn against(&self, set: &PolicySet) -> Option<(Outcome, Outcome, String)> {
        let input: Value = serde_json::from_slice(&self.decision.input).unwrap();
        let now = set.decide_again(&input).unwrap();
        change(&self.then(), &now).map(|c| (c.then, c.now, c.rule))
    }
}

fn ada() -> Asked {
    Asked::new(identity("ada", Kind::Human, &[]), vec![select()])
}

const DENY: &str =
    r#"deny contains {"rule": "a/no", "msg": "m"} if input.command.effect == "read""#;
const ASK: &str = r#"approval contains {"rule": "a/ask", "msg": "m", "approver_groups": ["x"]} if input.command.effect == "read""#;
const NOTHING: &str =
    r#"deny contains {"rule": "a/no", "msg": "m"} if input.command.effect == "destroy""#;

#[test]
fn the_same_set_says_the_same() {
    for body in [DENY, ASK, NOTHING] {
        let set = set(body);
        assert_eq!(Recorded::by(&set, &ada()).against(&set), None, "{body}");
    }
}

#[test]
fn another_answer_names_the_rule_that_makes_it() {
    use Outcome::{Allow, Deny, Hold};
    for (then, now, change) in [
        (NOTHING, DENY, (Allow, Deny, "a/no")),
        (NOTHING, ASK, (Allow, Hold, "a/ask")),
        (ASK, DENY, (Hold, Deny, "a/no")),
        (DENY, NOTHING, (Deny, Allow, "a/no")),
        (ASK, NOTHING, (Hold, Allow, "a/ask")),
        (DENY, ASK, (Deny, Hold, "a/no")),
    ] {
        let found = Recorded::by(&set(then), &ada()).against(&set(now));
        let (from, to, rule) = change;
        assert_eq!(found, Some((from, to, rule.to_owned())), "{then} {now}");
    }
    let ungranted = load(&[pack("subject", NOTHING)], json!({}));
    let found = Recorded::by(&set(NOTHING), &ada()).against(&ungranted);
    assert_eq!(found, Some((Allow, Deny, "default/deny".to_owned())));
}

#[test]
fn a_mask_that_is_lost_is_a_change() {
    let masking = set(
        r#"obligation contains {"type": "mask", "selector": {"entity": "EMAIL"}, "method": "redact"}"#,
    );
    let found = Recorded::by(&masking, &ada()).against(&set(NOTHING));
    assert_eq!(
        found,
        Some((Outcome::Allow, Outcome::Allow, "mask".to_owned()))
    );
}

#[test]
fn obligations_that_a_record_does_not_know_yet_are_no_change() {
    let set = set(NOTHING);
    let mut recorded = Recorded::by(&set, &ada());
    recorded.obligations = json!({});
    assert_eq!(recorded.against(&set), None);
}

#[test]
fn what_people_or_the_gateway_refused_is_told_from_what_policy_said() {
    let asked = Asked::new(
        identity("ada", Kind::Human, &[]),
        vec![delete("orders", Predicate::Present)],
    );
    let allowing = load(&[granting()], json!({}));
    let mut recorded = Recorded::by(&allowing, &asked);
    recorded.verdict = "deny";
    for (rule, outcome) in [
        ("portcullis/moves-protected", None),
        ("obligation/row-limit", None),
        ("approval/denied", Some(Outcome::Hold)),
        ("test/grant", Some(Outcome::Deny)),
    ] {
        recorded.rule = rule.to_owned();
        assert_eq!(recorded.then().outcome(), outcome, "{rule}");
    }
    recorded.verdict = "allow";
    recorded.rule = "approval".to_owned();
    assert_eq!(recorded.then().outcome(), Some(Outcome::Hold));
}

#[test]
fn another_version_is_no_input() {
    let set = set(NOTHING);
    let recorded = Recorded::by(&set, &ada());
    let mut input: Value = serde_json::from_slice(&recorded.decision.input).unwrap();
    input["version"] = json!("portcullis/v0");
    assert!(set.decide_again(&input).is_err());
    assert!(
        set.decide_again(&json!({"version": "portcullis/v1"}))
            .is_err()
    );
}
