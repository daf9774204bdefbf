# METADATA
# title: Separation of duties
# description: |
#   Some groups must not be in one hand: who enters payments does not release them. And a vote comes from
#   outside of the requester's own team where that is asked for.
#
#     config:
#       duties:
#         exclusive:                     # whoever is in both cannot connect there
#           payments:
#             groups: [payments-entry, payments-release]
#             labels: {app: payments}    # connections that carry all of these; default all
#         teams: [team-orders, team-pay] # a voter is of another team than the requester
# schemas:
#   - input: schema.input
package portcullis.packs.separation_of_duties

import rego.v1

# METADATA
# title: Two duties in one hand
# custom:
#   severity: high
deny contains {
	"rule": "duties/exclusive",
	"msg": sprintf("nobody is both %s here (%s)", [concat(" and ", sort(held)), name]),
	"hint": "Have one of the two memberships removed.",
} if {
	input.action in {"connect", "command"}
	some name, duty in data.config.duties.exclusive
	object.subset(input.connection.labels, object.get(duty, "labels", {}))
	held := {group | some group in duty.groups; group in data.portcullis.lib.groups}
	count(held) > 1
}

# METADATA
# title: A vote from the requester's own team
deny contains {
	"rule": "duties/own-team",
	"msg": sprintf("%s is the requester's own team", [team]),
	"hint": "Ask somebody of another team who may vote.",
} if {
	input.action == "approve"
	some team in data.config.duties.teams
	team in data.portcullis.lib.groups
	team in input.approval.requester.groups
}
