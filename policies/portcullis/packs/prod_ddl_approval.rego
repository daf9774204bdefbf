# METADATA
# title: Structure and rights in production change with an approval
# description: |
#   A connection counts as production unless its label `env` is one of
#   `config.non_prod` (default dev, development, test, qa, ci, sandbox,
#   staging): a forgotten label is stricter.
#
#     config:
#       ddl:
#         approver_groups: [dba]        # default [dba]
#         approvers: 2                  # default 1
#         mode: hold                    # or defer
# schemas:
#   - input: schema.input
package portcullis.packs.prod_ddl_approval

import rego.v1

# METADATA
# title: A change of structure in production
approval contains {
	"rule": "prod/ddl",
	"msg": sprintf("%s on %s%s", [data.portcullis.lib.verbs, input.connection.name, named]),
	"approver_groups": approver_groups,
	"approvers": approvers,
	"ttl_seconds": ttl_seconds,
	"mode": mode,
} if {
	in_production
	does("ddl")
}

# METADATA
# title: A change of rights or roles in production
approval contains {
	"rule": "prod/rights",
	"msg": sprintf("%s changes rights on %s%s", [data.portcullis.lib.verbs, input.connection.name, named]),
	"approver_groups": approver_groups,
	"approvers": approvers,
	"ttl_seconds": ttl_seconds,
	"mode": mode,
} if {
	in_production
	changes_rights
}

# METADATA
# title: Code that runs in production
# description: What it does cannot be told before it runs; a person reads it first.
approval contains {
	"rule": "prod/code",
	"msg": sprintf("%s runs code on %s%s", [data.portcullis.lib.verbs, input.connection.name, named]),
	"approver_groups": approver_groups,
	"approvers": approvers,
	"ttl_seconds": ttl_seconds,
	"mode": mode,
} if {
	in_production
	some statement in input.command.statements
	statement.class == "exec"
}

# METADATA
# title: Administration of a production server
# description: VACUUM, ANALYZE, REINDEX and the like go on without.
approval contains {
	"rule": "prod/admin",
	"msg": sprintf("%s administers %s%s", [data.portcullis.lib.verbs, input.connection.name, named]),
	"approver_groups": approver_groups,
	"approvers": approvers,
	"ttl_seconds": ttl_seconds,
	"mode": mode,
} if {
	in_production
	some statement in input.command.statements
	statement.class == "admin"
	not "maintenance" in statement.labels
}

# A plain read is none of the above.
in_production if {
	input.action == "command"
	input.connection.protocol == "postgres"
	not data.portcullis.lib.plain_read
	data.portcullis.lib.is_prod
}

does(verb) if verb in input.command.verbs

does(verb) if {
	some statement in input.command.statements
	statement.class == verb
}

changes_rights if does("dcl")

changes_rights if does("priv")

default named := ""

named := sprintf(" (%s)", [concat(", ", names)]) if count(names) > 0

names := sort({data.portcullis.lib.table_name(object) |
	some statement in input.command.statements
	some object in statement.objects
	object.write == true
})

default approver_groups := ["dba"]

approver_groups := data.config.ddl.approver_groups

default approvers := 1

approvers := data.config.ddl.approvers

default ttl_seconds := 900

ttl_seconds := data.config.ddl.ttl_seconds

default mode := "hold"

mode := data.config.ddl.mode
