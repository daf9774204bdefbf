# METADATA
# title: Contractors work in office hours
# description: |
#   Outside of their hours they cannot connect, and what they send in a session that is still open is
#   refused. Hours are those of a time zone, so that summer time needs nobody's hand. A day that is not
#   listed has no hours.
#
#     config:
#       contractors:
#         groups: [contractors]
#         time_zone: Europe/Berlin           # IANA name; default UTC
#         days: [Monday, Tuesday, Wednesday, Thursday, Friday]   # the default
#         from: "08:00"                      # default 08:00
#         until: "18:00"                     # default 18:00, itself excluded
# schemas:
#   - input: schema.input
package portcullis.packs.contractor_hours

import rego.v1

# METADATA
# title: Outside of office hours
deny contains {
	"rule": "contractors/hours",
	"msg": sprintf("contractors work %s to %s (%s) here", [opens, closes, zone]),
	"hint": sprintf("Come back on %s, or ask an employee to do it.", [concat(", ", days)]),
} if {
	input.action in {"connect", "command"}
	data.portcullis.lib.in_any_group(data.config.contractors.groups)
	not at_work
}

at_work if {
	time.weekday([input.request.time_ns, zone]) in days
	clock := time.clock([input.request.time_ns, zone])
	now := (clock[0] * 60) + clock[1]
	now >= minutes(opens)
	now < minutes(closes)
}

minutes(text) := (digits(hour) * 60) + digits(minute) if {
	[hour, minute] := split(text, ":")
}

# A number does not begin with a zero, an hour may.
digits(two) := to_number(concat("", ["1", two])) - 100

default zone := "UTC"

zone := data.config.contractors.time_zone

default days := ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]

days := data.config.contractors.days

default opens := "08:00"

opens := data.config.contractors.from

default closes := "18:00"

closes := data.config.contractors.until
