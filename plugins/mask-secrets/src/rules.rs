//! The rules by their number in `plugin.json`. All of them find the entity `SECRET`; the name in the record says which
//! kind of secret it was.

use portcullis_sdk::Rule;

/// A private key in PEM, OpenSSH or PuTTY form.
pub const PRIVATE_KEY: Rule = Rule(2);
/// A JSON web token (RFC 7519).
pub const JWT: Rule = Rule(3);
/// The password of a URL (RFC 3986 section 3.2.1).
pub const URL_PASSWORD: Rule = Rule(4);
/// `password = …`.
pub const ASSIGNMENT: Rule = Rule(5);
/// A SCRAM verifier (RFC 5803) as PostgreSQL stores it.
pub const SCRAM: Rule = Rule(6);
/// Amazon Web Services.
pub const AWS: Rule = Rule(7);
/// Google Cloud.
pub const GOOGLE: Rule = Rule(8);
/// Microsoft Azure.
pub const AZURE: Rule = Rule(9);
/// GitHub.
pub const GITHUB: Rule = Rule(10);
/// GitLab.
pub const GITLAB: Rule = Rule(11);
/// Slack.
pub const SLACK: Rule = Rule(12);
/// Stripe.
pub const STRIPE: Rule = Rule(13);
/// OpenAI.
pub const OPENAI: Rule = Rule(14);
/// Anthropic.
pub const ANTHROPIC: Rule = Rule(15);
/// Registries of packages and images.
pub const REGISTRY: Rule = Rule(16);
/// Other clouds and hosters.
pub const CLOUD: Rule = Rule(17);
/// Chat, mail and telephony.
pub const MESSAGING: Rule = Rule(18);
/// Payment and shops.
pub const PAYMENT: Rule = Rule(19);
/// Language models.
pub const MODELS: Rule = Rule(20);
/// Operations: monitoring, delivery, vaults.
pub const OPERATIONS: Rule = Rule(21);
/// A value in a Kubernetes Secret.
pub const KUBERNETES: Rule = Rule(22);
/// A hash of a password, which can be guessed at.
pub const PASSWORD_HASH: Rule = Rule(23);
/// `Authorization: Basic …`.
pub const BASIC_AUTH: Rule = Rule(24);
/// One of these in base64 or hexadecimal digits.
pub const WRAPPED: Rule = Rule(25);
