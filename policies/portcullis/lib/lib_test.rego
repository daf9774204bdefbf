package portcullis.lib_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.lib

command(statements) := fixtures.command(fixtures.engineer, fixtures.prod, statements)

test_a_forgotten_label_is_production if {
	lib.is_prod with input as fixtures.connect(fixtures.engineer, fixtures.unlabelled)
	lib.is_prod with input as fixtures.connect(fixtures.engineer, fixtures.connection("x", "produciton"))
	lib.is_prod with input as {}
	not lib.is_prod with input as fixtures.connect(fixtures.engineer, fixtures.staging)
	not lib.is_prod with input as fixtures.connect(fixtures.engineer, fixtures.connection("x", "Staging"))
	not lib.is_prod with input as fixtures.connect(fixtures.engineer, fixtures.connection("x", "lab"))
		with data.config.non_prod as ["lab"]
}

test_nothing_that_is_unknown_reads if {
	not lib.only_reads with input as {}
	not lib.only_reads with input as command([fixtures.unknown])
	not lib.only_reads with input as command([fixtures.select, fixtures.insert("orders")])
	not lib.only_reads with input as object.union(command([fixtures.select]), {"command": {"parse": "partial"}})
	not lib.only_reads with input as object.union(command([fixtures.select]), {"command": {"effect": "unknown"}})
	lib.only_reads with input as command([fixtures.select])
	lib.only_reads with input as command([])
}

test_a_function_that_is_not_known_may_do_anything if {
	call := object.union(fixtures.select, {"functions": ["count", "report"], "labels": ["unlisted-function"]})
	not lib.only_reads with input as command([call]) with data.config as {}
	not lib.only_reads with input as command([call]) with data.config as {"functions": ["report"]}
	lib.only_reads with input as command([call]) with data.config as {"functions": ["report", "count"]}
	bare := object.union(fixtures.select, {"labels": ["unlisted-function"]})
	not lib.only_reads with input as command([bare]) with data.config as {"functions": ["report"]}
}

test_code_is_no_read_whoever_sees_it if {
	unlabelled := object.union(fixtures.calling("report"), {"labels": []})
	not lib.only_reads with input as command([unlabelled]) with data.config as {}
	lib.only_reads with input as command([unlabelled]) with data.config as {"functions": ["report"]}
	seen := object.union(command([fixtures.select]), {"command": {"verbs": ["read", "exec"]}})
	not lib.only_reads with input as seen with data.config as {"functions": ["report"]}
}

test_a_plain_read_has_nothing_in_it if {
	lib.plain_read with input as command([fixtures.select])
	lib.plain_read with input as command([fixtures.select, fixtures.select])
	not lib.plain_read with input as {}
	not lib.plain_read with input as command([])
	not lib.plain_read with input as command([fixtures.unknown])
	not lib.plain_read with input as command([fixtures.select, fixtures.insert("orders")])
	not lib.plain_read with input as command([fixtures.calling("report")])
	every part in [{"parse": "partial"}, {"effect": "unknown"}, {"verbs": ["read", "file"]}, {"labels": ["read-file"]}] {
		not lib.plain_read with input as object.union(command([fixtures.select]), {"command": part})
	}
	every part in [{"verbs": []}, {"labels": ["set-role"]}, {"functions": ["now"]}, {"copy": {"direction": "out"}}] {
		not lib.plain_read with input as command([object.union(fixtures.select, part)])
	}
}

test_a_person_in_an_agents_hands_is_an_agent if {
	delegated := object.union(fixtures.engineer, {"actors": [{"issuer": "i", "subject": "bot"}]})
	lib.is_agent with input as fixtures.connect(delegated, fixtures.prod)
	not lib.is_human with input as fixtures.connect(delegated, fixtures.prod)
	lib.is_human with input as fixtures.connect(fixtures.engineer, fixtures.prod)
}

test_a_table_without_a_schema_matches_in_any if {
	lib.is_table(fixtures.table("public", "orders", true), "public.orders")
	lib.is_table(fixtures.table(null, "orders", true), "public.orders")
	lib.is_table(fixtures.table("public", "orders", true), "orders")
	not lib.is_table(fixtures.table("audit", "orders", true), "public.orders")
	not lib.is_table(fixtures.table("public", "order", true), "public.orders")
}

test_what_is_permitted_is_one_table if {
	every name in ["public.orders", "orders"] {
		lib.is_certainly_table(fixtures.table("public", "orders", true), name)
		not lib.is_certainly_table(fixtures.table(null, "orders", true), name)
		not lib.is_certainly_table(fixtures.table("audit", "orders", true), name)
	}
	not lib.is_certainly_table(fixtures.table("public", "order", true), "public.orders")
	not lib.is_certainly_table(fixtures.table("public", "orders", true), "other.public.orders")
}
