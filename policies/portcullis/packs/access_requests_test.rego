package portcullis.packs.access_requests_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.access_requests

entry := {"labels": {"env": "prod"}, "groups": ["engineers"], "approver_groups": ["dba"], "access_ttl_seconds": 600}

glass := {"groups": ["engineers"], "reviewer_groups": ["security"]}

asked(doc, demand) := found if {
	found := access_requests.approval with input as doc
		with data.config as {"access_requests": {"production": demand}}
}

test_who_is_in_the_groups_asks if {
	some approval in asked(fixtures.connect(fixtures.engineer, fixtures.prod), entry)
	approval.rule == "access-request/production"
	approval.access_ttl_seconds == 600
	approval.approver_groups == ["dba"]
	not approval.break_glass
}

test_others_do_not if count(asked(fixtures.connect(fixtures.agent, fixtures.prod), entry)) == 0

test_elsewhere_nobody_asks if {
	test := object.union(fixtures.prod, {"labels": {"env": "test"}})
	count(asked(fixtures.connect(fixtures.engineer, test), entry)) == 0
}

test_without_groups_everybody_asks if {
	count(asked(fixtures.connect(fixtures.agent, fixtures.prod), object.remove(entry, ["groups"]))) == 1
}

test_the_glass_is_named_where_there_is_one if {
	broken := object.union(entry, {"break_glass": glass})
	found := asked(fixtures.connect(fixtures.engineer, fixtures.prod), broken)
	count(found) == 1
	some approval in found
	approval.break_glass == glass
}

test_a_command_is_not_asked_about if {
	command := object.union(fixtures.connect(fixtures.engineer, fixtures.prod), {"action": "command"})
	count(asked(command, entry)) == 0
}
