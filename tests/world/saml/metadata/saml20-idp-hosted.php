<?php
$metadata['__DYNAMIC:1__'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.crt',
    'auth' => 'somebody',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'authproc' => [
        3 => [
            'class' => 'saml:AttributeNameID',
            'attribute' => 'uid',
            'Format' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
        ],
        // When the person last proved who they are: so many seconds ago as the file says, where it is there.
        4 => [
            'class' => 'core:PHP',
            'code' => '$ago = @file_get_contents(getenv("SAML_FOLDER") . "/ago");
                if ($ago !== false) { $state["AuthnInstant"] = time() - (int) $ago; }',
        ],
    ],
];
