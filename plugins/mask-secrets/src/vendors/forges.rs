//! Forges, registries of packages and images, and what builds from them.

use crate::checksum;
use crate::format::{
    Format, alnum, base64_any, between, exactly, hex, least, lower, mixed, word, word_dot, word_pad,
};
use crate::rules::{GITHUB, GITLAB, OPERATIONS, REGISTRY};

/// The formats.
pub const FORMATS: &[Format] = &[
    // GitHub: https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/ and
    // https://docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    between("ghp_", alnum, 36, 255, GITHUB).checked(checksum::base62_crc),
    between("gho_", alnum, 36, 255, GITHUB).checked(checksum::base62_crc),
    between("ghu_", alnum, 36, 255, GITHUB).checked(checksum::base62_crc),
    between("ghr_", alnum, 36, 255, GITHUB).checked(checksum::base62_crc),
    // Installation tokens may hold a web token since 2025, with dots and dashes.
    between("ghs_", word_dot, 36, 1024, GITHUB).checked(checksum::base62_crc),
    between("github_pat_", word, 60, 255, GITHUB),
    // GitLab: https://docs.gitlab.com/security/tokens/#token-prefixes
    least("glpat-", word_dot, 20, GITLAB),
    least("gloas-", word, 64, GITLAB),
    least("gldt-", word, 20, GITLAB),
    least("glrt-", word_dot, 20, GITLAB),
    least("glrtr-", word_dot, 20, GITLAB),
    least("glcbt-", word, 20, GITLAB),
    least("glptt-", hex, 40, GITLAB),
    least("glft-", word, 20, GITLAB),
    least("glimt-", word, 25, GITLAB),
    least("glagent-", word, 50, GITLAB),
    least("glsoat-", word, 20, GITLAB),
    least("glffct-", word, 20, GITLAB),
    least("glwt-", word, 20, GITLAB),
    exactly("GR1348941", word, 20, GITLAB),
    // Atlassian: https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/
    least("ATATT3xFfGF0", word_pad, 150, OPERATIONS),
    least("ATCTT3xFfG", word_pad, 150, OPERATIONS),
    between("ATBB", alnum, 32, 36, OPERATIONS).checked(mixed),
    // npm: https://github.blog/security/supply-chain-security/introducing-npms-new-access-token-format/
    exactly("npm_", alnum, 36, REGISTRY).checked(checksum::base62_crc),
    // PyPI: https://warehouse.pypa.io/development/token-scanning.html
    least("pypi-", word, 60, REGISTRY).checked(checksum::macaroon),
    // RubyGems: https://guides.rubygems.org/api-key-scopes/
    exactly("rubygems_", hex, 48, REGISTRY),
    // crates.io: https://crates.io/docs (tokens begin with `cio`)
    exactly("cio", alnum, 32, REGISTRY).checked(mixed),
    // NuGet: https://learn.microsoft.com/nuget/nuget-org/scoped-api-keys
    exactly("oy2", lower, 43, REGISTRY).checked(mixed),
    // Docker Hub: https://docs.docker.com/security/access-tokens/
    exactly("dckr_pat_", word, 27, REGISTRY),
    least("dckr_oat_", word, 32, REGISTRY),
    // JFrog: https://jfrog.com/help/r/jfrog-platform-administration-documentation/user-profile
    between("AKCp", alnum, 60, 80, REGISTRY).checked(mixed),
    exactly("cmVmdGtuOj", base64_any, 54, REGISTRY),
    // Clojars: https://github.com/clojars/clojars-web/wiki/Deploy-Tokens
    exactly("CLOJARS_", hex, 60, REGISTRY),
    // Sourcegraph: https://sourcegraph.com/docs/cli/how-tos/creating_an_access_token
    least("sgp_", word, 40, OPERATIONS),
    // SonarQube: https://docs.sonarsource.com/sonarqube-server/latest/user-guide/managing-tokens/
    exactly("squ_", hex, 40, OPERATIONS),
    exactly("sqp_", hex, 40, OPERATIONS),
    exactly("sqa_", hex, 40, OPERATIONS),
    // CircleCI: https://circleci.com/docs/managing-api-tokens/
    least("CCIPAT_", word, 50, OPERATIONS),
    least("CCIPRJ_", word, 50, OPERATIONS),
    // Buildkite: https://buildkite.com/docs/apis/managing-api-tokens
    exactly("bkua_", hex, 40, OPERATIONS),
    // Prefect: https://docs.prefect.io/v3/how-to-guides/cloud/manage-users/api-keys
    exactly("pnu_", alnum, 36, OPERATIONS),
    // Postman: https://learning.postman.com/docs/developer/postman-api/authentication/
    least("PMAK-", word, 50, OPERATIONS),
    // Infracost: https://www.infracost.io/docs/
    exactly("ico-", alnum, 32, OPERATIONS).checked(mixed),
];
