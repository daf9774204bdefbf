# METADATA
# title: Who may vote
# description: |
#   A person in one of the groups that the requirement names, signed in with an
#   issuer whose groups count. The gateway itself refuses a vote by the
#   requester, its actors, its owner, a machine, or by proxy; that is repeated
#   here so that it can be read and tested.
#
#     config:
#       approve:
#         issuers: ["https://idp.example.com"]   # default: the requester's own
#         max_auth_age_seconds: 28800             # default: no bound
# schemas:
#   - input: schema.input
package portcullis.packs.approve

import rego.v1

# METADATA
# title: A person of an approver group
grant contains {
	"rule": "approve/group",
	"msg": sprintf("member of %s", [concat(", ", sort(data.portcullis.lib.groups & required))]),
	"action": "approve",
} if {
	input.action == "approve"
	data.portcullis.lib.is_human
	count(data.portcullis.lib.groups & required) > 0
	trusted
	fresh
}

# METADATA
# title: Four eyes
deny contains {
	"rule": "approve/four-eyes",
	"msg": "whoever asked cannot vote",
	"hint": "Ask somebody else of the approver group.",
} if {
	input.action == "approve"
	some person in involved
	person.issuer == input.identity.issuer
	person.subject == input.identity.subject
}

required := {group | some group in input.approval.requirement.approver_groups}

# Issuer and subject together: the same subject at another issuer is somebody else.
involved contains {"issuer": input.approval.requester.issuer, "subject": input.approval.requester.subject}

involved contains actor if some actor in input.approval.requester.actors

involved contains input.approval.requester.owner if input.approval.requester.owner != null

# A group `dba` of another issuer is another group.
trusted if input.identity.issuer in issuers

default issuers := set()

issuers := {issuer | some issuer in data.config.approve.issuers} if data.config.approve.issuers

issuers := {input.approval.requester.issuer} if not data.config.approve.issuers

# Without a bound any token that is still valid will do; with one, a token that
# does not say when the person signed in will not.
fresh if not data.config.approve.max_auth_age_seconds

fresh if {
	is_number(input.identity.auth.time_ns)
	age_ns := input.request.time_ns - input.identity.auth.time_ns
	age_ns <= data.config.approve.max_auth_age_seconds * 1000000000
}
