//! What vendors' tokens look like, as their pages show them: a prefix, an alphabet, a length. Assembled at run time, so that no
//! scanner of repositories takes one for real.

/// Vendor, prefix, alphabet (see [`alphabet`]), length.
pub(super) const TOKENS: &[(&str, &str, char, usize)] = &[
    ("AWS access key id", "AKIA", '3', 16), ("AWS temporary key id", "ASIA", '3', 16), ("AWS session token", "IQoJb3JpZ2luX2Vj", 'b', 300),
    ("AWS Bedrock", "ABSKQmVkcm9ja0FQSUtleS", 'b', 100), ("AWS AppSync", "da2-", 'l', 26), ("Google API key", "AIza", 'w', 35),
    ("Google access token", "ya29.", 'w', 120), ("Google client secret", "GOCSPX-", 'w', 28), ("Google refresh token", "1//0", 'w', 80),
    ("DigitalOcean", "dop_v1_", 'h', 64), ("DigitalOcean OAuth", "doo_v1_", 'h', 64), ("Alibaba Cloud", "LTAI5t", 'a', 18), ("Tencent Cloud", "AKID", 'a', 32),
    ("Heroku", "HRKU-AA", 'w', 58), ("Netlify", "nfp_", 'a', 36), ("Supabase", "sbp_", 'h', 40), ("PlanetScale", "pscale_tkn_", 'w', 43),
    ("PlanetScale password", "pscale_pw_", 'w', 43), ("Neon", "napi_", 'a', 64), ("Aiven", "AVNS_", 'w', 19), ("MongoDB Atlas", "mdb_sa_sk_", 'w', 40),
    ("Databricks", "dapi", 'h', 32), ("Tailscale", "tskey-auth-", 'a', 30), ("Scaleway", "SCW", 'u', 17), ("Contentful", "CFPAT-", 'w', 43),
    ("Mapbox", "sk.eyJ", 'w', 80), ("Notion", "ntn_", 'a', 46), ("Figma", "figd_", 'w', 40), ("GitHub fine-grained", "github_pat_", 'a', 82),
    ("GitLab", "glpat-", 'a', 20), ("GitLab runner", "glrt-", 'a', 20), ("GitLab deploy", "gldt-", 'a', 20), ("GitLab trigger", "glptt-", 'h', 40),
    ("GitLab agent", "glagent-", 'a', 50), ("GitLab OAuth", "gloas-", 'h', 64), ("Atlassian", "ATATT3xFfGF0", 'w', 180), ("Bitbucket", "ATBB", 'a', 32),
    ("RubyGems", "rubygems_", 'h', 48), ("crates.io", "cio", 'a', 32), ("NuGet", "oy2", 'l', 43), ("Docker Hub", "dckr_pat_", 'a', 27),
    ("JFrog", "AKCp", 'a', 69), ("Clojars", "CLOJARS_", 'h', 60), ("SonarQube", "squ_", 'h', 40), ("CircleCI", "CCIPAT_", 'a', 60),
    ("Buildkite", "bkua_", 'h', 40), ("Prefect", "pnu_", 'a', 36), ("Postman", "PMAK-", 'a', 59), ("Sourcegraph", "sgp_", 'h', 40),
    ("Infracost", "ico-", 'a', 32), ("Slack bot", "xoxb-", 'a', 48), ("Slack user", "xoxp-", 'a', 60), ("Slack app", "xapp-1-", 'a', 60),
    ("Brevo", "xkeysib-", 'h', 81), ("Mailgun", "key-", 'h', 32), ("Stripe live", "sk_live_", 'a', 24), ("Stripe test", "sk_test_", 'a', 24),
    ("Stripe restricted", "rk_live_", 'a', 24), ("Stripe webhook", "whsec_", 'a', 32), ("Square", "sq0atp-", 'w', 22), ("Square secret", "sq0csp-", 'w', 43),
    ("Shopify", "shpat_", 'h', 32), ("Shopify shared", "shpss_", 'h', 32), ("Razorpay", "rzp_live_", 'a', 14), ("Flutterwave", "FLWSECK-", 'h', 34),
    ("EasyPost", "EZAK", 'a', 54), ("Shippo", "shippo_live_", 'h', 40), ("Duffel", "duffel_live_", 'w', 43), ("Mollie", "live_", 'a', 30),
    ("Paddle", "pdl_live_apikey_", 'a', 60), ("OpenAI project", "sk-proj-", 'a', 120), ("OpenAI service", "sk-svcacct-", 'a', 120), ("Anthropic", "sk-ant-api03-", 'w', 95),
    ("Anthropic admin", "sk-ant-admin01-", 'w', 95), ("OpenRouter", "sk-or-v1-", 'h', 64), ("DeepSeek", "sk-", 'h', 32), ("Hugging Face", "hf_", 'L', 34),
    ("Groq", "gsk_", 'a', 52), ("Replicate", "r8_", 'a', 37), ("Perplexity", "pplx-", 'a', 48), ("xAI", "xai-", 'a', 80), ("NVIDIA", "nvapi-", 'w', 64),
    ("LangSmith", "lsv2_pt_", 'h', 43), ("Pinecone", "pcsk_", 'a', 70), ("Tavily", "tvly-", 'a', 32), ("Fireworks", "fw_", 'a', 24), ("ElevenLabs", "sk_", 'h', 48),
    ("Vault", "hvs.", 'a', 95), ("Vault batch", "hvb.", 'a', 140), ("Doppler", "dp.pt.", 'a', 43), ("1Password", "ops_eyJ", 'w', 300), ("Pulumi", "pul-", 'h', 40),
    ("Sentry", "sntrys_eyJ", 'b', 120), ("Sentry user", "sntryu_", 'h', 64), ("New Relic", "NRAK-", 'u', 27), ("Linear", "lin_api_", 'a', 40), ("Typeform", "tfp_", 'a', 44),
    ("ReadMe", "rdme_", 'l', 70), ("Grafana Cloud", "glc_eyJ", 'w', 80), ("Yandex Cloud", "AQVN", 'w', 36), ("Fly.io", "fo1_", 'w', 43),
];

/// The characters of an alphabet.
pub(super) fn alphabet(name: char) -> &'static str {
    match name {
        '3' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        'h' => "0123456789abcdef",
        'l' => "abcdefghijklmnopqrstuvwxyz0123456789",
        'u' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        'L' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        'b' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        'w' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_",
        _ => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    }
}
