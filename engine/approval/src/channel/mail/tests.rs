//! What is written into a message, and talks with servers that mean no good. They are sockets of these tests, without
//! TLS; a real server with it stands in `tests/it/channels/mail.rs`.

use super::talk::Talk;
use super::*;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

const PASSWORD: &str = "correct horse";

fn news(line: &str) -> News {
    News {
        event: "approval.opened".to_owned(),
        id: "ap-1".to_owned(),
        at: Timestamp(0),
        urgent: true,
        line: line.to_owned(),
        groups: Vec::new(),
        chat: portcullis_model::Chat::Notify,
        detail: serde_json::Value::Null,
    }
}

fn mail(to: &[&str]) -> Mail {
    Mail {
        name: "mail".to_owned(),
        server: MailServer {
            host: "localhost".to_owned(),
            port: 25,
            tls: MailTls::None,
            login: None,
            fetcher: Fetcher::new(None).unwrap(),
        },
        from: "gateway@example.org".to_owned(),
        to: to.iter().map(|a| (*a).to_owned()).collect(),
        events: Vec::new(),
        portal: None,
        clock: Arc::new(|| Timestamp(0)),
    }
}

#[test]
fn nothing_that_somebody_writes_ends_a_header_or_the_message() {
    let evil = "x\r\n.\r\nRCPT TO:<eve@evil.example>\r\nBcc: eve@evil.example";
    let text = mail(&["sre@example.org"])
        .message("msg_1", &news(evil), Timestamp(0))
        .unwrap();
    assert!(!text.contains("evil"));
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.lines().count(), 9, "{head}");
    let body = body.strip_suffix("\r\n.").unwrap().replace("\r\n", "");
    let body = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
    assert!(body.starts_with(evil) && head.contains("Date: 01 Jan 1970 00:00:00 +0000"));
}

#[test]
fn an_address_is_one_word_on_each_side() {
    for good in ["a@b.example", "ops+pager@example.org"] {
        assert!(Mail::is_address(good), "{good}");
    }
    for bad in [
        "",
        "a",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b>\r\nX: y",
        "<a@b>",
        "a@b,c@d",
    ] {
        assert!(!Mail::is_address(bad), "{bad}");
        assert!(mail(&[bad]).message("m", &news("x"), Timestamp(0)).is_err());
    }
}

#[test]
fn no_line_of_a_message_is_too_long_however_many_addresses_there_are() {
    let many: Vec<String> = (0..100)
        .map(|n| format!("{n}@{}.example", "a".repeat(240)))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut long = news("x");
    long.event = "approval.escalated".to_owned();
    long.id = "ap-7k2m9q0x\u{fc}".repeat(9);
    let text = mail(&many).message("m", &long, Timestamp(0)).unwrap();
    assert!(text.lines().all(|line| line.len() < 300), "{text}");
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    let header = |name: &str| {
        let mut all = unfolded.lines().filter_map(|line| line.strip_prefix(name));
        all.next().unwrap().to_owned()
    };
    assert_eq!(header("To: ").split(", ").count(), 100);
    let mut subject = String::new();
    for word in header("Subject: ").split(' ') {
        assert!(word.len() <= 75, "{word}");
        let coded = word.strip_prefix("=?utf-8?B?").unwrap();
        let coded = STANDARD.decode(coded.strip_suffix("?=").unwrap()).unwrap();
        subject += &String::from_utf8(coded).unwrap();
    }
    assert_eq!(
        subject,
        format!("[URGENT] Portcullis: approval.escalated {}", long.id)
    );
}

struct Written(&'static str);

impl Phrase for Written {
    fn read(&self) -> BoxFuture<'_, Result<Zeroizing<String>, Fault>> {
        Box::pin(async { Ok(Zeroizing::new(self.0.to_owned())) })
    }
}

/// A server that greets and answers each line with what `says` has for it: its port, and in the end all that it was told.
async fn server(says: fn(&str) -> &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = BufReader::new(socket);
        socket.write_all(b"220 here\r\n").await.unwrap();
        let (mut told, mut within) = (String::new(), false);
        // Whoever has had enough resets the connection.
        while let Ok([first, ..]) = socket.fill_buf().await {
            let mut line = Vec::new();
            match first {
                // A hello of TLS, which has no lines.
                22 => {
                    line.extend_from_slice(socket.buffer());
                    socket.consume(line.len());
                }
                _ => {
                    let _ = socket.read_until(b'\n', &mut line).await;
                }
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            told += &text;
            within = (within || text == "DATA\r\n") && text != ".\r\n";
            if !within || text == "DATA\r\n" {
                let answer = says(text.trim_end()).as_bytes();
                let _ = socket.write_all(answer).await;
            }
        }
        told
    });
    (port, talk)
}

/// What a good server says.
fn good(line: &str) -> &'static str {
    match line {
        "DATA" => "354 go on\r\n",
        "QUIT" => "221 bye\r\n",
        _ if line.starts_with("AUTH PLAIN ") => "235 welcome\r\n",
        _ => "250 well\r\n",
    }
}

/// How a message with a login fares at such a server, and what that was told.
async fn sent(
    tls: MailTls,
    password: &'static str,
    says: fn(&str) -> &'static str,
) -> (Result<(), Fault>, String) {
    let (port, talk) = server(says).await;
    let mut mail = mail(&["sre@example.org"]);
    mail.server.host = "127.0.0.1".to_owned();
    mail.server.port = port;
    mail.server.tls = tls;
    mail.server.login = Some(("gw".to_owned(), Arc::new(Written(password))));
    let news = news("x");
    let delivery = mail.deliver("msg_1", &news);
    let delivered = tokio::time::timeout(Duration::from_secs(60), delivery).await;
    (delivered.expect("it ends"), talk.await.unwrap())
}

/// The failure, which gives nothing away.
fn failure(delivered: Result<(), Fault>) -> String {
    let failure = delivered.unwrap_err().chain();
    let coded = STANDARD.encode(PASSWORD);
    assert!(!failure.contains(PASSWORD) && !failure.contains(&coded));
    failure
}

#[tokio::test]
async fn what_is_said_in_plain_behind_starttls_is_no_answer_of_the_secured_server() {
    let (delivered, told) = sent(MailTls::Starttls, PASSWORD, |line| match line {
        "STARTTLS" => {
            "220 ready\r\n250-here\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 a\r\n250 b\r\n354 c\r\n250 d\r\n"
        }
        _ => "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
    })
    .await;
    let failure = failure(delivered);
    assert!(failure.contains("before it is asked"), "{failure}");
    assert_eq!(told, "EHLO [127.0.0.1]\r\nSTARTTLS\r\n");
}

#[tokio::test]
async fn where_tls_is_wanted_nothing_goes_out_without() {
    // One that offers none, one that does not take up its own offer, and one that goes on in the clear.
    let (delivered, told) = sent(MailTls::Starttls, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250 AUTH PLAIN\r\n",
        _ => good(line),
    })
    .await;
    assert!(failure(delivered).contains("it offers no STARTTLS"));
    assert_eq!(told, "EHLO [127.0.0.1]\r\n");
    let (delivered, told) = sent(MailTls::Starttls, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250-starttls\r\n250 AUTH PLAIN\r\n",
        "STARTTLS" => "454 not now\r\n",
        _ => good(line),
    })
    .await;
    let refused = failure(delivered);
    assert!(
        refused.contains("secure the way to the mail server: its answer was 454"),
        "{refused}"
    );
    assert_eq!(told, "EHLO [127.0.0.1]\r\nSTARTTLS\r\n");
    let (delivered, told) = sent(MailTls::Starttls, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
        "STARTTLS" => "220 ready\r\n",
        _ => "250 well, go on in plain\r\n",
    })
    .await;
    failure(delivered);
    let lines = told
        .strip_prefix("EHLO [127.0.0.1]\r\nSTARTTLS\r\n")
        .unwrap();
    assert!(!lines.contains("AUTH") && !lines.contains("MAIL"), "{told}");
    // From the first byte: a server in the clear hears no word.
    let (delivered, told) = sent(MailTls::Implicit, PASSWORD, good).await;
    failure(delivered);
    assert!(!told.contains("EHLO") && !told.contains("AUTH"), "{told}");
}

#[tokio::test]
async fn the_login_is_one_that_the_server_knows() {
    let (delivered, told) = sent(MailTls::None, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250-SIZE 1\r\n250 auth CRAM-MD5 login plain\r\n",
        _ => good(line),
    })
    .await;
    delivered.unwrap();
    let words = STANDARD.encode(format!("\0gw\0{PASSWORD}"));
    assert!(told.contains(&format!("AUTH PLAIN {words}\r\n")), "{told}");
    assert!(told.contains("RCPT TO:<sre@example.org>") && told.ends_with("\r\n.\r\nQUIT\r\n"));

    let (delivered, told) = sent(MailTls::None, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250 AUTH=LOGIN\r\n",
        "AUTH LOGIN" => "334 VXNlcm5hbWU6\r\n",
        "Z3c=" => "334 UGFzc3dvcmQ6\r\n",
        "Y29ycmVjdCBob3JzZQ==" => "235 welcome\r\n",
        _ => good(line),
    })
    .await;
    delivered.unwrap();
    let asked = "AUTH LOGIN\r\nZ3c=\r\nY29ycmVjdCBob3JzZQ==\r\nMAIL FROM:<gateway@example.org>\r\n";
    assert!(told.contains(asked), "{told}");

    let (delivered, told) = sent(MailTls::None, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250 AUTH XOAUTH2 CRAM-MD5\r\n",
        _ => good(line),
    })
    .await;
    assert!(failure(delivered).contains("neither AUTH PLAIN nor AUTH LOGIN"));
    assert_eq!(told, "EHLO [127.0.0.1]\r\n");
}

#[tokio::test]
async fn a_login_that_is_refused_sends_nothing_and_what_the_server_says_of_it_is_not_repeated() {
    let (delivered, told) = sent(MailTls::None, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250 AUTH PLAIN\r\n",
        _ if line.starts_with("AUTH") => "535 not with correct horse, Y29ycmVjdCBob3JzZQ==\r\n",
        _ => good(line),
    })
    .await;
    let refused = failure(delivered);
    assert!(
        refused.contains("log in to the mail server: its answer was 535"),
        "{refused}"
    );
    assert!(!told.contains("MAIL"), "{told}");
    // It would be the login of another: `a`, NUL, `b`.
    let (delivered, told) = sent(MailTls::None, "a\0b", |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250 AUTH PLAIN LOGIN\r\n",
        _ => good(line),
    })
    .await;
    assert!(failure(delivered).contains("a NUL"));
    assert_eq!(told, "EHLO [127.0.0.1]\r\n");
}

#[tokio::test]
async fn a_message_that_was_taken_in_is_not_sent_again_for_want_of_a_goodbye() {
    let (delivered, told) = sent(MailTls::None, PASSWORD, |line| match line {
        "EHLO [127.0.0.1]" => "250-here\r\n250 AUTH PLAIN\r\n",
        "QUIT" => "",
        _ => good(line),
    })
    .await;
    delivered.unwrap();
    assert!(told.ends_with("QUIT\r\n"), "{told}");
}

#[tokio::test]
async fn answers_without_end_or_sense_are_none() {
    let endless = "250-more\r\n".repeat(1000);
    let line = format!("250 {}", "x".repeat(20_000));
    for (said, why) in [
        (endless.as_str(), "has no end"),
        (&line, "has no end"),
        ("", "hung up"),
        ("250-a\r\n251 b\r\n", "two codes"),
        ("+25 a\r\n", "no SMTP"),
        ("250a\r\n", "no SMTP"),
        ("25\r\n", "no SMTP"),
        ("25\u{fc} a\r\n", "no SMTP"),
        ("250 a", "no SMTP"),
        ("HTTP/1.1 400 Bad Request\r\n", "no SMTP"),
    ] {
        let (mut theirs, ours) = tokio::io::duplex(64 * 1024);
        theirs.write_all(said.as_bytes()).await.unwrap();
        drop(theirs);
        let answer = Talk::new(Box::new(ours)).answer().await;
        let failure = answer.err().expect(why).chain();
        assert!(failure.contains(why), "{said:?}: {failure}");
    }
    let (mut theirs, ours) = tokio::io::duplex(1024);
    theirs.write_all(b"250-a\r\n250\r\n").await.unwrap();
    let answer = Talk::new(Box::new(ours)).answer().await.unwrap();
    assert_eq!(answer.code, 250);
}

#[tokio::test]
async fn without_tls_no_other_machine_is_gone_to() {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut mail = mail(&["sre@example.org"]);
    // Not an address of loopback, and leads there.
    mail.server.host = "0.0.0.0".to_owned();
    mail.server.port = socket.local_addr().unwrap().port();
    let refused = mail.deliver("msg_1", &news("x")).await.unwrap_err().chain();
    assert!(
        refused.contains("no address that may be asked"),
        "{refused}"
    );
    assert!(socket.accept().is_err(), "somebody came");
}
