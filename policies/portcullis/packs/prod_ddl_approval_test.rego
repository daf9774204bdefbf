package portcullis.packs.prod_ddl_approval_test

import rego.v1
