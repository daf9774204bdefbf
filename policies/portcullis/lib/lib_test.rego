package portcullis.lib_test

import rego.v1
