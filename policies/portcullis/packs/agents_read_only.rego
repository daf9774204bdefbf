# METADATA
# title: AI agents only read
# description: |
#   What an agent sends has to be understood and has to read, by the server's
#   own grammar and by every plugin. Tables listed for a connection may be
#   written, one statement at a time, when a person approves it; the statement
#   names their schema, because search_path is the agent's to set:
#
#     config:
#       agents:
#         kinds: [agent]                # who counts as an agent; add ci or service
#         row_limit: 500                # rows of one result, default 1000
#         byte_limit: 10000000          # bytes of one session, default none
#         approver_groups: [dba]        # default [dba]
#         may_write_with_approval:
#           orders:                     # the connection
#             groups: [data-agents]     # the agents that may ask
#             tables: [public.orders]
# schemas:
#   - input: schema.input
package portcullis.packs.agents_read_only

import rego.v1

# METADATA
# title: An agent sent something that is not a read
# custom:
#   severity: high
deny contains {
	"rule": "agents/read-only",
	"msg": sprintf("%s is an agent and may only read; this is %s", [input.identity.name, described]),
	"hint": hint,
} if {
	input.action == "command"
	applies
	not data.portcullis.lib.only_reads
	not may_ask
}

# METADATA
# title: An agent writes to a table that is listed for it
approval contains {
	"rule": "agents/write",
	"msg": sprintf("agent %s asks for %s on %s (%s)", [
		input.identity.name,
		data.portcullis.lib.verbs,
		input.connection.name,
		concat(", ", sort({data.portcullis.lib.table_name(object) | some object in written})),
	]),
	"approver_groups": approver_groups,
	"ttl_seconds": ttl_seconds,
} if {
	input.action == "command"
	applies
	not data.portcullis.lib.only_reads
	may_ask
}

# METADATA
# title: The minted role can only read
# description: Belt and braces for a statement that was classified wrongly.
obligation contains {"type": "read_only"} if {
	input.action in {"connect", "command"}
	applies
	not listed
}

# METADATA
# title: Rows of one result
obligation contains {"type": "row_limit", "rows": row_limit} if applies

# METADATA
# title: Bytes of one session
obligation contains {"type": "byte_limit", "bytes": data.config.agents.byte_limit} if applies

applies if data.portcullis.lib.is_agent

applies if input.identity.kind in data.config.agents.kinds

default row_limit := 1000

row_limit := data.config.agents.row_limit

default approver_groups := ["dba"]

approver_groups := data.config.agents.approver_groups

default ttl_seconds := 900

ttl_seconds := data.config.agents.ttl_seconds

default hint := "Ask a person to run it, or read instead."

hint := "Ask a person to run it, or read instead: a SELECT shows what the statement would touch." if {
	input.connection.protocol == "postgres"
	not listed
}

hint := sprintf("Tables that may be written here with an approval, named with their schema: %s.", [concat(", ", sort(listed.tables))])

default described := "nothing that could be understood"

described := sprintf("%s, classed %s", [data.portcullis.lib.verbs, input.command.effect]) if data.portcullis.lib.verbs != ""

# What is listed for this agent on this connection.
listed := entry if {
	entry := data.config.agents.may_write_with_approval[input.connection.name]
	data.portcullis.lib.in_any_group(entry.groups)
	count(entry.tables) > 0
}

# Every statement is plain, bounded DML, and everything it writes is listed.
may_ask if {
	data.portcullis.lib.understood
	input.command.effect in {"read", "write", "destroy"}
	every verb in input.command.verbs {
		verb in {"read", "write", "session"}
	}
	every statement in input.command.statements {
		statement.class in {"read", "write", "session"}
		statement.predicate in {"present", "inapplicable"}
	}
	count(written) > 0
	every object in written {
		some name in listed.tables
		data.portcullis.lib.is_certainly_table(object, name)
	}
}

written := {object |
	some statement in input.command.statements
	some object in statement.objects
	object.write == true
}
