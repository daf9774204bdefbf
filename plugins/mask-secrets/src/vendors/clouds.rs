//! Clouds and hosters.

use crate::format::{
    Format, Found, TOKEN_MAX, alnum, base32, base64, base64_any, between, continues_word, distinct,
    exactly, hex, least, lower, mixed, ruled, run, run_before, upper, uuid, word, word_dot,
    word_pad,
};
use crate::rules::{AWS, AZURE, CLOUD, GOOGLE};

/// The formats.
pub const FORMATS: &[Format] = &[
    // AWS, IAM identifiers: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    exactly("AKIA", base32, 16, AWS),
    exactly("ASIA", base32, 16, AWS),
    exactly("ABIA", base32, 16, AWS),
    exactly("ACCA", base32, 16, AWS),
    // AWS, secret access keys (forty characters): https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
    ruled("secret_access_key", aws_secret, AWS),
    ruled("secretaccesskey", aws_secret, AWS),
    ruled("aws_secret_key", aws_secret, AWS),
    ruled("aws_secret", aws_secret, AWS),
    // AWS, session tokens: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
    least("IQoJb3JpZ2lu", base64_any, 100, AWS),
    least("FwoGZXIvYXdz", base64_any, 100, AWS),
    // AWS, Bedrock API keys: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html
    least("ABSKQmVkcm9ja0FQSUtleS", base64, 60, AWS),
    // AWS, AppSync API keys: https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
    exactly("da2-", lower, 26, AWS),
    // AWS, Marketplace Web Service: https://developer-docs.amazon.com/sp-api/docs/sp-api-registration-overview
    exactly("amzn.mws.", uuid, 36, AWS),
    // Google, API keys: https://cloud.google.com/docs/authentication/api-keys
    exactly("AIza", word, 35, GOOGLE),
    // Google, access and refresh tokens: https://developers.google.com/identity/protocols/oauth2
    least("ya29.", word_dot, 30, GOOGLE),
    between("1//0", word, 40, 512, GOOGLE),
    // Google, client secrets: https://support.google.com/cloud/answer/15549257
    exactly("GOCSPX-", word, 28, GOOGLE),
    // Azure, storage accounts and service bus (connection strings):
    // https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    ruled("accountkey=", azure_connection, AZURE),
    ruled("sharedaccesskey=", azure_connection, AZURE),
    ruled("sharedsecretissuer=", azure_connection, AZURE),
    // Azure, shared access signatures: https://learn.microsoft.com/rest/api/storageservices/create-service-sas
    ruled("sig=", azure_signature, AZURE),
    // Entra ID, client secrets: https://learn.microsoft.com/purview/sit-defn-azure-ad-client-secret
    ruled("7Q~", entra_secret, AZURE),
    ruled("8Q~", entra_secret, AZURE),
    // Azure, keys with a signature inside: https://learn.microsoft.com/purview/sit-defn-azure-storage-account-key-generic and
    // https://github.com/microsoft/security-utilities
    ruled("JQQJ99", azure_key, AZURE),
    ruled("+AStA", azure_key, AZURE),
    ruled("AzSeA", azure_key, AZURE),
    ruled("AzFuA", azure_key, AZURE),
    ruled("ACDbA", azure_key, AZURE),
    ruled("+ACRA", azure_key, AZURE),
    ruled("AzCaA", azure_key, AZURE),
    // Azure DevOps, personal access tokens: https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate
    ruled("AZDO", azure_devops, AZURE),
    // DigitalOcean: https://docs.digitalocean.com/reference/api/create-personal-access-token/
    exactly("dop_v1_", hex, 64, CLOUD),
    exactly("doo_v1_", hex, 64, CLOUD),
    exactly("dor_v1_", hex, 64, CLOUD),
    // Alibaba Cloud: https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair
    between("LTAI", alnum, 12, 26, CLOUD).checked(mixed),
    // Tencent Cloud: https://www.tencentcloud.com/document/product/598/34228
    exactly("AKID", alnum, 32, CLOUD).checked(mixed),
    // Yandex Cloud: https://yandex.cloud/en/docs/security/operations/search-secrets
    exactly("AQVN", word, 36, CLOUD),
    exactly("YCAJE", word, 20, CLOUD),
    // Heroku: https://devcenter.heroku.com/articles/platform-api-reference#authentication
    exactly("HRKU-AA", word, 58, CLOUD),
    // Fly.io: https://fly.io/docs/security/tokens/
    least("fo1_", word, 40, CLOUD),
    least("fm1r_", base64, 60, CLOUD),
    least("fm2_", base64, 60, CLOUD),
    // Cloudflare, origin CA keys: https://developers.cloudflare.com/fundamentals/api/get-started/ca-keys/
    between("v1.0-", uuid, 120, 200, CLOUD),
    // Netlify: https://docs.netlify.com/api/get-started/#authentication
    exactly("nfp_", alnum, 36, CLOUD),
    // Supabase: https://supabase.com/docs/guides/api/api-keys
    exactly("sbp_", hex, 40, CLOUD),
    least("sb_secret_", word, 30, CLOUD),
    // PlanetScale: https://planetscale.com/docs/concepts/service-tokens
    between("pscale_tkn_", word_dot, 32, 64, CLOUD),
    between("pscale_pw_", word_dot, 32, 64, CLOUD),
    between("pscale_oauth_", word_dot, 32, 64, CLOUD),
    // Neon: https://neon.com/docs/manage/api-keys
    least("napi_", alnum, 40, CLOUD),
    // Aiven: https://aiven.io/docs/platform/howto/create_authentication_token
    exactly("AVNS_", word, 19, CLOUD),
    // MongoDB Atlas, service accounts: https://www.mongodb.com/docs/atlas/api/service-accounts-overview/
    exactly("mdb_sa_sk_", word, 40, CLOUD),
    // Databricks: https://docs.databricks.com/dev-tools/auth/pat.html
    between("dapi", uuid, 32, 34, CLOUD),
    // Tailscale: https://tailscale.com/kb/1277/key-prefixes
    least("tskey-auth-", word, 20, CLOUD),
    least("tskey-api-", word, 20, CLOUD),
    least("tskey-client-", word, 20, CLOUD),
    least("tskey-scim-", word, 20, CLOUD),
    least("tskey-webhook-", word, 20, CLOUD),
    // Scaleway: https://www.scaleway.com/en/docs/iam/reference-content/understanding-identifiers/
    exactly("SCW", upper, 17, CLOUD),
    // Contentful: https://www.contentful.com/developers/docs/references/content-management-api/
    exactly("CFPAT-", word, 43, CLOUD),
    // Mapbox, secret tokens: https://docs.mapbox.com/accounts/guides/tokens/
    least("sk.eyJ", word_dot, 60, CLOUD),
    // Airtable: https://airtable.com/developers/web/guides/personal-access-tokens
    ruled("pat", airtable, CLOUD),
    // Notion: https://developers.notion.com/docs/authorization
    between("ntn_", alnum, 43, 50, CLOUD),
    exactly("secret_", alnum, 43, CLOUD).checked(mixed),
    // Figma: https://www.figma.com/developers/api#access-tokens
    least("figd_", word, 40, CLOUD),
    // Cloudinary is a URL; Dropbox: https://www.dropbox.com/developers/documentation/http/documentation
    least("sl.B", word_pad, 120, CLOUD),
    least("sl.u.", word_pad, 120, CLOUD),
];

/// Forty characters behind a name that tells.
fn aws_secret(bytes: &[u8], at: usize) -> Option<Found> {
    let name = run(bytes, at, word);
    let mut from = at + name;
    let gap = bytes.get(from..)?.iter().take(12);
    from += gap
        .take_while(|b| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b':' | b'=' | b'>'))
        .count();
    let length = run(bytes, from, base64);
    let value = bytes.get(from..from + length)?;
    let fine = length == 40 && distinct(value) >= 12 && from > at + name;
    fine.then_some(Found {
        range: from..from + length,
        rule: AWS,
    })
}

/// The key of a connection string: base64 of 32 or 64 bytes.
fn azure_connection(bytes: &[u8], at: usize) -> Option<Found> {
    let from = at + bytes.get(at..)?.iter().position(|b| *b == b'=')? + 1;
    let length = run(bytes, from, base64);
    let value = bytes.get(from..from + length)?;
    (length >= 40 && distinct(value) >= 10).then_some(Found {
        range: from..from + length,
        rule: AZURE,
    })
}

/// The signature of a URL that also says until when it holds.
fn azure_signature(bytes: &[u8], at: usize) -> Option<Found> {
    if continues_word(bytes, at) {
        return None;
    }
    let from = at + 4;
    let class = |b: u8| base64(b) || b == b'%';
    let length = run(bytes, from, class);
    let value = bytes.get(from..from + length)?;
    let around = bytes.get(at.saturating_sub(400)..(from + length + 400).min(bytes.len()))?;
    let signed = [b"se=".as_slice(), b"sv=", b"skn="]
        .iter()
        .any(|field| memchr::memmem::find(around, field).is_some());
    ((43..=60).contains(&length) && signed && distinct(value) >= 10).then_some(Found {
        range: from..from + length,
        rule: AZURE,
    })
}

/// Three characters, a digit, `Q~`, 31 to 34 characters.
fn entra_secret(bytes: &[u8], at: usize) -> Option<Found> {
    let class = |b: u8| word_dot(b) || b == b'~';
    let start = at.checked_sub(3)?;
    let head = bytes.get(start..at)?;
    let mut length = run(bytes, at + 3, class);
    length -= usize::from(length > 0 && bytes.get(at + 2 + length) == Some(&b'.'));
    let exact = bytes.get(at..at + 3)?.ends_with(b"Q~");
    let alone = !start.checked_sub(1).is_some_and(|i| class(bytes[i]));
    let fine = exact && alone && head.iter().all(|b| class(*b)) && (31..=34).contains(&length);
    fine.then_some(Found {
        range: start..at + 3 + length,
        rule: AZURE,
    })
}

/// A key with the service's signature near its end, in base64: 52, 84 or 88 characters.
fn azure_key(bytes: &[u8], at: usize) -> Option<Found> {
    let before = run_before(bytes, at, base64);
    let start = at - before;
    let length = run(bytes, start, base64);
    let token = bytes.get(start..start + length)?;
    let core = token.iter().rposition(|b| *b != b'=').map_or(0, |i| i + 1);
    let fine = matches!(core, 52 | 84 | 86) && before >= 24 && distinct(token) >= 16;
    fine.then_some(Found {
        range: start..start + length,
        rule: AZURE,
    })
}

/// 76 characters, `AZDO`, four more.
fn azure_devops(bytes: &[u8], at: usize) -> Option<Found> {
    let before = run_before(bytes, at, alnum);
    let start = at - before;
    let fine = bytes.get(at..at + 4)? == b"AZDO" && before == 76 && run(bytes, start, alnum) == 84;
    fine.then_some(Found {
        range: start..start + 84,
        rule: AZURE,
    })
}

/// `pat` + fourteen characters + a dot + 64 hexadecimal digits.
fn airtable(bytes: &[u8], at: usize) -> Option<Found> {
    let dot = at + 17;
    if bytes.get(dot) != Some(&b'.')
        || continues_word(bytes, at)
        || bytes.get(at..at + 3)? != b"pat"
    {
        return None;
    }
    let fine = run(bytes, at, alnum) == 17 && run(bytes, dot + 1, hex) == 64;
    fine.then_some(Found {
        range: at..dot + 65,
        rule: CLOUD,
    })
}

const _: () = assert!(TOKEN_MAX >= 400);
