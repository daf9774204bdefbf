package portcullis.packs.write_approval_test

import rego.v1
