package portcullis.packs.console_roles_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.console_roles

data_of(given) := {"roles": given}

roles(who, given) := r if {
	r := {g.role | some g in console_roles.grant} with input as fixtures.console(who)
		with data.console as data_of(given)
}

test_a_group_gives_its_roles if {
	given := {"auditor": {"groups": ["audit", "dba"]}, "operator": {"groups": ["sre"]}, "approver": {"groups": ["dba"]}}
	roles(fixtures.dba, given) == {"auditor", "approver"}
	roles(fixtures.engineer, given) == set()
	roles(fixtures.stranger, given) == set()
}

test_a_group_of_another_issuer_is_another_group if {
	here := {"auditor": {"groups": ["dba"], "issuers": ["https://idp.example.com"]}}
	roles(fixtures.dba, here) == {"auditor"}
	other := object.union(fixtures.dba, {"issuer": "https://other.example.com"})
	roles(other, here) == set()
	roles(other, {"auditor": {"groups": ["dba"]}}) == {"auditor"}
}

test_a_machine_has_a_role_only_where_it_is_said if {
	roles(fixtures.agent, {"auditor": {"groups": ["data-agents"]}}) == set()
	roles(fixtures.agent, {"auditor": {"groups": ["data-agents"], "kinds": ["agent"]}}) == {"auditor"}
}

test_whoever_acts_for_somebody_has_none if {
	acting := object.union(fixtures.dba, {"actors": [{"issuer": "i", "subject": "bot"}]})
	roles(acting, {"auditor": {"groups": ["dba"]}}) == set()
}

test_it_says_which_group_gave_it if {
	console_roles.grant == {{
		"rule": "console/auditor",
		"msg": "gives the role auditor: member of dba",
		"action": "console",
		"role": "auditor",
	}} with input as fixtures.console(fixtures.dba)
		with data.console as data_of({"auditor": {"groups": ["dba"]}})
}

test_nothing_is_opened_by_it if {
	count(console_roles.grant) == 0 with input as fixtures.connect(fixtures.dba, fixtures.prod)
		with data.console as data_of({"auditor": {"groups": ["dba"]}})
}
