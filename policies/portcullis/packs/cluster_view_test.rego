package portcullis.packs.cluster_view_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.cluster_view

config := {"cluster_view": {
	"exempt": ["sre"],
	"namespaces": {"engineers": ["shop", "shop-*"], "web-team": ["web"], "data-agents": ["jobs"]},
	"labels": {"team": {"resources": ["pods"], "groups": {"engineers": ["shop"]}}},
}}

said(doc) := found if {
	found := cluster_view.obligation with input as doc with data.config as config
}

namespaces(doc) := found if {
	found := {o.namespaces | some o in said(doc); o.rule == "view/namespaces"}
}

reads(who) := fixtures.call(who, "read", [])

test_a_group_sees_its_namespaces if {
	namespaces(reads(fixtures.engineer)) == {["shop", "shop-*"]}
	namespaces(fixtures.connect(fixtures.engineer, fixtures.cluster)) == {["shop", "shop-*"]}
}

test_two_groups_see_what_either_sees if {
	both := fixtures.identity("eva", "human", ["engineers", "web-team"])
	namespaces(reads(both)) == {["shop", "shop-*", "web"]}
}

test_without_a_group_nothing_is_seen if namespaces(reads(fixtures.identity("xi", "human", []))) == {[]}

test_labels_are_asked_of_their_resources if {
	some told in said(reads(fixtures.engineer))
	told.rule == "view/labels"
	told.labels == {"team": ["shop"]}
	told.resources == ["pods"]
}

test_people_who_are_exempt_see_everything if {
	sre := fixtures.identity("sam", "human", ["sre"])
	count(said(reads(sre))) == 0
	count(said(reads(object.union(sre, {"kind": "agent"})))) == 2
}

test_what_is_in_no_namespace_is_shown_where_data_says_so if {
	{o.cluster_scoped | some o in said(reads(fixtures.engineer)); o.rule == "view/namespaces"} == {false}
	shown := object.union(config, {"cluster_view": {"cluster_scoped": true}})
	told := cluster_view.obligation with input as reads(fixtures.engineer) with data.config as shown
	{o.cluster_scoped | some o in told; o.rule == "view/namespaces"} == {true}
}

test_only_the_named_clusters_are_filtered if {
	other := object.union(config, {"cluster_view": {"connections": ["elsewhere"]}})
	told := cluster_view.obligation with input as reads(fixtures.engineer) with data.config as other
	count(told) == 0
	named := object.union(config, {"cluster_view": {"connections": [fixtures.cluster.name]}})
	count(cluster_view.obligation) == 2 with input as reads(fixtures.engineer) with data.config as named
}

test_databases_are_not_filtered if {
	count(said(fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.select]))) == 0
}

test_nothing_is_said_without_data if {
	told := cluster_view.obligation with input as reads(fixtures.engineer) with data.config as {}
	count(told) == 0
}
