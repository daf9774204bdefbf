package portcullis.packs.access_test

import rego.v1
