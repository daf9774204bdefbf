package portcullis.packs.access_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.access

rights := {
	"groups": {"data-agents": ["agents"], "engineers": ["people"], "dba": ["named", "empty"]},
	"bindings": {
		"agents": {"kinds": ["agent"], "protocols": ["postgres"], "labels": {"app": "orders"}, "session_max_seconds": 60, "role": "reader"},
		"people": {"labels": {"app": "orders", "env": "prod"}, "reason_required": true},
		"named": {"connections": ["orders-staging"], "replication": true},
		"empty": {"kinds": ["human"]},
	},
}

granted(doc) := g if {
	g := {r.rule | some r in access.grant} with input as doc with data.access as rights
}

denied(doc) := d if {
	d := {r.rule | some r in access.deny} with input as doc with data.access as rights
}

obliged(doc) := o if {
	o := access.obligation with input as doc with data.access as rights
}

because(doc) := object.union(doc, {"session": {"reason": "INC-1"}})

test_a_binding_grants if {
	granted(fixtures.connect(fixtures.agent, fixtures.prod)) == {"access/binding"}
	granted(fixtures.command(fixtures.agent, fixtures.prod, [fixtures.select])) == {"access/binding"}
}

test_nobody_else_is_granted_anything if {
	granted(fixtures.connect(fixtures.stranger, fixtures.prod)) == set()
	granted({}) == set()
	count(access.grant) == 0 with input as fixtures.connect(fixtures.agent, fixtures.prod) with data.access as {}
}

test_a_binding_is_for_its_kinds_and_protocols if {
	person := object.union(fixtures.engineer, {"groups": ["data-agents"]})
	granted(fixtures.connect(person, fixtures.prod)) == set()
	ssh := object.union(fixtures.prod, {"protocol": "ssh"})
	granted(fixtures.connect(fixtures.agent, ssh)) == set()
}

test_a_person_in_an_agents_hands_has_the_agents_bindings if {
	delegated := object.union(fixtures.engineer, {"actors": [{"issuer": "i", "subject": "bot"}]})
	granted(because(fixtures.connect(delegated, fixtures.prod))) == set()
}

test_all_labels_have_to_match if {
	granted(because(fixtures.connect(fixtures.engineer, fixtures.prod))) == {"access/binding"}
	granted(because(fixtures.connect(fixtures.engineer, fixtures.staging))) == set()
	granted(because(fixtures.connect(fixtures.engineer, fixtures.unlabelled))) == set()
}

test_a_binding_without_labels_and_names_covers_nothing if {
	granted(fixtures.connect(fixtures.dba, fixtures.prod)) == set()
	granted(fixtures.connect(fixtures.dba, fixtures.staging)) == {"access/binding"}
}

test_a_reason_is_asked_for if {
	doc := fixtures.connect(fixtures.engineer, fixtures.prod)
	granted(doc) == set()
	denied(doc) == {"access/reason"}
	denied(because(doc)) == set()
	denied(object.union(doc, {"session": {"reason": "  "}})) == {"access/reason"}
}

test_a_binding_chooses_the_role_and_the_time if {
	o := obliged(fixtures.connect(fixtures.agent, fixtures.prod))
	o == {{"type": "credential", "role": "reader"}, {"type": "session_max_seconds", "seconds": 60}}
}

test_replication_needs_its_own_permission if {
	doc := object.union(fixtures.connect(fixtures.agent, fixtures.prod), {"connect": {"replication": true}})
	denied(doc) == {"access/replication"}
	allowed := object.union(fixtures.connect(fixtures.dba, fixtures.staging), {"connect": {"replication": true}})
	denied(allowed) == set()
	obliged(allowed) == {{"type": "replication", "allow": true}}
}

test_replication_is_opaque_where_the_binding_says_so if {
	doc := object.union(fixtures.connect(fixtures.dba, fixtures.staging), {"connect": {"replication": true}})
	named := {"groups": {"dba": ["named"]}, "bindings": {"named": {"connections": ["orders-staging"], "replication": "opaque"}}}
	count(access.deny) == 0 with input as doc with data.access as named
	access.obligation == {{"type": "replication", "allow": true, "opaque": true}} with input as doc with data.access as named
}

test_a_vote_is_no_access if {
	granted(fixtures.approve(fixtures.dba, fixtures.agent, ["dba"])) == set()
}

test_a_binding_says_the_level_and_what_may_pass_unread if {
	doc := fixtures.connect(fixtures.dba, fixtures.staging)
	binding := {"connections": ["orders-staging"], "control": "record", "opaque": ["scp", "sftp"]}
	levelled := {"groups": {"dba": ["named"]}, "bindings": {"named": binding}}
	access.obligation == {
		{"type": "control", "level": "record"},
		{"type": "opaque", "streams": ["scp", "sftp"], "allow": true},
	} with input as doc with data.access as levelled
}
