# METADATA
# title: Connections that people open for a time
# description: |
#   Who may use a connection asks for it first, says why, and has it for a while: `portcullis access request`, or
#   a client that waits at the door. Whoever is on call goes ahead without an approval where `break_glass` lets
#   them: everybody is paged, the session is recorded in full, and somebody reviews it afterwards.
#
#     config:
#       access_requests:
#         production:                     # a name for the rule
#           labels: {env: prod}           # connections that carry all of these; default all
#           groups: [engineers]           # who has to ask; default everybody
#           approver_groups: [sre]        # default [sre]
#           approvers: 1                  # default 1
#           distinct_groups: false        # true: each approver stands for another group
#           ttl_seconds: 900              # how long a request waits; default 900
#           access_ttl_seconds: 28800     # the longest it is opened for; default 8 hours
#           ticket: false                 # true: a request names one
#           break_glass:                  # optional
#             groups: [on-call]
#             reviewer_groups: [security]
#             ttl_seconds: 3600           # default an hour
#             review_seconds: 259200      # default three days
# schemas:
#   - input: schema.input
package portcullis.packs.access_requests

import rego.v1

# METADATA
# title: It is asked for
approval contains {
	"rule": sprintf("access-request/%s", [id]),
	"msg": sprintf("access to %s", [input.connection.name]),
	"hint": "Ask in advance: portcullis access request NAME --for 2h --reason WHY.",
	"approver_groups": object.get(entry, "approver_groups", ["sre"]),
	"approvers": object.get(entry, "approvers", 1),
	"distinct_groups": object.get(entry, "distinct_groups", false),
	"ttl_seconds": object.get(entry, "ttl_seconds", 900),
	"access_ttl_seconds": object.get(entry, "access_ttl_seconds", 28800),
	"ticket": object.get(entry, "ticket", false),
} if {
	some id, entry in asked
	not entry.break_glass
}

# METADATA
# title: It is asked for, and some may go ahead
approval contains {
	"rule": sprintf("access-request/%s", [id]),
	"msg": sprintf("access to %s", [input.connection.name]),
	"hint": "Ask in advance: portcullis access request NAME --for 2h --reason WHY.",
	"approver_groups": object.get(entry, "approver_groups", ["sre"]),
	"approvers": object.get(entry, "approvers", 1),
	"distinct_groups": object.get(entry, "distinct_groups", false),
	"ttl_seconds": object.get(entry, "ttl_seconds", 900),
	"access_ttl_seconds": object.get(entry, "access_ttl_seconds", 28800),
	"ticket": object.get(entry, "ticket", false),
	"break_glass": entry.break_glass,
} if {
	some id, entry in asked
	entry.break_glass
}

asked[id] := entry if {
	input.action == "connect"
	some id, entry in data.config.access_requests
	object.subset(input.connection.labels, object.get(entry, "labels", {}))
	concerns(entry)
}

concerns(entry) if not entry.groups

concerns(entry) if data.portcullis.lib.in_any_group(entry.groups)
