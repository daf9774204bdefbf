package portcullis.packs.approve_test

import rego.v1
