//! Vaults, monitoring, delivery and office tools.

use crate::checksum;
use crate::format::{
    Format, Found, alnum, base64_any, between, continues_word, exactly, hex, least, ruled, run,
    run_before, upper, uuid, word, word_dot, word_pad,
};
use crate::rules::OPERATIONS;

/// The formats.
pub const FORMATS: &[Format] = &[
    // HashiCorp Vault: https://developer.hashicorp.com/vault/docs/concepts/tokens#token-prefixes
    least("hvs.", word, 24, OPERATIONS),
    least("hvb.", word, 90, OPERATIONS),
    least("hvr.", word, 24, OPERATIONS),
    // HCP Terraform: https://developer.hashicorp.com/terraform/cloud-docs/users-teams-organizations/api-tokens
    ruled(".atlasv1.", terraform, OPERATIONS),
    // Doppler: https://docs.doppler.com/reference/auth-token-formats
    between("dp.pt.", alnum, 40, 44, OPERATIONS),
    between("dp.st.", word_dot, 40, 80, OPERATIONS),
    between("dp.ct.", alnum, 40, 44, OPERATIONS),
    between("dp.sa.", alnum, 40, 44, OPERATIONS),
    between("dp.scim.", alnum, 40, 44, OPERATIONS),
    between("dp.audit.", alnum, 40, 44, OPERATIONS),
    // 1Password: https://developer.1password.com/docs/service-accounts/security/
    least("ops_eyJ", word, 200, OPERATIONS),
    // age: https://age-encryption.org/v1
    exactly("AGE-SECRET-KEY-1", upper, 58, OPERATIONS).checked(checksum::bech32),
    // Pulumi: https://www.pulumi.com/docs/pulumi-cloud/access-management/access-tokens/
    exactly("pul-", hex, 40, OPERATIONS),
    // Grafana: https://grafana.com/docs/grafana/latest/administration/service-accounts/
    exactly("glsa_", word, 41, OPERATIONS).checked(checksum::grafana),
    least("glc_eyJ", word_pad, 40, OPERATIONS),
    // Sentry: https://docs.sentry.io/account/auth-tokens/
    least("sntrys_eyJ", base64_any, 80, OPERATIONS),
    exactly("sntryu_", hex, 64, OPERATIONS),
    // New Relic: https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/
    exactly("NRAK-", upper, 27, OPERATIONS),
    exactly("NRJS-", hex, 19, OPERATIONS),
    exactly("NRII-", word, 32, OPERATIONS),
    // Dynatrace: https://docs.dynatrace.com/docs/discover-dynatrace/references/dynatrace-api/basics/dynatrace-api-authentication
    ruled("dt0", dynatrace, OPERATIONS),
    // Linear: https://linear.app/developers/graphql
    between("lin_api_", alnum, 40, 48, OPERATIONS),
    exactly("lin_oauth_", hex, 64, OPERATIONS),
    // LaunchDarkly: https://launchdarkly.com/docs/home/account/api
    exactly("api-", uuid, 36, OPERATIONS),
    exactly("sdk-", uuid, 36, OPERATIONS),
    // HubSpot: https://developers.hubspot.com/docs/api/private-apps
    ruled("pat-", hubspot, OPERATIONS),
    // Typeform: https://www.typeform.com/developers/get-started/personal-access-token/
    between("tfp_", word_dot, 40, 64, OPERATIONS),
    // ReadMe: https://docs.readme.com/main/docs/api-keys
    exactly("rdme_", alnum, 70, OPERATIONS),
    // Frame.io: https://developer.frame.io/docs/getting-started/authentication
    exactly("fio-u-", word_pad, 64, OPERATIONS),
    // Kubernetes bootstrap tokens: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
    ruled("token-secret: ", bootstrap, OPERATIONS),
];

/// Fourteen characters, `.atlasv1.`, sixty and more.
fn terraform(bytes: &[u8], at: usize) -> Option<Found> {
    let before = run_before(bytes, at, alnum);
    let after = run(bytes, at + 9, word);
    (before == 14 && (60..=70).contains(&after)).then_some(Found {
        range: at - 14..at + 9 + after,
        rule: OPERATIONS,
    })
}

/// `dt0c01.` + 24 + `.` + 64.
fn dynatrace(bytes: &[u8], at: usize) -> Option<Found> {
    let kind = bytes.get(at..at + 7)?;
    let fine = kind[3].is_ascii_lowercase()
        && kind[4..6].iter().all(u8::is_ascii_digit)
        && kind[6] == b'.'
        && run(bytes, at + 7, upper) == 24
        && bytes.get(at + 31) == Some(&b'.')
        && run(bytes, at + 32, upper) == 64
        && !continues_word(bytes, at);
    fine.then_some(Found {
        range: at..at + 96,
        rule: OPERATIONS,
    })
}

/// `pat-na1-` + UUID.
fn hubspot(bytes: &[u8], at: usize) -> Option<Found> {
    let region = bytes.get(at + 4..at + 8)?;
    let fine = matches!(&region[..2], b"na" | b"eu" | b"ap")
        && region[2].is_ascii_digit()
        && region[3] == b'-'
        && run(bytes, at + 8, uuid) == 36
        && !continues_word(bytes, at);
    fine.then_some(Found {
        range: at..at + 44,
        rule: OPERATIONS,
    })
}

/// The sixteen characters of a bootstrap token's secret.
fn bootstrap(bytes: &[u8], at: usize) -> Option<Found> {
    let from = at + 14;
    let length = run(bytes, from, alnum);
    (length == 16).then_some(Found {
        range: from..from + 16,
        rule: OPERATIONS,
    })
}
