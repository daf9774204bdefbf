package portcullis.packs.prod_sessions_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.prod_sessions

config := {"sessions": {"approver_groups": ["sre", "leads"], "exempt": ["sre"]}}

rules(doc) := found if {
	found := {a.rule | some a in prod_sessions.approval} with input as doc with data.config as config
}

sre := fixtures.identity("sam", "human", ["sre"])

test_a_session_on_a_production_host if {
	rules(fixtures.connect(fixtures.engineer, fixtures.host)) == {"sessions/ssh"}
	rules(fixtures.connect(fixtures.agent, fixtures.host)) == {"sessions/ssh"}
	rules(fixtures.connect(sre, fixtures.host)) == set()
	rules(fixtures.connect(object.union(sre, {"kind": "agent"}), fixtures.host)) == {"sessions/ssh"}
}

test_a_command_in_a_production_container if {
	exec := object.union(fixtures.call(fixtures.engineer, "read", []), {"command": {"stage": "pod-exec"}})
	rules(exec) == {"sessions/pod-exec"}
	rules(fixtures.call(fixtures.engineer, "write", ["pod-exec"])) == {"sessions/pod-exec"}
	rules(fixtures.call(fixtures.engineer, "write", ["ephemeral-container"])) == {"sessions/pod-exec"}
	rules(fixtures.call(sre, "write", ["pod-exec"])) == set()
}

test_reading_the_cluster_goes_on if rules(fixtures.call(fixtures.engineer, "read", [])) == set()

test_elsewhere_nobody_is_asked if {
	test := object.union(fixtures.host, {"labels": {"env": "test"}})
	rules(fixtures.connect(fixtures.engineer, test)) == set()
}

test_a_forgotten_label_is_production if {
	bare := object.union(object.remove(fixtures.host, ["labels"]), {"labels": {}})
	rules(fixtures.connect(fixtures.engineer, bare)) == {"sessions/ssh"}
}

test_databases_are_not_asked_about if rules(fixtures.connect(fixtures.engineer, fixtures.prod)) == set()
