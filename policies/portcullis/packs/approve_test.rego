package portcullis.packs.approve_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.approve

eligible(doc, config) if {
	g := {r.action | some r in approve.grant} with input as doc with data.config as config
	g == {"approve"}
}

denied(doc) := d if {
	d := {r.rule | some r in approve.deny} with input as doc with data.config as {}
}

vote(voter) := fixtures.approve(voter, fixtures.agent, ["dba"])

test_a_member_may_vote if {
	eligible(vote(fixtures.dba), {})
	denied(vote(fixtures.dba)) == set()
}

test_a_vote_names_the_group_that_carries_it if {
	approve.grant == {{"rule": "approve/group", "msg": "member of dba", "action": "approve"}} with input as vote(fixtures.dba)
		with data.config as {}
}

test_nobody_else_may if {
	not eligible(vote(fixtures.engineer), {})
	not eligible(vote(object.union(fixtures.agent, {"groups": ["dba"]})), {})
	not eligible(fixtures.approve(fixtures.dba, fixtures.agent, []), {})
	not eligible({}, {})
}

test_a_vote_by_proxy_does_not_count if {
	proxy := object.union(fixtures.dba, {"actors": [{"issuer": "i", "subject": "bot"}]})
	not eligible(vote(proxy), {})
}

test_whoever_asked_does_not_vote if {
	denied(fixtures.approve(fixtures.dba, fixtures.dba, ["dba"])) == {"approve/four-eyes"}
	for_dan := object.union(fixtures.agent, {"owner": {"issuer": "https://idp.example.com", "subject": "dan"}})
	denied(fixtures.approve(fixtures.dba, for_dan, ["dba"])) == {"approve/four-eyes"}
	by_dan := object.union(fixtures.agent, {"actors": [{"issuer": "https://idp.example.com", "subject": "dan"}]})
	denied(fixtures.approve(fixtures.dba, by_dan, ["dba"])) == {"approve/four-eyes"}
}

test_the_same_subject_elsewhere_is_somebody_else if {
	other := object.union(fixtures.dba, {"issuer": "https://other.example.com"})
	denied(fixtures.approve(other, fixtures.dba, ["dba"])) == set()
	not eligible(fixtures.approve(other, fixtures.dba, ["dba"]), {})
	eligible(
		fixtures.approve(other, fixtures.dba, ["dba"]),
		{"approve": {"issuers": ["https://other.example.com"]}},
	)
}

test_a_vote_can_ask_for_a_fresh_sign_in if {
	eligible(vote(fixtures.dba), {"approve": {"max_auth_age_seconds": 60}})
	not eligible(vote(fixtures.dba), {"approve": {"max_auth_age_seconds": 59}})
	undated := object.union(fixtures.dba, {"auth": {"time_ns": null}})
	not eligible(vote(undated), {"approve": {"max_auth_age_seconds": 60}})
}

test_no_access_comes_from_here if {
	count(approve.grant) == 0 with input as fixtures.connect(fixtures.dba, fixtures.prod)
}
