package portcullis.packs.destructive_sql_test

import rego.v1
