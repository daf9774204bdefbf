package portcullis.packs.exfiltration_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.exfiltration

config := {"exfiltration": {
	"agent": {"session": {"rows": 10}, "identity_hour": {"bytes": 1000, "statements": 5}},
	"human": {"identity_hour": {"rows": 99}},
	"denials_per_hour": 3,
	"exempt": ["dba"],
}}

budgets(who, config) := found if {
	doc := fixtures.command(who, fixtures.prod, [fixtures.select])
	said := exfiltration.obligation with input as doc with data.config as config
	found := {o | some o in said; o.what != "denials"}
}

test_an_agent_has_an_agents_budget if {
	budgets(fixtures.agent, config) == {
		{"type": "budget", "per": "session", "what": "rows", "max": 10},
		{"type": "budget", "per": "identity_hour", "what": "bytes", "max": 1000},
		{"type": "budget", "per": "identity_hour", "what": "statements", "max": 5},
	}
}

test_a_person_has_a_persons_and_an_agents_in_an_agents_hands if {
	budgets(fixtures.engineer, config) == {{"type": "budget", "per": "identity_hour", "what": "rows", "max": 99}}
	lent := object.union(fixtures.engineer, {"actors": [{"issuer": "i", "subject": "bot"}]})
	budgets(lent, config) == budgets(fixtures.agent, config)
}

test_the_exempt_have_none if {
	budgets(fixtures.dba, config) == set()
	budgets(object.union(fixtures.agent, {"groups": ["dba"]}), config) == budgets(fixtures.agent, config)
}

test_without_data_there_is_none if budgets(fixtures.agent, {}) == set()

test_denials_are_bounded_for_everybody if {
	doc := fixtures.command(fixtures.dba, fixtures.prod, [fixtures.select])
	denials(doc, config) == {3}
	denials(doc, {}) == {100}
	denials(doc, {"exfiltration": {"denials_per_hour": 0}}) == set()
}

denials(doc, config) := {o.max | some o in found; o.what == "denials"} if {
	found := exfiltration.obligation with input as doc with data.config as config
}
