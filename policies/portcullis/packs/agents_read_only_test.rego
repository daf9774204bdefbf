package portcullis.packs.agents_read_only_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.agents_read_only

config := {"agents": {
	"row_limit": 7,
	"byte_limit": 99,
	"approver_groups": ["keepers"],
	"may_write_with_approval": {"orders": {"groups": ["data-agents"], "tables": ["public.orders"]}},
}}

denied(who, statements) := d if {
	doc := fixtures.command(who, fixtures.prod, statements)
	d := {r.rule | some r in agents_read_only.deny} with input as doc with data.config as config
}

held(who, statements) := a if {
	doc := fixtures.command(who, fixtures.prod, statements)
	a := {[r.rule, r.approver_groups] | some r in agents_read_only.approval} with input as doc
		with data.config as config
}

types(doc, config) := o if {
	o := {r.type | some r in agents_read_only.obligation} with input as doc with data.config as config
}

test_an_agent_reads if {
	denied(fixtures.agent, [fixtures.select]) == set()
	held(fixtures.agent, [fixtures.select]) == set()
}

test_an_agent_does_not_write if {
	denied(fixtures.agent, [fixtures.insert("customers")]) == {"agents/read-only"}
	denied(fixtures.agent, [fixtures.select, fixtures.insert("customers")]) == {"agents/read-only"}
	denied(fixtures.agent, [fixtures.alter]) == {"agents/read-only"}
}

test_what_is_unknown_is_no_read if {
	denied(fixtures.agent, [fixtures.unknown]) == {"agents/read-only"}
	doc := object.union(fixtures.command(fixtures.agent, fixtures.prod, []), {"command": {"parse": "failed"}})
	count(agents_read_only.deny) == 1 with input as doc
}

test_a_plugin_can_only_raise if {
	doc := object.union(
		fixtures.command(fixtures.agent, fixtures.prod, [fixtures.select]),
		{"command": {"effect": "write"}},
	)
	count(agents_read_only.deny) == 1 with input as doc with data.config as config
}

test_a_person_writes if {
	denied(fixtures.engineer, [fixtures.insert("customers")]) == set()
	held(fixtures.engineer, [fixtures.insert("orders")]) == set()
}

test_a_person_in_an_agents_hands_only_reads if {
	delegated := object.union(fixtures.engineer, {"actors": [{"issuer": "i", "subject": "bot"}]})
	denied(delegated, [fixtures.insert("customers")]) == {"agents/read-only"}
}

test_a_listed_table_is_written_with_an_approval if {
	statements := [fixtures.delete("orders", "present")]
	denied(fixtures.agent, statements) == set()
	held(fixtures.agent, statements) == {["agents/write", ["keepers"]]}
}

test_everything_that_is_written_has_to_be_listed if {
	denied(fixtures.agent, [fixtures.insert("orders"), fixtures.insert("customers")]) == {"agents/read-only"}
	audit := object.union(fixtures.insert("orders"), {"objects": [fixtures.table("audit", "orders", true)]})
	denied(fixtures.agent, [audit]) == {"agents/read-only"}
}

test_a_name_without_a_schema_is_no_listed_table if {
	bare := object.union(fixtures.insert("orders"), {"objects": [fixtures.table(null, "orders", true)]})
	denied(fixtures.agent, [bare]) == {"agents/read-only"}
	held(fixtures.agent, [bare]) == set()
	denied(fixtures.agent, [fixtures.insert("orders"), bare]) == {"agents/read-only"}
}

test_a_function_that_is_not_listed_is_neither_read_nor_asked_for if {
	every statement in [fixtures.calling("report"), object.union(fixtures.calling("report"), {"labels": []})] {
		denied(fixtures.agent, [statement]) == {"agents/read-only"}
		denied(fixtures.agent, [fixtures.select, statement]) == {"agents/read-only"}
	}
	writing := object.union(fixtures.delete("orders", "present"), {
		"functions": ["report"],
		"labels": ["unlisted-function"],
		"verbs": ["read", "write", "exec"],
	})
	denied(fixtures.agent, [writing]) == {"agents/read-only"}
	held(fixtures.agent, [writing]) == set()
	denied(fixtures.engineer, [fixtures.calling("report")]) == set()
}

test_unbounded_writes_are_not_even_asked_for if {
	every predicate in ["missing", "constant"] {
		denied(fixtures.agent, [fixtures.delete("orders", predicate)]) == {"agents/read-only"}
	}
}

test_a_listed_table_is_not_altered if {
	altered := object.union(fixtures.alter, {"objects": [fixtures.table("public", "orders", true)]})
	denied(fixtures.agent, [altered]) == {"agents/read-only"}
}

test_a_list_is_for_its_groups if {
	other := object.union(fixtures.agent, {"groups": ["other-agents"]})
	denied(other, [fixtures.insert("orders")]) == {"agents/read-only"}
}

test_limits_follow_the_data if {
	doc := fixtures.connect(fixtures.agent, fixtures.staging)
	types(doc, config) == {"read_only", "row_limit", "byte_limit"}
	types(doc, {}) == {"read_only", "row_limit"}
	{"type": "row_limit", "rows": 1000} in agents_read_only.obligation with input as doc with data.config as {}
	types(fixtures.connect(fixtures.engineer, fixtures.staging), config) == set()
}

test_a_session_that_may_write_is_not_read_only if {
	types(fixtures.connect(fixtures.agent, fixtures.prod), config) == {"row_limit", "byte_limit"}
}

test_other_machines_can_be_added if {
	bot := fixtures.identity("runner", "ci", [])
	denied(bot, [fixtures.insert("x")]) == set()
	doc := fixtures.command(bot, fixtures.prod, [fixtures.insert("x")])
	count(agents_read_only.deny) == 1 with input as doc with data.config as {"agents": {"kinds": ["agent", "ci"]}}
}

test_the_hint_is_for_the_protocol_and_for_what_is_listed if {
	every protocol, said in {
		"postgres": "Ask a person to run it, or read instead: a SELECT shows what the statement would touch.",
		"kubernetes": "Ask a person to run it, or read instead.",
	} {
		connection := object.union(fixtures.staging, {"protocol": protocol})
		hints(connection, {}) == {said}
	}
	some listed in hints(fixtures.prod, config)
	contains(listed, "public.orders")
}

hints(connection, data_config) := found if {
	doc := fixtures.command(fixtures.agent, connection, [fixtures.insert("x")])
	denials := agents_read_only.deny with input as doc with data.config as data_config
	found := {denial.hint | some denial in denials}
}

test_an_empty_document_is_harmless if {
	count(agents_read_only.obligation) == 0 with input as {}
}
