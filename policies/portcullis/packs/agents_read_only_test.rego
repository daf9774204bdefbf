package portcullis.packs.agents_read_only_test

import rego.v1
