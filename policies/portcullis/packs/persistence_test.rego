package portcullis.packs.persistence_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.persistence

config := {"persistence": {"groups": ["platform"], "approver_groups": ["security"]}}

paul := fixtures.identity("paul", "human", ["platform"])

denied(doc, config) if {
	{d.rule | some d in persistence.deny} == {"persistence/foothold"} with input as doc with data.config as config
	count(persistence.approval) == 0 with input as doc with data.config as config
}

asked(doc, config) if {
	{a.rule | some a in persistence.approval} == {"persistence/approval"} with input as doc with data.config as config
	count(persistence.deny) == 0 with input as doc with data.config as config
}

sql(who, label) := fixtures.command(who, fixtures.prod, [object.union(
	fixtures.statement("ALTER", "dcl", "escalate", ["dcl"]),
	{"labels": [label]},
)])

test_nobody_plants_a_way_round if {
	every label in ["create-role", "set-password", "replication-slot", "scheduled-job"] {
		denied(sql(fixtures.dba, label), config)
	}
	every label in ["authorized-keys-change", "persistence", "sudoers-change"] {
		denied(fixtures.shell(fixtures.engineer, "escalate", [label]), config)
	}
	every label in ["token-request", "certificate-approval", "node-proxy"] {
		denied(fixtures.call(fixtures.agent, "escalate", [label]), config)
	}
}

test_an_event_trigger_is_known_by_its_type if {
	create := object.union(fixtures.statement("CREATE", "exec", "escalate", ["exec"]), {"object_type": "EVENT TRIGGER"})
	denied(fixtures.command(fixtures.dba, fixtures.prod, [create]), config)
}

test_those_who_may_are_seen if {
	asked(sql(paul, "create-role"), config)
	denied(sql(object.union(paul, {"kind": "agent"}), "create-role"), config)
	denied(sql(paul, "create-role"), {})
}

test_the_rest_goes_on if {
	not denied(fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.select]), config)
	not asked(fixtures.command(paul, fixtures.prod, [fixtures.select]), config)
	not denied(fixtures.shell(fixtures.engineer, "write", ["delete-file"]), config)
}
