package portcullis.packs.mask_pii_test

import rego.v1
