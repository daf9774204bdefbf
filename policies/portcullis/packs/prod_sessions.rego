# METADATA
# title: Hands on production machines are seen by somebody first
# description: |
#   An SSH session on production is opened by an access request; a command in a production container, a
#   shell there, or a debugging container waits for an approval. People in `config.sessions.exempt` go in as
#   they are. Unlabelled counts as production.
#
#     config:
#       sessions:
#         approver_groups: [sre]         # default [sre]
#         exempt: [sre]                  # default nobody
#         ttl_seconds: 900
# schemas:
#   - input: schema.input
package portcullis.packs.prod_sessions

import rego.v1

# METADATA
# title: An SSH session on production
approval contains {
	"rule": "sessions/ssh",
	"msg": sprintf("a session on %s", [input.connection.name]),
	"hint": "Wait, or read what you need from the logs.",
	"approver_groups": approver_groups,
	"ttl_seconds": ttl_seconds,
} if {
	input.action == "connect"
	input.connection.protocol == "ssh"
	guarded
}

# METADATA
# title: A command in a container of production
approval contains {
	"rule": "sessions/pod-exec",
	"msg": sprintf("a command in a container on %s", [input.connection.name]),
	"hint": "Wait, or read what you need with kubectl logs.",
	"approver_groups": approver_groups,
	"ttl_seconds": ttl_seconds,
} if {
	input.action == "command"
	input.connection.protocol == "kubernetes"
	into_a_container
	guarded
}

into_a_container if input.command.stage == "pod-exec"

into_a_container if count(data.portcullis.lib.labels & {"pod-exec", "ephemeral-container", "interactive-shell"}) > 0

guarded if {
	data.portcullis.lib.is_prod
	not exempt
}

exempt if {
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.sessions.exempt)
}

default approver_groups := ["sre"]

approver_groups := data.config.sessions.approver_groups

default ttl_seconds := 900

ttl_seconds := data.config.sessions.ttl_seconds
