<?php
// The gateway. Whether assertions are signed says a file, read for each login.
$gateway = getenv('SAML_GATEWAY');
$metadata["$gateway/v1/login/saml"] = [
    'AssertionConsumerService' => "$gateway/v1/login/saml",
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'saml20.sign.assertion' => !file_exists(getenv('SAML_FOLDER') . '/unsigned'),
    'saml20.sign.response' => true,
    'validate.authnrequest' => false,
];
