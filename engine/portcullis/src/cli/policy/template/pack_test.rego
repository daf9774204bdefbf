package portcullis.packs.PACK_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.PACK

insert(table) := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.insert(table)])

test_a_listed_table_is_not_written if {
	some denial in PACK.deny with input as insert("salaries")
		with data.PACK.tables as ["public.salaries"]
	denial.rule == "PACK/listed-table"
}

test_other_tables_are if {
	count(PACK.deny) == 0 with input as insert("orders")
		with data.PACK.tables as ["public.salaries"]
}

test_nothing_is_listed_by_itself if count(PACK.deny) == 0 with input as insert("salaries")
