package portcullis.packs.mask_pii_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.mask_pii

config := {"mask": {
	"readers": ["dpo"],
	"entities": {"EMAIL": "partial"},
	"columns": {"orders": [{"table": "customers", "column": "ssn"}]},
}}

masks(doc, config) := m if {
	m := {[o.selector, o.method] | some o in mask_pii.obligation} with input as doc with data.config as config
}

secrets := [{"entity": "SECRET"}, "redact"]

emails := [{"entity": "EMAIL"}, "partial"]

numbers := [{"column": {"schema": "public", "table": "customers", "column": "ssn", "tag": "ssn"}}, "redact"]

test_everybody_sees_masks if {
	doc := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.select])
	masks(doc, config) == {secrets, emails, numbers}
	masks(fixtures.connect(fixtures.engineer, fixtures.prod), config) == {secrets, emails, numbers}
}

test_every_mask_says_which_rule_asks_for_it if {
	doc := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.select])
	asked := {[o.rule, o.selector] | some o in mask_pii.obligation} with input as doc with data.config as config
	asked == {
		["mask/secrets", secrets[0]],
		["mask/entities", emails[0]],
		["mask/columns", numbers[0]],
	}
}

test_a_column_of_documents_is_masked_by_path if {
	entry := {"table": "customers", "column": "profile", "path": "$.contact.email", "tag": "email", "method": "null"}
	selector := {"column": {
		"schema": "public",
		"table": "customers",
		"column": "profile",
		"path": "$.contact.email",
		"tag": "email",
	}}
	doc := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.select])
	asked := masks(doc, {"mask": {"entities": {}, "columns": {"orders": [entry]}}})
	asked == {secrets, [selector, "null"]}
}

test_columns_belong_to_their_connection if {
	masks(fixtures.connect(fixtures.engineer, fixtures.staging), config) == {secrets, emails}
}

test_columns_say_whether_they_may_be_tested if {
	columns := [
		{"table": "customers", "column": "ssn"},
		{"table": "customers", "column": "city", "predicates": "approve", "approver_groups": ["dpo"]},
	]
	asked := {[o.selector.column.column, o.predicates, o.approver_groups] |
		some o in mask_pii.obligation
		o.selector.column
	} with input as fixtures.connect(fixtures.engineer, fixtures.prod)
		with data.config as {"mask": {"columns": {"orders": columns}}}
	asked == {["ssn", "deny", []], ["city", "approve", ["dpo"]]}
}

test_a_reader_sees_everything_but_secrets if {
	masks(fixtures.command(fixtures.officer, fixtures.prod, [fixtures.select]), config) == {secrets}
}

test_a_machine_is_no_reader if {
	bot := object.union(fixtures.agent, {"groups": ["dpo"]})
	masks(fixtures.connect(bot, fixtures.prod), config) == {secrets, emails, numbers}
}

test_without_data_everything_is_masked if {
	masks(fixtures.connect(fixtures.officer, fixtures.prod), {}) == {secrets, [{"entity": "*"}, "redact"]}
}

test_a_vote_masks_nothing if {
	masks(fixtures.approve(fixtures.dba, fixtures.agent, ["dba"]), config) == set()
	masks({}, config) == set()
}
