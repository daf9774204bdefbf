package portcullis.packs.destructive_commands_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.destructive_commands

config := {"commands": {"admin_groups": ["sre"], "unknown": "approve", "approver_groups": ["leads"]}}

sre := fixtures.identity("sam", "human", ["sre"])

rules(doc, config) := found if {
	found := {d.rule | some d in destructive_commands.deny} with input as doc with data.config as config
}

labelled(who, label) := fixtures.shell(who, "destroy", [label])

test_every_family_is_denied if {
	wanted := {
		"world-writable": "commands/permissions",
		"recursive-delete-root": "commands/deletion",
		"disk-write": "commands/disks",
		"power-control": "commands/power",
		"reverse-shell": "commands/remote-shell",
		"log-tampering": "commands/traces",
		"container-escape": "commands/escape",
		"firewall-change": "commands/network",
		"drop-database": "commands/databases",
		"infrastructure-destroy": "commands/infrastructure",
	}
	every label, rule in wanted {
		rules(labelled(fixtures.engineer, label), config) == {rule}
		rules(labelled(fixtures.agent, label), config) == {rule}
	}
}

test_kubernetes_too if {
	wanted := {
		"delete-namespace": "commands/cluster",
		"pod-privileged": "commands/pod-security",
		"cluster-admin-binding": "commands/rights",
	}
	every label, rule in wanted {
		rules(fixtures.call(fixtures.engineer, "escalate", [label]), config) == {rule}
	}
}

test_administrators_do_what_is_theirs_and_no_more if {
	rules(labelled(sre, "power-control"), config) == set()
	rules(labelled(sre, "world-writable"), config) == {"commands/permissions"}
	rules(labelled(object.union(sre, {"kind": "agent"}), "power-control"), config) == {"commands/power"}
}

test_a_label_can_be_allowed if {
	lax := {"commands": {"allowed": ["disk-write"]}}
	rules(labelled(fixtures.engineer, "disk-write"), lax) == set()
}

test_ordinary_commands_go_on if {
	rules(fixtures.shell(fixtures.agent, "read", []), config) == set()
	rules(fixtures.shell(fixtures.engineer, "write", ["delete-file"]), config) == set()
}

test_what_is_unclear_is_denied_to_machines if {
	rules(fixtures.shell(fixtures.agent, "unknown", ["dynamic-command"]), config) == {"commands/not-understood"}
	rules(fixtures.shell(fixtures.agent, "unknown", []), {}) == {"commands/not-understood"}
	partial := object.union(fixtures.shell(fixtures.agent, "read", []), {"command": {"parse": "partial"}})
	rules(partial, {}) == {"commands/not-understood"}
}

test_people_go_on_ask_or_are_denied if {
	doc := fixtures.shell(fixtures.engineer, "unknown", ["unlisted-program"])
	rules(doc, {}) == set()
	rules(doc, config) == set()
	rules(doc, {"commands": {"unknown": "deny"}}) == {"commands/not-understood"}
	asked := {[a.rule, a.approver_groups] | some a in destructive_commands.approval} with input as doc with data.config as config
	asked == {["commands/unclear", ["leads"]]}
	count(destructive_commands.approval) == 0 with input as doc with data.config as {}
}

test_sql_is_another_packs if {
	doc := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.drop("DATABASE")])
	rules(doc, config) == set()
}
