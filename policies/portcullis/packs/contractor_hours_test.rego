package portcullis.packs.contractor_hours_test

import rego.v1

import data.portcullis.fixtures
import data.portcullis.packs.contractor_hours

config := {"contractors": {"groups": ["contractors"], "time_zone": "Europe/Berlin", "from": "09:30", "until": "17:00"}}

carla := fixtures.identity("carla", "human", ["contractors"])

# A RFC 3339 time, as Carla's statement.
at(when) := object.union(
	fixtures.command(carla, fixtures.prod, [fixtures.select]),
	{"request": {"time_ns": time.parse_rfc3339_ns(when)}},
)

denied(doc) if {d.rule | some d in contractor_hours.deny} == {"contractors/hours"} with input as doc with data.config as config

test_hours_are_of_the_time_zone_in_winter_and_in_summer if {
	denied(at("2026-11-18T08:29:59Z"))
	not denied(at("2026-11-18T08:30:00Z"))
	not denied(at("2026-11-18T15:59:59Z"))
	denied(at("2026-11-18T16:00:00Z"))
	not denied(at("2026-07-15T07:30:00Z"))
	denied(at("2026-07-15T15:00:00Z"))
}

test_no_hours_at_the_weekend if denied(at("2026-11-21T12:00:00Z"))

test_days_can_be_listed if {
	saturdays := {"contractors": object.union(config.contractors, {"days": ["Saturday"]})}
	count(contractor_hours.deny) == 0 with input as at("2026-11-21T12:00:00Z") with data.config as saturdays
	count(contractor_hours.deny) == 1 with input as at("2026-11-18T12:00:00Z") with data.config as saturdays
}

test_connecting_counts_too if {
	night := object.union(
		fixtures.connect(carla, fixtures.prod),
		{"request": {"time_ns": time.parse_rfc3339_ns("2026-11-18T23:00:00Z")}},
	)
	denied(night)
}

test_others_work_when_they_like if {
	late := object.union(
		fixtures.command(fixtures.engineer, fixtures.prod, [fixtures.select]),
		{"request": {"time_ns": time.parse_rfc3339_ns("2026-11-21T23:00:00Z")}},
	)
	not denied(late)
}

test_without_data_nobody_is_a_contractor if {
	count(contractor_hours.deny) == 0 with input as at("2026-11-21T12:00:00Z") with data.config as {}
}
