# METADATA
# title: Nothing changes in production while a freeze is on
# description: |
#   The one pack acme wrote itself: a list of periods, in RFC 3339, in which nothing but reading goes on
#   in production. Breaking the glass is no way round it, and is not meant to be.
#
#     config:
#       freeze:
#         black-friday: {from: "2026-11-26T18:00:00Z", until: "2026-11-30T08:00:00Z"}
# schemas:
#   - input: schema.input
package portcullis.packs.release_freeze

import rego.v1

# METADATA
# title: Inside of a freeze
deny contains {
	"rule": "freeze/period",
	"msg": sprintf("production is frozen until %s (%s)", [period.until, name]),
	"hint": "Wait until the freeze is over, or have it lifted in data.yaml by a reviewed change.",
} if {
	input.action == "command"
	some name, period in data.config.freeze
	input.request.time_ns >= time.parse_rfc3339_ns(period.from)
	input.request.time_ns < time.parse_rfc3339_ns(period.until)
	data.portcullis.lib.is_prod
	not data.portcullis.lib.only_reads
}
