//! Chat, mail, telephony and webhooks.

use crate::format::{
    Format, Found, alnum, continues_word, distinct, exactly, hex, least, path, ruled, run,
    run_before, word, word_dot,
};
use crate::rules::{MESSAGING, SLACK};

/// The formats.
pub const FORMATS: &[Format] = &[
    // Slack: https://api.slack.com/authentication/token-types
    least("xoxb-", word, 20, SLACK),
    least("xoxp-", word, 20, SLACK),
    least("xoxa-", word, 20, SLACK),
    least("xoxr-", word, 20, SLACK),
    least("xoxs-", word, 20, SLACK),
    least("xoxc-", word, 20, SLACK),
    least("xoxd-", word, 20, SLACK),
    least("xoxe.", word_dot, 20, SLACK),
    least("xoxe-", word, 20, SLACK),
    least("xapp-", word, 20, SLACK),
    // Slack, incoming webhooks: https://api.slack.com/messaging/webhooks
    ruled("hooks.slack.com/", slack_hook, SLACK),
    // Discord: https://discord.com/developers/docs/resources/webhook
    ruled("/api/webhooks/", discord_hook, MESSAGING),
    // Discord, bot tokens (user id, time, signature): https://discord.com/developers/docs/reference#authentication
    ruled("bot ", discord_bot, MESSAGING),
    // Telegram: https://core.telegram.org/bots/api#authorizing-your-bot
    ruled(":AA", telegram, MESSAGING),
    // Teams: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
    ruled("webhook.office.com/webhookb2/", office_hook, MESSAGING),
    // Twilio: https://www.twilio.com/docs/glossary/what-is-an-api-key
    ruled("twilio", twilio, MESSAGING),
    // SendGrid: https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys
    ruled("SG.", sendgrid, MESSAGING),
    // Mailgun: https://documentation.mailgun.com/docs/mailgun/api-reference/mg-auth
    exactly("key-", hex, 32, MESSAGING),
    // Mailchimp: https://mailchimp.com/developer/marketing/guides/quick-start/
    ruled("-us", mailchimp, MESSAGING),
    // Brevo: https://developers.brevo.com/docs/getting-started
    least("xkeysib-", word, 80, MESSAGING),
    least("xsmtpsib-", word, 80, MESSAGING),
    // Resend: https://resend.com/docs/api-reference/introduction
    ruled("re_", resend, MESSAGING),
    // Zapier: https://help.zapier.com/hc/articles/8496288690317
    ruled("hooks.zapier.com/hooks/catch/", zapier, MESSAGING),
];

fn hook(
    bytes: &[u8],
    at: usize,
    anchor: usize,
    least: usize,
    rule: portcullis_sdk::Rule,
) -> Option<Found> {
    let length = run(bytes, at + anchor, path);
    let tail = bytes.get(at + anchor..at + anchor + length)?;
    (length >= least && distinct(tail) >= 8 && tail.iter().any(u8::is_ascii_digit)).then_some(
        Found {
            range: at..at + anchor + length,
            rule,
        },
    )
}

fn slack_hook(bytes: &[u8], at: usize) -> Option<Found> {
    let kind = bytes.get(at + 16..)?;
    let known = kind.starts_with(b"services/")
        || kind.starts_with(b"workflows/")
        || kind.starts_with(b"triggers/");
    known.then(|| hook(bytes, at, 16, 40, SLACK)).flatten()
}

fn discord_hook(bytes: &[u8], at: usize) -> Option<Found> {
    let id = run(bytes, at + 14, |b| b.is_ascii_digit());
    let fine = (17..=20).contains(&id) && bytes.get(at + 14 + id) == Some(&b'/');
    fine.then(|| hook(bytes, at, 14, 70, MESSAGING)).flatten()
}

fn office_hook(bytes: &[u8], at: usize) -> Option<Found> {
    hook(bytes, at, 29, 60, MESSAGING)
}

fn zapier(bytes: &[u8], at: usize) -> Option<Found> {
    hook(bytes, at, 29, 12, MESSAGING)
}

/// `Bot ` + user id in base64 (begins with M, N or O) + `.` + six + `.` + 27 and more.
fn discord_bot(bytes: &[u8], at: usize) -> Option<Found> {
    let from = at + 4;
    let first = run(bytes, from, word);
    let second = run(bytes, from + first + 1, word);
    let third = run(bytes, from + first + second + 2, word);
    let dot = |i: usize| bytes.get(i) == Some(&b'.');
    let fine = (23..=28).contains(&first)
        && second == 6
        && (27..=40).contains(&third)
        && dot(from + first)
        && dot(from + first + 7);
    fine.then_some(Found {
        range: from..from + first + second + third + 2,
        rule: MESSAGING,
    })
}

/// Eight to ten digits, `:AA`, 33 characters.
fn telegram(bytes: &[u8], at: usize) -> Option<Found> {
    let digits = run_before(bytes, at, |b| b.is_ascii_digit());
    let start = at.checked_sub(digits)?;
    let fine = (8..=10).contains(&digits)
        && bytes.get(at..at + 3)? == b":AA"
        && run(bytes, at + 3, word) == 33
        && !continues_word(bytes, start);
    fine.then_some(Found {
        range: start..at + 36,
        rule: MESSAGING,
    })
}

/// 32 hexadecimal digits, `SK` before them or not, near the vendor's name.
fn twilio(bytes: &[u8], at: usize) -> Option<Found> {
    let from = at + 6;
    let window = bytes.get(from..(from + 64).min(bytes.len()))?;
    let mut offset = 0;
    while offset < window.len() {
        let length = run(bytes, from + offset, alnum);
        let token = bytes.get(from + offset..from + offset + length)?;
        let digits = token.strip_prefix(b"SK").unwrap_or(token);
        if digits.len() == 32
            && digits.iter().all(|b| b.is_ascii_hexdigit())
            && distinct(digits) >= 8
        {
            return Some(Found {
                range: from + offset..from + offset + length,
                rule: MESSAGING,
            });
        }
        offset += length.max(1);
    }
    None
}

/// `SG.` + 22 + `.` + 43.
fn sendgrid(bytes: &[u8], at: usize) -> Option<Found> {
    let fine = bytes.get(at..at + 3)? == b"SG."
        && !continues_word(bytes, at)
        && run(bytes, at + 3, word) == 22
        && bytes.get(at + 25) == Some(&b'.')
        && run(bytes, at + 26, word) == 43;
    fine.then_some(Found {
        range: at..at + 69,
        rule: MESSAGING,
    })
}

/// 32 hexadecimal digits, `-us`, the number of a data centre.
fn mailchimp(bytes: &[u8], at: usize) -> Option<Found> {
    let start = at.checked_sub(32)?;
    let digits = run(bytes, at + 3, |b| b.is_ascii_digit());
    let fine = (1..=2).contains(&digits)
        && run_before(bytes, at, alnum) == 32
        && bytes.get(start..at)?.iter().all(u8::is_ascii_hexdigit)
        && distinct(&bytes[start..at]) >= 8
        && run(bytes, at + 3, alnum) == digits;
    fine.then_some(Found {
        range: start..at + 3 + digits,
        rule: MESSAGING,
    })
}

/// `re_` + eight + `_` + 24.
fn resend(bytes: &[u8], at: usize) -> Option<Found> {
    if bytes.get(at + 11) != Some(&b'_')
        || bytes.get(at..at + 3)? != b"re_"
        || continues_word(bytes, at)
    {
        return None;
    }
    let tail = bytes.get(at + 12..at + 36)?;
    let fine = run(bytes, at + 3, alnum) == 8
        && run(bytes, at + 12, alnum) == 24
        && distinct(tail) >= 8
        && tail.iter().any(u8::is_ascii_digit)
        && tail.iter().any(u8::is_ascii_uppercase)
        && !matches!(bytes.get(at + 36), Some(b'_'));
    fine.then_some(Found {
        range: at..at + 36,
        rule: MESSAGING,
    })
}
