# METADATA
# title: What this pack is for, in one line
# description: |
#   Who it is for, what it denies or asks, and which data it reads:
#
#     PACK:
#       tables: [public.salaries]   # nobody writes these
# schemas:
#   - input: schema.input
package portcullis.packs.PACK

import rego.v1

# METADATA
# title: A write to a table that is listed
# custom:
#   severity: high
deny contains {
	"rule": "PACK/listed-table",
	"msg": sprintf("%s is not written through the gateway", [name]),
	"hint": "Ask the owners of the table, or change it through a migration.",
} if {
	input.action == "command"
	some statement in input.command.statements
	some object in statement.objects
	object.write == true
	some name in tables
	data.portcullis.lib.is_table(object, name)
}

# A default for data is a default rule: a comprehension is never undefined and would hide it.
default tables := []

tables := data.PACK.tables
