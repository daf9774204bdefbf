# METADATA
# title: Breaking the glass
# description: |
#   People on call open connections that no binding gives them, without waiting for anybody, when they say
#   why: the reason begins with `break-glass:`. The session is short, recorded in full, and labelled, so that
#   the review afterwards finds it. Nothing else is relaxed: what other packs deny or mask stays denied and
#   masked.
#
#     config:
#       break_glass:
#         groups: [on-call]
#         labels: {app: orders}          # connections that carry all of these; default all
#         session_max_seconds: 3600      # default 3600
# schemas:
#   - input: schema.input
package portcullis.packs.break_glass

import rego.v1

# METADATA
# title: Somebody on call, with a reason
grant contains {
	"rule": "break-glass/grant",
	"msg": input.session.reason,
} if {
	broken
}

# METADATA
# title: Found by whoever reviews it
obligation contains {"type": "label", "label": label} if {
	broken
	some label in ["break-glass", "review-required"]
}

# METADATA
# title: Everything that is seen is recorded
obligation contains {"type": "record", "level": "full"} if broken

# METADATA
# title: It ends by itself
obligation contains {"type": "session_max_seconds", "seconds": seconds} if broken

# METADATA
# title: A reason is a sentence
# custom:
#   severity: high
deny contains {
	"rule": "break-glass/reason",
	"msg": "breaking the glass takes a reason that somebody can review",
	"hint": "Connect with PGOPTIONS=\"-c portcullis.reason='break-glass: what is wrong, and what you will do'\".",
} if {
	asked
	not explained
}

broken if {
	asked
	explained
}

asked if {
	input.action in {"connect", "command", "response"}
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.break_glass.groups)
	is_string(input.session.reason)
	startswith(lower(input.session.reason), "break-glass")
	object.subset(input.connection.labels, labels)
}

# Twenty characters after the colon: less is no explanation.
explained if {
	is_string(input.session.reason)
	[_, why] := split(input.session.reason, "break-glass:")
	count(trim_space(why)) >= 20
}

default labels := {}

labels := data.config.break_glass.labels

default seconds := 3600

seconds := data.config.break_glass.session_max_seconds
