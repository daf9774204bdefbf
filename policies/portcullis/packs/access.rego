# METADATA
# title: Who may open what
# description: |
#   Grants come from data, not from code. A binding gives groups access to the
#   connections that carry all of its labels.
#
#     access:
#       groups:
#         data-agents: [orders-read]    # group -> names of bindings
#       bindings:
#         orders-read:
#           kinds: [agent]              # human (the default), agent, ci, service
#           protocols: [postgres]
#           labels: {app: orders}       # or connections: [orders]
#           role: app_ro                # optional: upstream role
#           session_max_seconds: 3600   # optional
#           reason_required: true       # optional
#           replication: true           # optional; `opaque` where masks apply: they cannot reach into it
#           control: record             # optional, SSH: record, assist, exec-only, argv
#           opaque: [scp, sftp]         # optional: what passes although masks apply: they cannot reach into it
# schemas:
#   - input: schema.input
package portcullis.packs.access

import rego.v1

# METADATA
# title: A binding covers this identity and this connection
grant contains {
	"rule": "access/binding",
	"msg": sprintf("binding %s", [id]),
} if {
	input.action in {"connect", "command", "response"}
	some id, binding in bindings
	not lacks_reason(binding)
}

# METADATA
# title: The binding asks for a reason and none was given
deny contains {
	"rule": "access/reason",
	"msg": sprintf("%s asks for a reason", [input.connection.name]),
	"hint": "Connect with a reason: PGOPTIONS='-c portcullis.reason=INC-1234'.",
} if {
	input.action == "connect"
	count(bindings) > 0
	every _, binding in bindings {
		lacks_reason(binding)
	}
}

# METADATA
# title: The role that the session runs as upstream
obligation contains {"type": "credential", "role": role} if {
	input.action in {"connect", "command"}
	[_, role] := chosen_role
}

# METADATA
# title: The session ends after this time
obligation contains {"type": "session_max_seconds", "seconds": binding.session_max_seconds} if {
	some binding in bindings
}

# METADATA
# title: Replication connections are opaque to masking and need their own permission
obligation contains {"type": "replication", "allow": true} if {
	some binding in bindings
	binding.replication == true
}

# METADATA
# title: The binding names replication opaque, so it opens although masks apply
obligation contains {"type": "replication", "allow": true, "opaque": true} if {
	some binding in bindings
	binding.replication == "opaque"
}

# METADATA
# title: The level of control of SSH sessions
obligation contains {"type": "control", "level": binding.control} if {
	some binding in bindings
	is_string(binding.control)
}

# METADATA
# title: Streams that pass although nothing in them can be masked
obligation contains {"type": "opaque", "streams": binding.opaque, "allow": true} if {
	some binding in bindings
	count(binding.opaque) > 0
}

# METADATA
# title: A replication connection without permission
deny contains {
	"rule": "access/replication",
	"msg": "replication connections cannot be masked and are not granted here",
	"hint": "Use pg_dump or COPY, or have `replication: opaque` added to the binding.",
} if {
	input.action == "connect"
	input.connect.replication == true
	not may_replicate
}

may_replicate if {
	some binding in bindings
	binding.replication in {true, "opaque"}
}

# The bindings that cover this identity and this connection. Both look-ups are
# by key: the size of the data does not matter.
bindings[id] := binding if {
	some group in data.portcullis.lib.groups
	some id in data.access.groups[group]
	binding := data.access.bindings[id]
	acting_kind in object.get(binding, "kinds", ["human"])
	input.connection.protocol in object.get(binding, "protocols", ["postgres", "ssh", "kubernetes"])
	covers(binding)
}

# A person's token in an agent's hands is an agent.
acting_kind := "agent" if data.portcullis.lib.is_agent

acting_kind := input.identity.kind if not data.portcullis.lib.is_agent

# Labels or names have to be given: a binding without either covers nothing.
covers(binding) if {
	count(binding.labels) > 0
	object.subset(input.connection.labels, binding.labels)
	named(binding)
}

covers(binding) if {
	not binding.labels
	input.connection.name in binding.connections
}

named(binding) if input.connection.name in binding.connections

named(binding) if not binding.connections

lacks_reason(binding) if {
	binding.reason_required == true
	not has_reason
}

has_reason if {
	is_string(input.session.reason)
	count(trim_space(input.session.reason)) > 0
}

# Several bindings may name a role: the first by name wins, so that the answer is always the same.
chosen_role := min([[id, binding.role] | some id, binding in bindings; is_string(binding.role)])
