<?php
// SimpleSAMLphp as an identity provider of tests: no database, no mail, nobody asks for a password.
$here = getenv('SAML_FOLDER');
$config = [
    'baseurlpath' => getenv('SAML_URL') . '/',
    'certdir' => "$here/cert/",
    'loggingdir' => "$here/log/",
    'datadir' => "$here/tmp/",
    'tempdir' => "$here/tmp",
    'metadatadir' => getenv('SIMPLESAMLPHP_CONFIG_DIR') . '/metadata',
    'secretsalt' => 'a-salt-of-tests-that-nobody-needs',
    'auth.adminpassword' => 'not-used-in-tests-at-all',
    'timezone' => 'UTC',
    'logging.level' => SimpleSAML\Logger::INFO,
    'logging.handler' => 'file',
    'enable.saml20-idp' => true,
    'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'session.cookie.secure' => false,
    'session.phpsession.savepath' => "$here/tmp",
    'store.type' => 'phpsession',
    'metadata.sources' => [['type' => 'flatfile']],
    'language.default' => 'en',
    'theme.use' => 'default',
];
