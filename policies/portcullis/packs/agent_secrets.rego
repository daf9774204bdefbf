# METADATA
# title: Secrets are never an agent's to read
# description: |
#   Machines get their rights from the gateway, not from credentials that lie about: what reads secrets of
#   clusters, credentials of hosts, or the tables that hold them is denied to agents, whoever they act for.
#
#     config:
#       secrets:
#         kinds: [agent]                 # default [agent]; ci and service can be added
#         tables:
#           orders: [public.api_keys]    # per connection
# schemas:
#   - input: schema.input
package portcullis.packs.agent_secrets

import rego.v1

# METADATA
# title: Credentials of hosts and secrets of clusters
# custom:
#   severity: critical
deny contains {
	"rule": "secrets/read",
	"msg": sprintf("agents do not read credentials (%s)", [concat(", ", sort(hit))]),
	"hint": "Ask for the access itself: the gateway logs you in without a secret.",
} if {
	asked
	hit := data.portcullis.lib.labels & {
		"credential-read", "environment-read", "metadata-service", "process-memory",
		"secret-read", "cloud-credential", "token-request", "history-read", "database-dump",
	}
	count(hit) > 0
}

# METADATA
# title: Tables that hold secrets
# custom:
#   severity: critical
deny contains {
	"rule": "secrets/table",
	"msg": sprintf("%s holds secrets", [data.portcullis.lib.table_name(object)]),
	"hint": "Leave the table out of the statement.",
} if {
	asked
	some name in data.config.secrets.tables[input.connection.name]
	some statement in input.command.statements
	some object in statement.objects
	data.portcullis.lib.is_table(object, name)
}

asked if {
	input.action == "command"
	data.portcullis.lib.is_agent
	"agent" in kinds
}

# Others only where the configuration names their kind.
asked if {
	input.action == "command"
	not data.portcullis.lib.is_agent
	input.identity.kind in data.config.secrets.kinds
}

default kinds := ["agent"]

kinds := data.config.secrets.kinds
