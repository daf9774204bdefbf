package portcullis.packs.write_approval_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.write_approval

config := {"write_approval": {
	"payments": {"connections": ["orders"], "tables": ["public.payments"], "groups": ["engineers"]},
	"staging": {"labels": {"env": "staging"}, "tables": ["*"], "approver_groups": ["keepers"], "approvers": 2},
}}

asked(who, where, statement) := a if {
	doc := fixtures.command(who, where, [statement])
	a := {[r.rule, r.approver_groups, r.approvers] | some r in write_approval.approval} with input as doc
		with data.config as config
}

payments := {["write/payments", ["dba"], 1]}

test_a_listed_table_is_held if {
	asked(fixtures.engineer, fixtures.prod, fixtures.delete("payments", "present")) == payments
	asked(fixtures.engineer, fixtures.prod, fixtures.insert("payments")) == payments
}

test_a_name_without_schema_is_held_too if {
	bare := object.union(fixtures.insert("x"), {"objects": [fixtures.table(null, "payments", true)]})
	asked(fixtures.engineer, fixtures.prod, bare) == payments
}

test_a_copy_is_a_write if {
	copy := object.union(fixtures.statement("COPY", "transfer", "write", ["copy"]), {"copy": {
		"direction": "in",
		"schema": "public",
		"table": "payments",
		"columns": [],
		"format": "csv",
		"server_side": false,
	}})
	asked(fixtures.engineer, fixtures.prod, copy) == payments
	asked(fixtures.engineer, fixtures.prod, object.union(copy, {"copy": {"direction": "out"}})) == set()
}

test_a_read_is_free if {
	reading := object.union(fixtures.select, {"objects": [fixtures.table("public", "payments", false)]})
	asked(fixtures.engineer, fixtures.prod, reading) == set()
}

test_other_tables_people_and_connections_are_free if {
	asked(fixtures.engineer, fixtures.prod, fixtures.insert("orders")) == set()
	asked(fixtures.dba, fixtures.prod, fixtures.insert("payments")) == set()
	asked(fixtures.engineer, fixtures.connection("other", "prod"), fixtures.insert("payments")) == set()
}

test_an_agents_code_may_write_to_any_listed_table if {
	report := fixtures.calling("report")
	staging := {["write/staging", ["keepers"], 2]}
	asked(fixtures.agent, fixtures.staging, report) == staging
	asked(fixtures.agent, fixtures.staging, fixtures.select) == set()
	asked(fixtures.engineer, fixtures.staging, report) == set()
	listed := object.union(config, {"functions": ["report"]})
	doc := fixtures.command(fixtures.agent, fixtures.staging, [report])
	count(write_approval.approval) == 0 with input as doc with data.config as listed
}

test_labels_and_a_star_cover_everything if {
	asked(fixtures.dba, fixtures.staging, fixtures.insert("anything")) == {["write/staging", ["keepers"], 2]}
}

test_nothing_is_asked_without_data if {
	doc := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.insert("payments")])
	count(write_approval.approval) == 0 with input as doc with data.config as {}
	count(write_approval.approval) == 0 with input as {} with data.config as config
}
