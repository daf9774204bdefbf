package portcullis.packs.destructive_sql_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.destructive_sql

config := {"sql": {"admin_groups": ["dba"], "settings": ["track_activities"]}}

rules(doc) := d if {
	d := {r.rule | some r in destructive_sql.deny} with input as doc with data.config as config
}

denied(statement) := rules(fixtures.command(fixtures.engineer, fixtures.prod, [statement]))

admin(statement) := rules(fixtures.command(fixtures.dba, fixtures.prod, [statement]))

calling(name) := object.union(fixtures.select, {"functions": [name]})

test_ordinary_work_goes_on if {
	denied(fixtures.select) == set()
	denied(fixtures.insert("orders")) == set()
	denied(fixtures.delete("orders", "present")) == set()
	denied(fixtures.alter) == set()
	denied(fixtures.setting("statement_timeout", "5s")) == set()
	rules(fixtures.command(fixtures.engineer, fixtures.prod, [])) == set()
}

test_other_stages_are_not_concerned if {
	rules(fixtures.connect(fixtures.engineer, fixtures.prod)) == set()
	rules({}) == set()
}

test_what_cannot_be_understood_is_denied if {
	denied(fixtures.unknown) == {"sql/not-understood"}
	doc := fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.select])
	every change in [{"parse": "partial"}, {"parse": "failed"}, {"effect": "unknown"}] {
		rules(object.union(doc, {"command": change})) == {"sql/not-understood"}
	}
	rules(object.union(doc, {"command": null})) == {"sql/not-understood"}
}

test_databases_and_roles_are_dropped_by_nobody if {
	every what in ["DATABASE", "ROLE", "TABLESPACE"] {
		denied(fixtures.drop(what)) == {"sql/drop-database"}
		admin(fixtures.drop(what)) == {"sql/drop-database"}
	}
	plugin := object.union(fixtures.statement("DO", "ddl", "destroy", ["ddl"]), {"labels": ["drop-database"]})
	denied(plugin) == {"sql/drop-database"}
}

test_a_table_is_dropped_by_whoever_may_change_structure if {
	denied(fixtures.drop("TABLE")) == set()
}

test_schemas_and_truncate_are_for_administrators if {
	denied(fixtures.drop("SCHEMA")) == {"sql/drop-schema"}
	admin(fixtures.drop("SCHEMA")) == set()
	truncate := fixtures.statement("TRUNCATE", "write", "destroy", ["write"])
	denied(truncate) == {"sql/truncate"}
	admin(truncate) == set()
}

test_an_agent_is_no_administrator if {
	bot := object.union(fixtures.agent, {"groups": ["dba"]})
	rules(fixtures.command(bot, fixtures.prod, [fixtures.drop("SCHEMA")])) == {"sql/drop-schema"}
}

test_where_true_is_no_restriction if {
	every predicate in ["missing", "constant"] {
		denied(fixtures.delete("orders", predicate)) == {"sql/unbounded-write"}
		admin(fixtures.delete("orders", predicate)) == {"sql/unbounded-write"}
	}
}

test_an_unbounded_write_hides_in_no_other_verb if {
	cte := object.union(fixtures.delete("orders", "missing"), {"verb": "SELECT"})
	denied(cte) == {"sql/unbounded-write"}
	denied(object.union(fixtures.select, {"predicate": "missing"})) == set()
}

test_every_statement_is_looked_at if {
	statements := [fixtures.select, fixtures.delete("orders", "missing"), fixtures.drop("DATABASE")]
	doc := fixtures.command(fixtures.engineer, fixtures.prod, statements)
	rules(doc) == {"sql/unbounded-write", "sql/drop-database"}
}

test_the_role_stays if {
	denied(fixtures.setting("role", "postgres")) == {"sql/role-switch"}
	denied(fixtures.setting("SESSION_AUTHORIZATION", "postgres")) == {"sql/role-switch"}
	admin(object.union(fixtures.select, {"labels": ["set-role"]})) == {"sql/role-switch"}
}

test_protection_is_not_switched_off if {
	denied(fixtures.unsafe_setting("row_security", "off")) == {"sql/unsafe-setting"}
	denied(fixtures.unsafe_setting("track_activities", "off")) == set()
	denied(object.union(fixtures.alter, {"labels": ["unsafe-setting"]})) == {"sql/unsafe-setting"}
	both := [fixtures.unsafe_setting("track_activities", "off"), fixtures.unsafe_setting("row_security", "off")]
	rules(fixtures.command(fixtures.engineer, fixtures.prod, both)) == {"sql/unsafe-setting"}
}

test_what_every_driver_sends_goes_on if {
	denied(fixtures.setting("client_encoding", "UTF8")) == set()
	denied(fixtures.setting("search_path", "app")) == set()
}

test_a_copy_keeps_its_encoding if {
	denied(object.union(fixtures.select, {"labels": ["copy-encoding"]})) == {"sql/copy-encoding"}
}

test_nobody_installs_code_without_a_sandbox if {
	code := object.union(fixtures.statement("CREATE", "exec", "escalate", ["ddl"]), {"labels": ["untrusted-language"]})
	admin(code) == {"sql/untrusted-language"}
}

test_the_server_keeps_its_files if {
	copy := object.union(fixtures.statement("COPY", "transfer", "write", ["copy"]), {"copy": {
		"direction": "out",
		"schema": null,
		"table": "orders",
		"columns": [],
		"format": "text",
		"server_side": true,
	}})
	denied(copy) == {"sql/server-files"}
	denied(object.union(copy, {"copy": {"server_side": false}})) == set()
	every name in ["pg_read_file", "pg_catalog.pg_read_binary_file", "pg_ls_dir"] {
		denied(calling(name)) == {"sql/server-files"}
	}
	admin(object.union(fixtures.select, {"verbs": ["read", "file"]})) == {"sql/server-files"}
}

test_the_server_connects_to_nobody if {
	denied(calling("dblink_exec")) == {"sql/server-network"}
	denied(calling("ext.dblink")) == {"sql/server-network"}
	denied(object.union(fixtures.select, {"verbs": ["net"]})) == {"sql/server-network"}
	server := object.union(fixtures.statement("CREATE", "ddl", "write", ["ddl"]), {"object_type": "SERVER"})
	denied(server) == {"sql/server-network"}
}

test_large_objects_pass_masking_by if {
	denied(calling("lo_get")) == {"sql/large-objects"}
	denied(object.union(fixtures.select, {"labels": ["large-object"]})) == {"sql/large-objects"}
}

test_code_is_for_administrators if {
	block := fixtures.statement("DO", "exec", "unknown", ["exec"])
	denied(block) == {"sql/code", "sql/not-understood"}
	admin(block) == set()
	opaque := object.union(block, {"labels": ["unresolved-name"]})
	admin(opaque) == {"sql/not-understood"}
}

test_the_server_is_for_administrators if {
	alter_system := fixtures.statement("ALTER SYSTEM", "admin", "escalate", ["admin"])
	denied(alter_system) == {"sql/admin"}
	admin(alter_system) == set()
}

test_a_pooler_resets_its_session if {
	every verb in ["RESET", "DISCARD"] {
		reset := object.union(fixtures.statement(verb, "session", "escalate", ["session"]), {"labels": ["reset-all"]})
		denied(reset) == set()
		denied(object.union(reset, {"class": "read"})) == {"sql/escalation"}
	}
}

test_rights_have_rules_of_their_own if {
	denied(fixtures.statement("GRANT", "dcl", "escalate", ["dcl"])) == set()
	admin(fixtures.statement("CREATE", "exec", "escalate", ["ddl", "exec"])) == set()
	admin(fixtures.statement("ALTER SYSTEM", "admin", "escalate", ["admin"])) == set()
}

test_what_escalates_needs_a_rule_that_weighs_it if {
	every class in ["read", "session", "write", "transfer", "ddl"] {
		odd := fixtures.statement("ALTER", class, "escalate", ["ddl"])
		denied(odd) == {"sql/escalation"}
		admin(odd) == {"sql/escalation"}
		both := [fixtures.statement("GRANT", "dcl", "escalate", ["dcl"]), odd]
		rules(fixtures.command(fixtures.engineer, fixtures.prod, both)) == {"sql/escalation"}
	}
	raised := object.union(
		fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.insert("orders")]),
		{"command": {"effect": "escalate"}},
	)
	rules(raised) == {"sql/escalation"}
}

test_the_catalog_is_not_written_to if {
	every schema in ["pg_catalog", null] {
		write := object.union(fixtures.insert("x"), {"objects": [fixtures.table(schema, "pg_authid", true)]})
		admin(write) == {"sql/catalog-write"}
	}
}

test_without_data_nobody_is_an_administrator if {
	doc := fixtures.command(fixtures.dba, fixtures.prod, [fixtures.drop("SCHEMA")])
	count(destructive_sql.deny) == 1 with input as doc with data.config as {}
}
