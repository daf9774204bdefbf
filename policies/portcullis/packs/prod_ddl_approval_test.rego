package portcullis.packs.prod_ddl_approval_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.prod_ddl_approval

config := {"ddl": {"approver_groups": ["keepers"], "approvers": 2, "ttl_seconds": 60, "mode": "defer"}}

asked(where, statement) := a if {
	doc := fixtures.command(fixtures.engineer, where, [statement])
	a := {r.rule | some r in prod_ddl_approval.approval} with input as doc with data.config as {}
}

test_structure_changes_with_an_approval if asked(fixtures.prod, fixtures.alter) == {"prod/ddl"}

test_a_forgotten_label_is_production if asked(fixtures.unlabelled, fixtures.alter) == {"prod/ddl"}

test_staging_is_free if asked(fixtures.staging, fixtures.alter) == set()

test_reads_and_writes_are_free if {
	asked(fixtures.prod, fixtures.select) == set()
	asked(fixtures.prod, fixtures.insert("orders")) == set()
}

test_rights_change_with_an_approval if {
	asked(fixtures.prod, fixtures.statement("GRANT", "dcl", "escalate", ["dcl"])) == {"prod/rights"}
	asked(fixtures.prod, fixtures.statement("SELECT", "read", "read", ["priv"])) == {"prod/rights"}
}

test_ddl_hides_in_no_other_class if {
	asked(fixtures.prod, fixtures.statement("SELECT", "exec", "unknown", ["exec", "ddl"])) == {"prod/ddl", "prod/code"}
}

test_code_is_read_first if {
	asked(fixtures.prod, fixtures.statement("DO", "exec", "unknown", ["exec"])) == {"prod/code"}
	asked(fixtures.staging, fixtures.statement("DO", "exec", "unknown", ["exec"])) == set()
}

test_administration_is_read_first if {
	asked(fixtures.prod, fixtures.statement("ALTER", "admin", "escalate", ["admin"])) == {"prod/admin"}
	vacuum := object.union(fixtures.statement("VACUUM", "admin", "write", ["admin"]), {"labels": ["maintenance"]})
	asked(fixtures.prod, vacuum) == set()
}

test_the_data_says_who_approves if {
	doc := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.alter])
	prod_ddl_approval.approval == {{
		"rule": "prod/ddl",
		"msg": "ALTER on orders (public.customers)",
		"approver_groups": ["keepers"],
		"approvers": 2,
		"ttl_seconds": 60,
		"mode": "defer",
	}} with input as doc with data.config as config
}

test_an_empty_document_asks_for_nothing if count(prod_ddl_approval.approval) == 0 with input as {}
