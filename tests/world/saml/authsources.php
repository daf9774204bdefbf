<?php
// Whoever comes is this person.
$config = [
    'somebody' => ['exampleauth:StaticSource', 'uid' => ['ana'], 'groups' => ['engineers'], 'displayName' => ['Ana']],
];
