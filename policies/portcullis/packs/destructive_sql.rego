# METADATA
# title: SQL that nobody should send through a gateway
# description: |
#   Denies what destroys, escapes or cannot be understood. People in the groups
#   of `config.sql.admin_groups` may do what is reserved for administrators;
#   what nobody may do is done outside the gateway, on the record of another
#   system.
#
#     config:
#       sql:
#         admin_groups: [dba]           # default none
#         settings: [log_statement]     # unsafe settings that are allowed here
# schemas:
#   - input: schema.input
package portcullis.packs.destructive_sql

import rego.v1

# METADATA
# title: What cannot be understood is not sent on
# custom:
#   severity: high
deny contains {
	"rule": "sql/not-understood",
	"msg": "the command could not be classified, so it counts as the worst",
	"hint": "Send plain statements: no dynamic SQL, no function call by OID, every prepared name resolved.",
} if {
	asked
	not data.portcullis.lib.understood
	not data.portcullis.lib.empty
	not code_by_admin
}

# METADATA
# title: Databases, tablespaces and roles are never dropped here
# custom:
#   severity: critical
deny contains {
	"rule": "sql/drop-database",
	"msg": sprintf("DROP %s is not allowed through the gateway", [what]),
	"hint": "Use your provisioning tool, where a restore is planned too.",
} if {
	asked
	some what in dropped & {"DATABASE", "TABLESPACE", "ROLE", "USER", "GROUP", "OWNED"}
}

# METADATA
# title: Schemas are dropped by administrators
deny contains {
	"rule": "sql/drop-schema",
	"msg": "DROP SCHEMA takes everything in it along",
	"hint": "Drop the tables one by one, or ask an administrator.",
} if {
	asked
	"SCHEMA" in dropped
	not is_admin
}

# METADATA
# title: Tables are emptied by administrators
deny contains {
	"rule": "sql/truncate",
	"msg": "TRUNCATE removes every row and cannot be limited",
	"hint": "DELETE with a WHERE clause on a column.",
} if {
	asked
	truncates
	not is_admin
}

# METADATA
# title: UPDATE and DELETE of all rows
# description: "`WHERE true` and `WHERE 1 = 1` are no restriction."
# custom:
#   severity: high
deny contains {
	"rule": "sql/unbounded-write",
	"msg": sprintf("%s %s", [statement.verb, unbounded[statement.predicate]]),
	"hint": "Add a WHERE clause that reads a column of the table.",
} if {
	asked
	some statement in input.command.statements
	statement.effect != "read"
	unbounded[statement.predicate]
}

# METADATA
# title: The running role is the gateway's business
deny contains {
	"rule": "sql/role-switch",
	"msg": "the role of a session cannot be changed",
	"hint": "Connect to the connection that has the role you need.",
} if {
	asked
	switches_role
}

# METADATA
# title: Settings that switch protection off
deny contains {
	"rule": "sql/unsafe-setting",
	"msg": sprintf("%s cannot be changed here", [described(names)]),
	"hint": "Leave it as the server has it.",
} if {
	asked
	some statement in input.command.statements
	"unsafe-setting" in statement.labels
	names := {lower(setting.name) | some setting in statement.settings}
	not allowed_settings(names)
}

# METADATA
# title: COPY in another encoding
deny contains {
	"rule": "sql/copy-encoding",
	"msg": "COPY in another encoding cannot be masked",
	"hint": "Leave ENCODING out: the stream is UTF-8.",
} if {
	asked
	"copy-encoding" in data.portcullis.lib.labels
}

# METADATA
# title: Languages without a sandbox
# custom:
#   severity: critical
deny contains {
	"rule": "sql/untrusted-language",
	"msg": "code in an untrusted language runs as the database server itself",
	"hint": "Use SQL or PL/pgSQL.",
} if {
	asked
	"untrusted-language" in data.portcullis.lib.labels
}

# METADATA
# title: Files and programs of the server
# custom:
#   severity: critical
deny contains {
	"rule": "sql/server-files",
	"msg": "the statement reaches files or programs of the database server",
	"hint": "Use COPY … FROM STDIN or TO STDOUT (\\copy in psql).",
} if {
	asked
	reaches_files
}

# METADATA
# title: Connections from the server to elsewhere
deny contains {
	"rule": "sql/server-network",
	"msg": "the statement makes the database server connect to somewhere else",
	"hint": "Connect to the other system through the gateway.",
} if {
	asked
	reaches_network
}

# METADATA
# title: Large objects pass masking by
deny contains {
	"rule": "sql/large-objects",
	"msg": "large objects cannot be masked",
	"hint": "Store the value in a bytea or text column.",
} if {
	asked
	touches_large_objects
}

# METADATA
# title: Code is run by administrators
deny contains {
	"rule": "sql/code",
	"msg": sprintf("%s runs code that cannot be judged before it runs", [statement.verb]),
	"hint": "Send the statements themselves, or have an administrator install and run it.",
} if {
	asked
	some statement in input.command.statements
	statement.class == "exec"
	not is_admin
}

# METADATA
# title: The server is administered by administrators
deny contains {
	"rule": "sql/admin",
	"msg": sprintf("%s administers the server", [statement.verb]),
	"hint": "Ask an administrator.",
} if {
	asked
	some statement in input.command.statements
	statement.class == "admin"
	not is_admin
}

# METADATA
# title: The catalog is not written to
deny contains {
	"rule": "sql/catalog-write",
	"msg": sprintf("%s belongs to the server", [data.portcullis.lib.table_name(object)]),
	"hint": "Use the statement that the server has for it.",
} if {
	asked
	some statement in input.command.statements
	some object in statement.objects
	object.write == true
	object.kind == "table"
	startswith(object.name, "pg_")
	object.schema in {null, "pg_catalog"}
}

# METADATA
# title: Whoever raises rights says how
# description: |
#   Statements on rights, code and the server have rules of their own, here and
#   in prod_ddl_approval. RESET ALL and DISCARD ALL are what poolers send
#   between two clients. What escalates and is none of these has no rule that
#   weighs it.
# custom:
#   severity: high
deny contains {
	"rule": "sql/escalation",
	"msg": "the command raises rights in a way that no other rule covers",
	"hint": "Ask an administrator to do it outside of the gateway.",
} if {
	asked
	escalates
}

# Nothing above has anything to say about a plain read, and most commands are one.
asked if {
	input.action == "command"
	input.connection.protocol == "postgres"
	not data.portcullis.lib.plain_read
}

is_admin if {
	data.portcullis.lib.is_human
	data.portcullis.lib.in_any_group(data.config.sql.admin_groups)
}

# Code is opaque by nature: an administrator's DO is let through although what
# is inside is unknown, but nothing else that is unknown.
code_by_admin if {
	is_admin
	input.command.parse in {"ok", "partial"}
	count(input.command.statements) > 0
	every statement in input.command.statements {
		statement.class != "unknown"
	}
	some statement in input.command.statements
	statement.class == "exec"
	count(data.portcullis.lib.labels & {"unclassified", "unparsed", "unresolved-name", "function-call"}) == 0
}

escalates if {
	some statement in input.command.statements
	statement.effect == "escalate"
	not claimed(statement)
}

# A plugin has seen what the grammar does not.
escalates if {
	input.command.effect == "escalate"
	every statement in input.command.statements {
		statement.effect != "escalate"
	}
}

claimed(statement) if statement.class in {"dcl", "exec", "admin"}

claimed(statement) if {
	statement.class == "session"
	"reset-all" in statement.labels
}

unbounded := {
	"missing": "without WHERE touches every row",
	"constant": "with a WHERE that reads no column touches every row",
}

dropped contains statement.object_type if {
	some statement in input.command.statements
	statement.verb in {"DROP", "DROP OWNED"}
	is_string(statement.object_type)
}

dropped contains upper(replace(trim_prefix(label, "drop-"), "-", " ")) if {
	some label in data.portcullis.lib.labels
	startswith(label, "drop-")
}

truncates if {
	some statement in input.command.statements
	statement.verb == "TRUNCATE"
}

truncates if "truncate" in data.portcullis.lib.labels

settings contains lower(setting.name) if {
	some statement in input.command.statements
	some setting in statement.settings
}

roles := {"role", "session_authorization"}

switches_role if count(settings & roles) > 0

switches_role if count(data.portcullis.lib.labels & {"set-role", "set-session-authorization"}) > 0

default described(_) := "this setting"

described(names) := concat(", ", sort(names)) if count(names) > 0

allowed_settings(names) if {
	count(names) > 0
	every name in names {
		name in data.config.sql.settings
	}
}

functions contains name if {
	some statement in input.command.statements
	some written in statement.functions
	parts := split(written, ".")
	name := parts[count(parts) - 1]
}

file_functions := {
	"lo_export",
	"lo_import",
	"pg_current_logfile",
	"pg_file_read",
	"pg_file_rename",
	"pg_file_sync",
	"pg_file_unlink",
	"pg_file_write",
	"pg_read_binary_file",
	"pg_read_file",
	"pg_stat_file",
}

reaches_files if {
	some statement in input.command.statements
	statement.copy.server_side == true
}

reaches_files if "file" in input.command.verbs

reaches_files if count(functions & file_functions) > 0

reaches_files if {
	some name in functions
	startswith(name, "pg_ls_")
}

reaches_files if count(data.portcullis.lib.labels & {"copy-program", "copy-file", "read-file", "write-file", "load-library"}) > 0

touches_large_objects if "large-object" in data.portcullis.lib.labels

touches_large_objects if {
	some name in functions
	startswith(name, "lo_")
}

reaches_network if "net" in input.command.verbs

reaches_network if {
	some name in functions
	startswith(name, "dblink")
}

reaches_network if {
	some statement in input.command.statements
	statement.object_type in {"SERVER", "SUBSCRIPTION", "USER MAPPING", "FOREIGN DATA WRAPPER"}
	statement.verb in {"CREATE", "ALTER", "IMPORT"}
}
