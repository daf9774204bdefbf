package portcullis.packs.release_freeze_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.release_freeze

config := {"freeze": {"sale": {"from": "2026-11-26T18:00:00Z", "until": "2026-11-30T08:00:00Z"}}}

at(where, statement, when) := object.union(
	fixtures.command(fixtures.dba, where, [statement]),
	{"request": {"time_ns": time.parse_rfc3339_ns(when)}},
)

frozen(doc) if {d.rule | some d in release_freeze.deny} == {"freeze/period"} with input as doc with data.config as config

test_writes_wait if {
	frozen(at(fixtures.prod, fixtures.insert("orders"), "2026-11-27T00:00:00Z"))
	frozen(at(fixtures.unlabelled, fixtures.insert("orders"), "2026-11-27T00:00:00Z"))
}

test_reads_go_on if not frozen(at(fixtures.prod, fixtures.select, "2026-11-27T00:00:00Z"))

test_staging_goes_on if not frozen(at(fixtures.staging, fixtures.insert("orders"), "2026-11-27T00:00:00Z"))

test_before_and_after_nothing_is_frozen if {
	not frozen(at(fixtures.prod, fixtures.insert("orders"), "2026-11-26T17:59:59Z"))
	not frozen(at(fixtures.prod, fixtures.insert("orders"), "2026-11-30T08:00:00Z"))
}
