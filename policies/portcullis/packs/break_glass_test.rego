package portcullis.packs.break_glass_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.break_glass

config := {"break_glass": {"groups": ["on-call"], "labels": {"app": "orders"}, "session_max_seconds": 900}}

olaf := fixtures.identity("olaf", "human", ["on-call"])

because(who, reason) := object.union(fixtures.connect(who, fixtures.prod), {"session": {"reason": reason}})

good := "break-glass: orders cannot be paid, looking for locks"

granted(doc, config) if {
	{g.rule | some g in break_glass.grant} == {"break-glass/grant"} with input as doc with data.config as config
	count(break_glass.deny) == 0 with input as doc with data.config as config
}

silent(doc, config) if {
	count(break_glass.grant) == 0 with input as doc with data.config as config
	count(break_glass.deny) == 0 with input as doc with data.config as config
	count(break_glass.obligation) == 0 with input as doc with data.config as config
}

test_a_reason_opens if granted(because(olaf, good), config)

test_the_session_is_short_full_and_found if {
	found := break_glass.obligation with input as because(olaf, good) with data.config as config
	found == {
		{"type": "label", "label": "break-glass"},
		{"type": "label", "label": "review-required"},
		{"type": "record", "level": "full"},
		{"type": "session_max_seconds", "seconds": 900},
	}
}

test_the_grant_holds_for_what_is_sent if {
	doc := object.union(fixtures.command(olaf, fixtures.prod, [fixtures.select]), {"session": {"reason": good}})
	granted(doc, config)
}

test_no_explanation_is_a_denial if {
	some short in ["break-glass", "break-glass:", "break-glass: urgent"]
	rules := {d.rule | some d in break_glass.deny} with input as because(olaf, short) with data.config as config
	rules == {"break-glass/reason"}
}

test_without_a_reason_the_pack_is_silent if {
	silent(because(olaf, null), config)
	silent(because(olaf, "INC-7"), config)
}

test_others_break_nothing if {
	silent(because(fixtures.engineer, good), config)
	silent(because(object.union(olaf, {"kind": "agent"}), good), config)
	silent(because(object.union(olaf, {"actors": [{"issuer": "i", "subject": "bot"}]}), good), config)
	silent(because(olaf, good), {})
	silent(object.union(because(olaf, good), {"connection": {"labels": {"app": "pay"}}}), config)
}
