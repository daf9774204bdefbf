//! Payment and shops.

use crate::format::{
    Format, Found, alnum, continues_word, exactly, hex, least, lower, mixed, ruled, run, uuid, word,
};
use crate::rules::{PAYMENT, STRIPE};

/// The formats.
pub const FORMATS: &[Format] = &[
    // Stripe: https://docs.stripe.com/keys and https://docs.stripe.com/webhooks
    least("sk_live_", alnum, 16, STRIPE),
    least("sk_test_", alnum, 16, STRIPE),
    least("rk_live_", alnum, 16, STRIPE),
    least("rk_test_", alnum, 16, STRIPE),
    least("whsec_", word, 24, STRIPE),
    // Square: https://developer.squareup.com/docs/build-basics/access-tokens
    exactly("sq0atp-", word, 22, PAYMENT),
    exactly("sq0csp-", word, 43, PAYMENT),
    exactly("EAAAE", word, 59, PAYMENT),
    // Braintree: https://developer.paypal.com/braintree/docs/guides/authorization/overview
    ruled("access_token$", braintree, PAYMENT),
    // Shopify: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens
    exactly("shpat_", hex, 32, PAYMENT),
    exactly("shpca_", hex, 32, PAYMENT),
    exactly("shppa_", hex, 32, PAYMENT),
    exactly("shpss_", hex, 32, PAYMENT),
    // Plaid: https://plaid.com/docs/api/tokens/
    exactly("access-sandbox-", uuid, 36, PAYMENT),
    exactly("access-development-", uuid, 36, PAYMENT),
    exactly("access-production-", uuid, 36, PAYMENT),
    // Razorpay: https://razorpay.com/docs/api/authentication/
    exactly("rzp_live_", alnum, 14, PAYMENT),
    exactly("rzp_test_", alnum, 14, PAYMENT),
    // Flutterwave: https://developer.flutterwave.com/docs/authentication
    least("FLWSECK-", word, 32, PAYMENT),
    least("FLWSECK_TEST-", word, 12, PAYMENT),
    // EasyPost: https://docs.easypost.com/docs/authentication
    exactly("EZAK", alnum, 54, PAYMENT),
    exactly("EZTK", alnum, 54, PAYMENT),
    // Shippo: https://docs.goshippo.com/docs/guides_general/authentication/
    exactly("shippo_live_", hex, 40, PAYMENT),
    exactly("shippo_test_", hex, 40, PAYMENT),
    // Duffel: https://duffel.com/docs/api/overview/test-mode
    exactly("duffel_live_", word, 43, PAYMENT),
    exactly("duffel_test_", word, 43, PAYMENT),
    // GoCardless: https://developer.gocardless.com/api-reference/
    exactly("live_", word, 40, PAYMENT).checked(mixed),
    // Mollie: https://docs.mollie.com/reference/authentication
    exactly("test_", alnum, 30, PAYMENT).checked(mixed),
    exactly("live_", alnum, 30, PAYMENT).checked(mixed),
    // Checkout.com: https://www.checkout.com/docs/developer-resources/api/api-keys
    exactly("sk_sbox_", lower, 26, PAYMENT),
    // Paddle: https://developer.paddle.com/api-reference/about/api-keys
    least("pdl_live_apikey_", word, 40, PAYMENT),
    least("pdl_sdbx_apikey_", word, 40, PAYMENT),
];

/// `access_token$production$` + sixteen + `$` + 32 hexadecimal digits.
fn braintree(bytes: &[u8], at: usize) -> Option<Found> {
    let rest = bytes.get(at + 13..)?;
    let stage = [b"production$".as_slice(), b"sandbox$"]
        .iter()
        .find(|s| rest.starts_with(s))?
        .len();
    let from = at + 13 + stage;
    let fine = run(bytes, from, alnum) == 16
        && bytes.get(from + 16) == Some(&b'$')
        && run(bytes, from + 17, hex) == 32
        && !continues_word(bytes, at);
    fine.then_some(Found {
        range: at..from + 49,
        rule: PAYMENT,
    })
}
