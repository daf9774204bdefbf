//! The certificate for SSH (OpenSSH's PROTOCOL.certkeys), written field by field. It refuses to be one for a host, and
//! to be good for every name: a server that happens to trust the authority knows no user of its name.

use super::{Lines, random};
use crate::session::SessionKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::Denial;

const TYPE: &str = "ssh-ed25519-cert-v01@openssh.com";
const KEY: &str = "ssh-ed25519";
/// `SSH_CERT_TYPE_USER`.
const USER: u32 = 1;
/// The one name that it is good for. The gateway goes by the login that it belongs to.
const PRINCIPAL: &str = "portcullis";

/// In its wire form.
pub(super) fn certify(key: &SessionKey, lines: &Lines<'_>) -> Result<Vec<u8>, Denial> {
    let seconds = |at: portcullis_model::Timestamp| u64::try_from(at.seconds()).unwrap_or(0);
    let mut wire = Vec::with_capacity(512);
    text(&mut wire, TYPE.as_bytes());
    text(&mut wire, &random::<32>()?);
    text(&mut wire, lines.key);
    wire.extend_from_slice(&lines.serial.to_be_bytes());
    wire.extend_from_slice(&USER.to_be_bytes());
    let id = format!("{} login {}", lines.identity.name, lines.login());
    text(&mut wire, id.as_bytes());
    text(&mut wire, &packed(&[PRINCIPAL.as_bytes()]));
    wire.extend_from_slice(&seconds(lines.since).to_be_bytes());
    wire.extend_from_slice(&seconds(lines.until).to_be_bytes());
    let critical = match lines.from {
        Some(from) => packed(&[b"source-address", &packed(&[from.to_string().as_bytes()])]),
        None => Vec::new(),
    };
    text(&mut wire, &critical);
    text(&mut wire, &packed(&[b"permit-pty", b""]));
    text(&mut wire, b"");
    text(&mut wire, &packed(&[KEY.as_bytes(), key.public()]));
    let signature = key.sign(&wire);
    text(&mut wire, &packed(&[KEY.as_bytes(), &signature]));
    Ok(wire)
}

/// As a line of a file.
pub(super) fn line(wire: &[u8], name: &str) -> String {
    let comment: String = name.chars().filter(|c| !c.is_control()).collect();
    format!("{TYPE} {} {comment}\n", STANDARD.encode(wire))
}

/// RFC 4251 section 5, `string`.
fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn packed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        text(&mut out, part);
    }
    out
}
