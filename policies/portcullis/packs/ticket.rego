# METADATA
# title: Work that belongs to a ticket
# description: |
#   Where it is asked for, whatever changes something names the ticket it belongs to. The client names it
#   once: `PGOPTIONS='-c portcullis.ticket=OPS-12'`, or `SET portcullis.ticket = 'OPS-12'`. The ticket stands in
#   the record of every decision.
#
#     config:
#       ticket:
#         production:
#           labels: {env: prod}            # connections that carry all of these; default all
#           pattern: "^(OPS|INC)-[0-9]+$"  # default: two letters or more, a dash, digits
#           kinds: [human, agent]          # default all
#           reads: false                   # true: reading needs one too
#           valid: false                   # true: its system has to say that it is valid (approvals.tickets)
# schemas:
#   - input: schema.input
package portcullis.packs.ticket

import rego.v1

# METADATA
# title: No ticket, or one of another form
deny contains {
	"rule": "ticket/required",
	"msg": sprintf("%s on %s takes a ticket like %s", [data.portcullis.lib.verbs, input.connection.name, pattern(demand)]),
	"hint": "SET portcullis.ticket = 'OPS-12'; and send it again.",
} if {
	input.action == "command"
	some demand in data.config.ticket
	object.subset(input.connection.labels, object.get(demand, "labels", {}))
	input.identity.kind in object.get(demand, "kinds", ["human", "agent", "ci", "service"])
	wanted(demand)
	not named(demand)
}

# METADATA
# title: A ticket that its system does not vouch for
deny contains {
	"rule": "ticket/not-valid",
	"msg": sprintf("the ticket %s is not valid", [input.session.ticket]),
	"hint": why,
} if {
	input.action == "command"
	some demand in data.config.ticket
	demand.valid == true
	object.subset(input.connection.labels, object.get(demand, "labels", {}))
	input.identity.kind in object.get(demand, "kinds", ["human", "agent", "ci", "service"])
	wanted(demand)
	is_string(input.session.ticket)
	not naming
	not vouched
}

vouched if input.session.ticket_check.valid == true

default why := "No ticket system is configured: the operator adds one under approvals.tickets."

why := sprintf("The ticket system says: %s. SET portcullis.ticket = 'OPS-12'; for another.", [input.session.ticket_check.reason]) if {
	is_string(input.session.ticket_check.reason)
}

wanted(demand) if demand.reads == true

wanted(_) if not data.portcullis.lib.only_reads

# The statement that names the ticket cannot need it already.
named(demand) if {
	is_string(input.session.ticket)
	regex.match(pattern(demand), input.session.ticket)
}

named(_) if naming

naming if {
	count(input.command.statements) == 1
	some statement in input.command.statements
	statement.verb == "SET"
	{lower(setting.name) | some setting in statement.settings} == {"portcullis.ticket"}
}

pattern(demand) := object.get(demand, "pattern", "^[A-Z][A-Z0-9]+-[0-9]+$")
