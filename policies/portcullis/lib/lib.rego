# METADATA
# title: Portcullis library
# description: |
#   Words that packs share; packs import `data.portcullis.lib`. The package is
#   reserved: a pack cannot add to it. Every rule here is positive and total
#   enough to be negated: `not lib.only_reads` is true for what is unknown.
# schemas:
#   - input: schema.input
package portcullis.lib

import rego.v1

# METADATA
# description: groups of the caller, as a set
groups := {g | some g in input.identity.groups}

# METADATA
# description: true if the caller is in any of these groups
in_any_group(names) if {
	some name in names
	name in groups
}

# METADATA
# description: a person, acting for nobody else
is_human if {
	input.identity.kind == "human"
	count(input.identity.actors) == 0
}

# METADATA
# description: an AI agent, or a person's token in an agent's hands
is_agent if input.identity.kind == "agent"

is_agent if {
	input.identity.kind == "human"
	count(input.identity.actors) > 0
}

# METADATA
# description: the environment; unlabelled is `unknown`
env := object.get(input.connection.labels, "env", "unknown")

# METADATA
# description: |
#   Only what is labelled as something else is not production, so that a
#   forgotten or misspelt label makes the gateway stricter, not laxer.
default is_prod := true

is_prod := false if lower(env) in non_prod

default non_prod := {"dev", "development", "test", "qa", "ci", "sandbox", "staging"}

non_prod := {lower(e) | some e in data.config.non_prod} if data.config.non_prod

# METADATA
# description: all that the command consists of was parsed, and nothing is unknown
understood if {
	input.command.parse == "ok"
	input.command.effect != "unknown"
	count(input.command.statements) > 0
	every statement in input.command.statements {
		statement.class != "unknown"
		statement.effect != "unknown"
	}
}

# METADATA
# description: an empty query, which the server answers with nothing
empty if {
	input.command.parse == "ok"
	input.command.effect == "read"
	count(input.command.statements) == 0
}

# METADATA
# description: |
#   The command reads and does nothing else: by the worst of grammar and
#   plugins, and for each statement.
only_reads if empty

only_reads if {
	understood
	input.command.effect == "read"
	not calls_unknown_code
	every statement in input.command.statements {
		statement.class in {"read", "session", "transfer"}
		statement.effect == "read"
	}
}

# METADATA
# description: |
#   SELECTs and the like on rows, by grammar and plugins alike, with no function,
#   setting, label or COPY in them: what most commands are. Asked first, it
#   spares a pack about anything else all its rules.
plain_read if {
	input.command.parse == "ok"
	input.command.effect == "read"
	input.command.verbs == ["read"]
	input.command.labels == []
	count(input.command.statements) > 0
	every statement in input.command.statements {
		statement.class == "read"
		statement.effect == "read"
		statement.verbs == ["read"]
		statement.labels == []
		statement.functions == []
		statement.settings == []
		statement.copy == null
	}
}

# METADATA
# description: |
#   It calls a function that is none of the server's own: what that does, the
#   grammar cannot tell. `config.functions` lists functions that only read; all
#   functions of the statement have to be in it.
calls_unknown_code if {
	some statement in input.command.statements
	runs_code(statement)
	not vouched_for(statement)
}

# A plugin has seen code where the grammar sees none: no list vouches for that.
calls_unknown_code if {
	"exec" in input.command.verbs
	every statement in input.command.statements {
		not "exec" in statement.verbs
	}
}

runs_code(statement) if "unlisted-function" in statement.labels

runs_code(statement) if "exec" in statement.verbs

vouched_for(statement) if {
	count(statement.functions) > 0
	every name in statement.functions {
		name in data.config.functions
	}
}

# METADATA
# description: verbs of the command for a message, `SELECT, DELETE`
verbs := concat(", ", sort({statement.verb | some statement in input.command.statements}))

# METADATA
# description: labels of the command, of facts and of plugins
labels := {label | some label in input.command.labels} | {label |
	some statement in input.command.statements
	some label in statement.labels
}

# METADATA
# description: a relation's name for a message and for comparison
table_name(object) := sprintf("%s.%s", [object.schema, object.name]) if is_string(object.schema)

table_name(object) := object.name if not is_string(object.schema)

# METADATA
# description: |
#   True when an object may be the table `name` of the configuration: for what
#   forbids or asks. A name without a schema, on either side, matches in any
#   schema: search_path decides, and the stricter reading is the safe one.
is_table(object, name) if {
	object.kind in {"table", "view", "relation", "sequence"}
	object.name == name
}

is_table(object, name) if {
	object.kind in {"table", "view", "relation", "sequence"}
	[schema, table] := split(name, ".")
	object.name == table
	schema_may_be(object, schema)
}

schema_may_be(object, schema) if object.schema == schema

schema_may_be(object, _) if not is_string(object.schema)

# METADATA
# description: |
#   True when an object is certainly the table `name` of the configuration: for
#   what permits. Sent without a schema it is not, because search_path and
#   temporary tables decide what is meant; in the configuration a name without a
#   schema is one of `public`.
is_certainly_table(object, name) if {
	object.kind in {"table", "view", "relation", "sequence"}
	[object.schema, object.name] == qualified(name)
}

qualified(name) := split(name, ".") if contains(name, ".")

qualified(name) := ["public", name] if not contains(name, ".")
