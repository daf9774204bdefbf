# METADATA
# title: Commands that nobody should send through a gateway
# description: |
#   For SSH and Kubernetes what `destructive_sql` is for PostgreSQL: families of labels that the
#   classifiers give, each denied with what to do instead. People in `config.commands.admin_groups` may do
#   what is reserved for administrators. What could not be established is denied to machines; for people
#   `config.commands.unknown` decides.
#
#     config:
#       commands:
#         admin_groups: [sre]           # default none
#         unknown: allow                # for people: allow (the default), approve or deny
#         approver_groups: [sre]        # who approves then; default [sre]
#         allowed: [package-install]    # labels that are no reason to deny here
# schemas:
#   - input: schema.input
package portcullis.packs.destructive_commands

import rego.v1

# METADATA
# title: A family of commands
# custom:
#   severity: high
deny contains {
	"rule": sprintf("commands/%s", [name]),
	"msg": sprintf("%s (%s)", [family.msg, concat(", ", sort(hit))]),
	"hint": family.hint,
} if {
	asked
	some name, family in families
	hit := (family.labels & data.portcullis.lib.labels) - allowed
	count(hit) > 0
	not may(family)
}

# METADATA
# title: What could not be established is not sent on
# custom:
#   severity: high
deny contains {
	"rule": "commands/not-understood",
	"msg": "what the command does could not be established, so it counts as the worst",
	"hint": "Send plain commands: no generated command names, no encoded scripts, no programs that nobody listed.",
} if {
	asked
	unclear
	not people_may
	not people_ask
}

# METADATA
# title: What could not be established is looked at by somebody
approval contains {
	"rule": "commands/unclear",
	"msg": sprintf("a command on %s whose effect is not known", [input.connection.name]),
	"approver_groups": approver_groups,
} if {
	asked
	unclear
	people_ask
}

families := {
	"permissions": {
		"labels": {"world-writable", "world-writable-system", "set-id", "set-capability", "umask-open", "dynamic-mode"},
		"msg": "this opens files to everybody, or lets a program run with other rights",
		"hint": "Give the one user or group that needs it its rights: chown, or chmod g+rwX.",
		"admin": false,
	},
	"deletion": {
		"labels": {"recursive-delete-root", "secure-erase"},
		"msg": "this deletes more than can be brought back",
		"hint": "Name the folder below the root that you mean, and move it aside first.",
		"admin": false,
	},
	"disks": {
		"labels": {"disk-write"},
		"msg": "this writes to a disk past its file system",
		"hint": "Use your provisioning tool, where a restore is planned too.",
		"admin": false,
	},
	"power": {
		"labels": {"power-control", "kill-all", "fork-bomb"},
		"msg": "this stops the machine or everything on it",
		"hint": "Restart the one service, or ask an administrator.",
		"admin": true,
	},
	"remote-shell": {
		"labels": {"reverse-shell", "download-and-run", "exfiltration", "environment-injection"},
		"msg": "this lets code or data pass by the gateway",
		"hint": "Fetch it, look at it, and run it as a command of its own.",
		"admin": false,
	},
	"traces": {
		"labels": {"history-tampering", "log-tampering"},
		"msg": "this removes traces",
		"hint": "Logs are rotated by their service; nothing here needs it.",
		"admin": false,
	},
	"escape": {
		"labels": {"container-escape", "kernel-module", "security-control-off", "process-memory"},
		"msg": "this leaves the bounds that the machine sets",
		"hint": "Ask whoever runs the machine to do it outside of the gateway.",
		"admin": false,
	},
	"network": {
		"labels": {"firewall-change", "tunnel", "network-listener"},
		"msg": "this changes who reaches what",
		"hint": "Use a forward that the gateway knows of, or ask an administrator.",
		"admin": true,
	},
	"databases": {
		"labels": {"drop-database", "drop-schema", "database-destroy", "copy-program"},
		"msg": "this destroys a database",
		"hint": "Connect to the database through the gateway, where its own rules decide.",
		"admin": false,
	},
	"infrastructure": {
		"labels": {"infrastructure-destroy", "cloud-delete"},
		"msg": "this takes infrastructure down",
		"hint": "Use the pipeline that built it.",
		"admin": true,
	},
	"cluster": {
		"labels": {"delete-namespace", "delete-crd", "collection-delete", "delete-volume"},
		"msg": "this deletes many objects, or what holds data",
		"hint": "Delete the objects one by one, by name.",
		"admin": true,
	},
	"pod-security": {
		"labels": {
			"pod-privileged", "pod-host-path", "pod-host-namespace", "pod-capabilities",
			"pod-proc-mount", "pod-unconfined", "pod-device", "pod-security-relaxed",
		},
		"msg": "this pod could leave its container",
		"hint": "Drop the field that the label names; workloads that need it are deployed by the pipeline.",
		"admin": false,
	},
	"rights": {
		"labels": {
			"cluster-admin-binding", "anonymous-binding", "rbac-wildcard", "rbac-escalation-verb",
			"rbac-powerful-rule", "impersonation", "admission-change",
		},
		"msg": "this gives rights over the whole cluster",
		"hint": "Bind a role that names its verbs and resources, by a reviewed change.",
		"admin": false,
	},
}

asked if {
	input.action == "command"
	input.connection.protocol in {"ssh", "kubernetes"}
}

unclear if input.command.effect == "unknown"

unclear if input.command.parse != "ok"

may(family) if {
	family.admin
	is_admin
}

is_admin if {
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.commands.admin_groups)
}

people_may if is_admin

people_may if {
	data.portcullis.lib.is_human
	unknown == "allow"
}

people_ask if {
	data.portcullis.lib.is_human
	not is_admin
	unknown == "approve"
}

default unknown := "allow"

unknown := data.config.commands.unknown

default approver_groups := ["sre"]

approver_groups := data.config.commands.approver_groups

default allowed := set()

allowed := {label | some label in data.config.commands.allowed} if data.config.commands.allowed
