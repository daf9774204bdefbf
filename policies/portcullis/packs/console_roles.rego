# METADATA
# title: Roles in the console, by groups
# description: |
#   Who sees what in the console, from data. Loaded by itself where the data has `console`; rules of other packs give
#   roles as well, and a deny for the action `console` takes all of them.
#
#     console:
#       roles:
#         auditor:
#           groups: [audit]                          # one of these
#           issuers: ["https://idp.example.com"]     # default: any that is trusted
#           kinds: [human]                           # default: people alone
# schemas:
#   - input: schema.input
package portcullis.packs.console_roles

import rego.v1

# METADATA
# title: A member of a group that has the role
grant contains {
	"rule": sprintf("console/%s", [role]),
	"msg": sprintf("gives the role %s: member of %s", [role, concat(", ", sort(held))]),
	"action": "console",
	"role": role,
} if {
	input.action == "console"
	count(input.identity.actors) == 0
	some role, given in data.console.roles
	held := data.portcullis.lib.groups & {group | some group in given.groups}
	count(held) > 0
	input.identity.kind in object.get(given, "kinds", ["human"])
	input.identity.issuer in object.get(given, "issuers", [input.identity.issuer])
}
