package portcullis.packs.separation_of_duties_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.separation_of_duties

config := {"duties": {
	"exclusive": {"payments": {"groups": ["entry", "release"], "labels": {"app": "orders"}}},
	"teams": ["team-a", "team-b"],
}}

rules(doc) := found if {
	found := {d.rule | some d in separation_of_duties.deny} with input as doc with data.config as config
}

with_groups(who, groups) := object.union(who, {"groups": groups})

test_two_duties_in_one_hand if {
	both := with_groups(fixtures.engineer, ["entry", "release"])
	rules(fixtures.connect(both, fixtures.prod)) == {"duties/exclusive"}
	rules(fixtures.command(both, fixtures.prod, [fixtures.select])) == {"duties/exclusive"}
}

test_one_of_them_is_fine if {
	rules(fixtures.connect(with_groups(fixtures.engineer, ["entry"]), fixtures.prod)) == set()
}

test_elsewhere_both_are_fine if {
	both := with_groups(fixtures.engineer, ["entry", "release"])
	elsewhere := object.union(fixtures.prod, {"labels": {"app": "blog"}})
	rules(fixtures.connect(both, elsewhere)) == set()
}

vote(mine, theirs) := fixtures.approve(
	with_groups(fixtures.dba, mine),
	with_groups(fixtures.engineer, theirs),
	["dba"],
)

test_a_vote_from_the_same_team if {
	rules(vote(["dba", "team-a"], ["team-a"])) == {"duties/own-team"}
	rules(vote(["dba", "team-a"], ["team-b"])) == set()
	rules(vote(["dba"], ["team-b"])) == set()
	rules(vote(["dba", "engineers"], ["engineers"])) == set()
}
