# METADATA
# title: No path round the gateway is planted through it
# description: |
#   Credentials and footholds that would outlive the session: logins and passwords, keys, scheduled work,
#   tokens, rights over nodes. Denied to everybody but the groups of `config.persistence.groups`, for whom
#   somebody else approves it.
#
#     config:
#       persistence:
#         groups: [platform]             # default nobody
#         approver_groups: [security]    # default [security]
# schemas:
#   - input: schema.input
package portcullis.packs.persistence

import rego.v1

# METADATA
# title: A credential or a foothold
# custom:
#   severity: critical
deny contains {
	"rule": "persistence/foothold",
	"msg": sprintf("this would leave a way past the gateway (%s)", [concat(", ", sort(planted))]),
	"hint": "Have the platform team make it by a reviewed change; for access, ask for a binding at the gateway.",
} if {
	input.action == "command"
	not data.portcullis.lib.plain_read
	count(planted) > 0
	not trusted
}

# METADATA
# title: The same, by those who may
approval contains {
	"rule": "persistence/approval",
	"msg": sprintf("leaves a way past the gateway on %s (%s)", [input.connection.name, concat(", ", sort(planted))]),
	"approver_groups": approver_groups,
} if {
	input.action == "command"
	not data.portcullis.lib.plain_read
	count(planted) > 0
	trusted
}

planted := (data.portcullis.lib.labels & listed) | triggers

# Runs for whoever changes structure next, with the rights of its owner.
triggers := {"event-trigger" |
	some statement in input.command.statements
	statement.object_type == "EVENT TRIGGER"
}

listed := {
	# PostgreSQL: logins, passwords, servers that call out, work that runs by itself, streams of changes.
	"create-role", "alter-role", "set-password", "security-definer", "foreign-server", "replication-slot",
	"scheduled-job", "load-library", "subscription", "publication", "alter-system",
	# Hosts.
	"account-change", "sudoers-change", "authorized-keys-change", "login-config-change", "persistence",
	"set-id", "set-capability",
	# Clusters.
	"token-request", "certificate-approval", "certificate-request", "node-proxy", "anonymous-binding",
	"cluster-admin-binding", "admission-change", "secret-write",
}

trusted if {
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.persistence.groups)
}

default approver_groups := ["security"]

approver_groups := data.config.persistence.approver_groups
