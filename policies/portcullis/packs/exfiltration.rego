# METADATA
# title: How much anybody may take along
# description: |
#   Budgets of rows, bytes and statements: per session, and per identity within an hour, over all its
#   sessions. Whoever is refused again and again within an hour is looking for a way in, and has to wait.
#   Budgets are of the kind of identity; one that is not listed has none.
#
#     config:
#       exfiltration:
#         agent:
#           session: {rows: 5000}
#           identity_hour: {rows: 20000, bytes: 50000000, statements: 2000}
#         human:
#           identity_hour: {rows: 500000}
#         denials_per_hour: 50             # default 100; 0 for no bound
#         exempt: [dba]                    # groups without budgets
# schemas:
#   - input: schema.input
package portcullis.packs.exfiltration

import rego.v1

# METADATA
# title: A budget of this kind of identity
obligation contains {"type": "budget", "per": per, "what": what, "max": max} if {
	input.action in {"connect", "command"}
	not exempt
	some per in {"session", "identity_hour"}
	some what, max in data.config.exfiltration[kind][per]
}

# METADATA
# title: Refused too often
# description: |
#   The gateway counts; a rule that read the counts itself could not be remembered.
obligation contains {"type": "budget", "per": "identity_hour", "what": "denials", "max": most} if {
	input.action in {"connect", "command"}
	most > 0
}

exempt if {
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.exfiltration.exempt)
}

# A person's token in an agent's hands has the agent's budget.
kind := "agent" if data.portcullis.lib.is_agent

kind := input.identity.kind if not data.portcullis.lib.is_agent

default most := 100

most := data.config.exfiltration.denials_per_hour
