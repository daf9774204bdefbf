package portcullis.packs.agent_secrets_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.agent_secrets

config := {"secrets": {"tables": {"orders": ["public.api_keys"]}}}

rules(doc, config) := found if {
	found := {d.rule | some d in agent_secrets.deny} with input as doc with data.config as config
}

keys(who, schema) := fixtures.command(who, fixtures.prod, [object.union(
	fixtures.select,
	{"objects": [fixtures.table(schema, "api_keys", false)]},
)])

test_an_agent_reads_no_credentials if {
	rules(fixtures.shell(fixtures.agent, "read", ["credential-read"]), config) == {"secrets/read"}
	rules(fixtures.call(fixtures.agent, "read", ["secret-read"]), config) == {"secrets/read"}
	lent := object.union(fixtures.engineer, {"actors": [{"issuer": "i", "subject": "bot"}]})
	rules(fixtures.call(lent, "read", ["secret-read"]), config) == {"secrets/read"}
}

test_people_may if rules(fixtures.call(fixtures.engineer, "read", ["secret-read"]), config) == set()

test_other_machines_where_it_is_said if {
	ci := fixtures.identity("ci", "ci", [])
	rules(fixtures.call(ci, "read", ["secret-read"]), config) == set()
	rules(fixtures.call(ci, "read", ["secret-read"]), {"secrets": {"kinds": ["agent", "ci"]}}) == {"secrets/read"}
}

test_tables_that_hold_secrets if {
	rules(keys(fixtures.agent, "public"), config) == {"secrets/table"}
	rules(keys(fixtures.agent, null), config) == {"secrets/table"}
	rules(keys(fixtures.agent, "other"), config) == set()
	rules(keys(fixtures.engineer, "public"), config) == set()
	rules(fixtures.command(fixtures.agent, fixtures.prod, [fixtures.select]), config) == set()
}
