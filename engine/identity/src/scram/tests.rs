//! A client written down from RFC 5802 against the server, and everybody who is not one.

use super::*;

const SECRET: &[u8] = b"pcs_a-secret-of-many-bits";
const CHANNEL: &[u8] = b"the hash of a certificate";

pub(crate) struct Client {
    pub(crate) header: &'static str,
    pub(crate) channel: Vec<u8>,
    pub(crate) secret: Vec<u8>,
}

impl Client {
    fn bound(channel: &[u8]) -> Self {
        Self {
            header: "p=tls-server-end-point,,",
            channel: channel.to_vec(),
            secret: SECRET.to_vec(),
        }
    }

    fn plain(header: &'static str) -> Self {
        Self {
            header,
            channel: Vec::new(),
            secret: SECRET.to_vec(),
        }
    }

    pub(crate) fn first(&self) -> String {
        format!("{}n=,r=abcdefghijklmnopqrstuvwx", self.header)
    }

    /// client-final-message, and what the server has to answer.
    pub(crate) fn last(&self, server_first: &[u8]) -> (String, String) {
        let server = std::str::from_utf8(server_first).expect("text");
        let part = |name: &str| {
            let part = server.split(',').find_map(|p| p.strip_prefix(name));
            part.expect("is there").to_owned()
        };
        let iterations: NonZeroU32 = part("i=").parse().expect("a number");
        let salt = STANDARD.decode(part("s=")).expect("base64");
        let mut salted = [0; 32];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, &salt, &self.secret, &mut salted);
        let client = sign(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, client.as_ref());
        let channel = [self.header.as_bytes(), &self.channel].concat();
        let without = format!("c={},r={}", STANDARD.encode(channel), part("r="));
        let bare = self.first().replacen(self.header, "", 1);
        let signed = format!("{bare},{server},{without}");
        let signature = sign(stored.as_ref(), signed.as_bytes());
        let pairs = client.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = pairs.map(|(a, b)| a ^ b).collect();
        let server_key = sign(&salted, b"Server Key");
        let answer = sign(server_key.as_ref(), signed.as_bytes());
        (
            format!("{without},p={}", STANDARD.encode(proof)),
            format!("v={}", STANDARD.encode(answer)),
        )
    }
}

fn verifier() -> Verifier {
    Verifier::of(SECRET).expect("made")
}

fn exchange(client: &Client, mechanism: &str, binding: Option<&[u8]>) -> Result<(), Unproved> {
    let first = client.first();
    let (exchange, server) = Exchange::begin(verifier(), mechanism, first.as_bytes(), binding)?;
    let (last, expected) = client.last(&server);
    let answer = exchange.finish(last.as_bytes())?;
    assert_eq!(answer, expected.into_bytes());
    Ok(())
}

#[test]
fn the_right_secret_proves_itself_with_and_without_binding() {
    assert_eq!(
        exchange(&Client::bound(CHANNEL), PLUS, Some(CHANNEL)),
        Ok(())
    );
    assert_eq!(
        exchange(&Client::plain("n,,"), PLAIN, Some(CHANNEL)),
        Ok(())
    );
    assert_eq!(exchange(&Client::plain("n,,"), PLAIN, None), Ok(()));
    assert_eq!(exchange(&Client::plain("y,,"), PLAIN, None), Ok(()));
}

#[test]
fn somebody_in_between_is_noticed() {
    let other = Client::bound(b"the hash of another certificate");
    assert_eq!(
        exchange(&other, PLUS, Some(CHANNEL)),
        Err(Unproved::Binding)
    );
    // The offer of binding was taken out on the way.
    let fooled = Client::plain("y,,");
    assert_eq!(
        exchange(&fooled, PLAIN, Some(CHANNEL)),
        Err(Unproved::Binding)
    );
}

#[test]
fn a_wrong_secret_and_a_name_without_login_end_alike() {
    let wrong = Client {
        secret: b"another".to_vec(),
        ..Client::plain("n,,")
    };
    assert_eq!(exchange(&wrong, PLAIN, None), Err(Unproved::Proof));
    let mock = || Verifier::mock(&[7; 32], "pcl_nobody");
    let client = Client::plain("n,,");
    let begin = |verifier| Exchange::begin(verifier, PLAIN, client.first().as_bytes(), None);
    let (exchange, server) = begin(mock()).expect("challenged like anybody");
    let (last, _) = client.last(&server);
    assert_eq!(exchange.finish(last.as_bytes()), Err(Unproved::Proof));
    // Asked twice, the salt is the same, as a real one would be.
    let salt = |server: &[u8]| {
        let text = String::from_utf8_lossy(server).into_owned();
        text.split(',').nth(1).map(str::to_owned)
    };
    let (_, again) = begin(mock()).expect("again");
    assert_eq!(salt(&server), salt(&again));
    assert_ne!(server, again);
}

#[test]
fn nothing_is_played_again() {
    let client = Client::plain("n,,");
    let kept = verifier();
    let first = client.first();
    let begin = || Exchange::begin(kept.clone(), PLAIN, first.as_bytes(), None).expect("begun");
    let (exchange, server) = begin();
    let (last, _) = client.last(&server);
    assert!(exchange.finish(last.as_bytes()).is_ok());
    let (again, _) = begin();
    assert_eq!(again.finish(last.as_bytes()), Err(Unproved::Proof));
}

#[test]
fn what_is_no_message_is_refused() {
    let begin = |mechanism: &str, text: &str| {
        Exchange::begin(verifier(), mechanism, text.as_bytes(), Some(CHANNEL)).map(|_| ())
    };
    for text in [
        "",
        "n",
        "n,,",
        "n,,n=",
        "n,,n=,r=short",
        "n,a=root,n=,r=abcdefghijklmnopqrstuvwx",
        "n,,m=x,n=,r=abcdefghijklmnopqrstuvwx",
        "n,,n=,r=abcdefghijklmnopqrstuvwx,x=y",
        "p=tls-unique,,n=,r=abcdefghijklmnopqrstuvwx",
        "p=tls-server-end-point,,n=,r=abcdefghijklmnopqrstuvwx",
    ] {
        assert_eq!(begin(PLAIN, text), Err(Unproved::Message), "{text}");
    }
    assert_eq!(
        begin(PLUS, "n,,n=,r=abcdefghijklmnopqrstuvwx"),
        Err(Unproved::Message)
    );
    assert_eq!(begin(PLAIN, &"n".repeat(4096)), Err(Unproved::Message));
    for last in [
        "",
        "c=biws",
        "c=biws,r=x",
        "c=biws,r=x,p=!",
        "p=AAAA",
        "c=biws,r=x,e=y,p=AAAA",
    ] {
        let first = b"n,,n=,r=abcdefghijklmnopqrstuvwx";
        let (exchange, _) = Exchange::begin(verifier(), PLAIN, first, None).expect("begun");
        assert!(exchange.finish(last.as_bytes()).is_err(), "{last}");
    }
}
