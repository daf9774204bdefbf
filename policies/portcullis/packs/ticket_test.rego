package portcullis.packs.ticket_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.ticket

config := {"ticket": {"production": {"labels": {"env": "prod"}, "pattern": "^OPS-[0-9]+$", "kinds": ["human"]}}}

sent(where, statement, key) := object.union(
	fixtures.command(fixtures.engineer, where, [statement]),
	{"session": {"ticket": key}},
)

denied(doc, config) if {d.rule | some d in ticket.deny} == {"ticket/required"} with input as doc with data.config as config

test_a_write_names_its_ticket if {
	denied(sent(fixtures.prod, fixtures.insert("orders"), null), config)
	denied(sent(fixtures.prod, fixtures.insert("orders"), "later"), config)
	denied(sent(fixtures.prod, fixtures.insert("orders"), "INC-1"), config)
	not denied(sent(fixtures.prod, fixtures.insert("orders"), "OPS-12"), config)
}

test_reads_go_on_unless_they_are_asked_too if {
	not denied(sent(fixtures.prod, fixtures.select, null), config)
	strict := {"ticket": {"all": {"reads": true}}}
	denied(sent(fixtures.prod, fixtures.select, null), strict)
	not denied(sent(fixtures.prod, fixtures.select, "AB-1"), strict)
}

test_elsewhere_and_for_others_none_is_needed if {
	not denied(sent(fixtures.staging, fixtures.insert("orders"), null), config)
	bot := object.union(sent(fixtures.prod, fixtures.insert("orders"), null), {"identity": {"kind": "ci"}})
	not denied(bot, config)
}

test_naming_it_needs_none if {
	strict := {"ticket": {"all": {"reads": true}}}
	not denied(sent(fixtures.prod, fixtures.setting("portcullis.ticket", "OPS-1"), null), strict)
	denied(sent(fixtures.prod, fixtures.setting("work_mem", "4MB"), null), strict)
}

vouching(check) := object.union(
	sent(fixtures.prod, fixtures.insert("orders"), "OPS-12"),
	{"session": {"ticket_check": check}},
)

found(doc) := answers if {
	answers := {d.rule: d.hint | some d in ticket.deny} with input as doc
		with data.config as {"ticket": {"all": {"valid": true}}}
}

test_a_ticket_is_what_its_system_says if {
	good := {"system": "jira", "valid": true, "reason": null, "fields": {}}
	count(found(vouching(good))) == 0
	bad := object.union(good, {"valid": false, "reason": "its status.name is another"})
	contains(found(vouching(bad))["ticket/not-valid"], "its status.name is another")
	contains(found(vouching(null))["ticket/not-valid"], "approvals.tickets")
}

test_where_nobody_asks_for_that_a_name_is_enough if {
	not denied(vouching(null), config)
}
