# METADATA
# title: Writes to listed tables need an approval
# description: |
#   The statement is held, shown to the approvers with its parameters, and runs
#   as it stands once enough of them have voted. An agent's call of a function
#   that is not in `config.functions` counts as a write to every table.
#
#     config:
#       write_approval:
#         ledger:                       # a name for the rule
#           connections: [orders]       # or labels: {app: orders}
#           tables: [public.payments]   # or ["*"]
#           groups: [engineers]         # who has to ask; default everybody
#           approver_groups: [dba]      # default [dba]
#           approvers: 1                # default 1
#           ttl_seconds: 900            # default 900
#           mode: hold                  # or defer
#           in_transaction: false       # true holds with locks
# schemas:
#   - input: schema.input
package portcullis.packs.write_approval

import rego.v1

# METADATA
# title: A listed table is written to
approval contains {
	"rule": sprintf("write/%s", [id]),
	"msg": sprintf("%s on %s (%s)", [data.portcullis.lib.verbs, input.connection.name, concat(", ", touched)]),
	"approver_groups": object.get(entry, "approver_groups", ["dba"]),
	"approvers": object.get(entry, "approvers", 1),
	"ttl_seconds": object.get(entry, "ttl_seconds", 900),
	"mode": object.get(entry, "mode", "hold"),
	"in_transaction": object.get(entry, "in_transaction", false),
} if {
	input.action == "command"
	input.connection.protocol == "postgres"
	some id, entry in data.config.write_approval
	concerns(entry)
	has_to_ask(entry)
	touched := sort(named(entry) | hidden)
	count(touched) > 0
}

concerns(entry) if input.connection.name in entry.connections

concerns(entry) if {
	count(entry.labels) > 0
	object.subset(input.connection.labels, entry.labels)
}

has_to_ask(entry) if not entry.groups

has_to_ask(entry) if data.portcullis.lib.in_any_group(entry.groups)

named(entry) := {data.portcullis.lib.table_name(object) |
	some object in written
	some table in entry.tables
	matches(object, table)
}

# What code writes stands in no list of names. People's calls go on, or every
# report would be asked for; an agent's do not.
hidden contains "code that is not listed" if {
	data.portcullis.lib.is_agent
	data.portcullis.lib.calls_unknown_code
}

matches(object, name) if data.portcullis.lib.is_table(object, name)

matches(_, name) if name == "*"

written contains object if {
	some statement in input.command.statements
	some object in statement.objects
	object.write == true
}

# COPY … FROM names its table apart.
written contains {"kind": "table", "schema": statement.copy.schema, "name": statement.copy.table, "write": true} if {
	some statement in input.command.statements
	statement.copy.direction == "in"
	is_string(statement.copy.table)
}
