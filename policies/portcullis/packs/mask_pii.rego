# METADATA
# title: Personal data and secrets are masked
# description: |
#   Secrets are masked for everybody, always. Personal data is masked for
#   everybody outside the groups of `config.mask.readers`, by what detectors
#   find in any value and by column, wherever its provenance shows.
#
#     config:
#       mask:
#         readers: [dpo]                # default nobody
#         entities:                     # default: all, redacted
#           EMAIL: tenant_token         # null, redact, hash, tenant_hash, token, tenant_token, partial
#           CARD: redact
#         columns:
#           orders:                     # the connection
#             - {schema: public, table: customers, column: ssn, tag: ssn, method: redact}
#             # May a statement compare, sort or group by it? deny (default), allow, approve
#             - {table: customers, column: city, predicates: approve, approver_groups: [dpo]}
#             - {table: customers, column: profile, path: $.contact.email, tag: email}   # a part of a document
# schemas:
#   - input: schema.input
package portcullis.packs.mask_pii

import rego.v1

# METADATA
# title: Secrets are masked for everybody
# custom:
#   severity: critical
obligation contains {
	"type": "mask",
	"selector": {"entity": "SECRET"},
	"method": "redact",
	"rule": "mask/secrets",
} if {
	flows
}

# METADATA
# title: What detectors find
obligation contains {
	"type": "mask",
	"selector": {"entity": entity},
	"method": method,
	"rule": "mask/entities",
} if {
	flows
	not may_read
	some entity, method in entities
}

# METADATA
# title: Columns that hold personal data
obligation contains {
	"type": "mask",
	"selector": {"column": object.union(
		{
			"schema": object.get(entry, "schema", "public"),
			"table": entry.table,
			"column": entry.column,
			"tag": object.get(entry, "tag", entry.column),
		},
		object.filter(entry, ["path"]),
	)},
	"method": object.get(entry, "method", "redact"),
	"predicates": object.get(entry, "predicates", "deny"),
	"approver_groups": object.get(entry, "approver_groups", []),
	"rule": "mask/columns",
} if {
	flows
	not may_read
	some entry in data.config.mask.columns[input.connection.name]
}

flows if input.action in {"connect", "command", "response"}

# A machine never reads in clear, whatever groups its token carries.
may_read if {
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.mask.readers)
}

default entities := {"*": "redact"}

entities := data.config.mask.entities
