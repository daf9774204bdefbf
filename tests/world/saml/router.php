<?php
// Debian serves the folder under /simplesaml; the server of php does not know aliases.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if (strncmp($path, '/simplesaml/', 12) !== 0) { http_response_code(404); return true; }
$rest = substr($path, 12);
$root = '/usr/share/simplesamlphp/www/';
foreach (['module.php', 'saml2/idp/SSOService.php', 'saml2/idp/metadata.php'] as $script) {
    if ($rest === $script || strncmp($rest, $script . '/', strlen($script) + 1) === 0) {
        $_SERVER['SCRIPT_NAME'] = '/simplesaml/' . $script;
        $_SERVER['PHP_SELF'] = '/simplesaml/' . $rest;
        $_SERVER['SCRIPT_FILENAME'] = $root . $script;
        $_SERVER['PATH_INFO'] = substr($rest, strlen($script));
        chdir(dirname($root . $script));
        require $root . $script;
        return true;
    }
}
http_response_code(404);
return true;
