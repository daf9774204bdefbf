# METADATA
# title: What somebody sees of a cluster
# description: |
#   Groups see their own namespaces, and objects that carry their own labels; whatever is not listed is not there for
#   them: not in lists and watches, not by name. Who is in several groups sees what any of them sees. Who is in none
#   sees nothing. Without data the pack says nothing.
#
#     config:
#       cluster_view:
#         connections: [prod]              # default: every cluster
#         exempt: [sre]                    # people in these groups see everything
#         namespaces:                      # group -> namespaces, `shop-*` for a beginning
#           shop-team: [shop, "shop-*"]
#           web-team: [web]
#         cluster_scoped: true             # default false: also what is in no namespace, such as nodes
#         labels:                          # label -> the resources it is asked of, and group -> values
#           team:
#             resources: [pods, deployments.apps]
#             groups: {shop-team: [shop], web-team: [web]}
# schemas:
#   - input: schema.input
package portcullis.packs.cluster_view

import rego.v1

# METADATA
# title: The namespaces of one's groups
obligation contains {
	"type": "filter",
	"namespaces": sort({namespace |
		some group in data.portcullis.lib.groups
		some namespace in data.config.cluster_view.namespaces[group]
	}),
	"cluster_scoped": cluster_scoped,
	"rule": "view/namespaces",
} if {
	filtered
	is_object(data.config.cluster_view.namespaces)
}

# METADATA
# title: The labels of one's groups
obligation contains {
	"type": "filter",
	"labels": {label: sort({value |
		some group in data.portcullis.lib.groups
		some value in entry.groups[group]
	})},
	"resources": object.get(entry, "resources", []),
	"rule": "view/labels",
} if {
	filtered
	some label, entry in data.config.cluster_view.labels
}

filtered if {
	input.action in {"connect", "command"}
	input.connection.protocol == "kubernetes"
	covered
	not exempt
}

covered if input.connection.name in data.config.cluster_view.connections

covered if not data.config.cluster_view.connections

# A machine is never exempt, whatever groups its token carries.
exempt if {
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.cluster_view.exempt)
}

default cluster_scoped := false

cluster_scoped := data.config.cluster_view.cluster_scoped
