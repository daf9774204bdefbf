//! What Slack says, signed and not. The example is that of Slack's documentation of signing secrets.

use super::*;
use crate::moment::Clocks;
use crate::store::{Kept, Nowhere};
use portcullis_model::{Kind, Principal};
use zeroize::Zeroizing;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TIME: i64 = 1_531_420_618;
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

struct Said;

impl Phrase for Said {
    fn read(&self) -> BoxFuture<'_, Result<Zeroizing<String>, Fault>> {
        Box::pin(async { Ok(Zeroizing::new(SECRET.to_owned())) })
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

fn links() -> Arc<Links> {
    let clocks = Clocks::new(Arc::new(|| at(TIME)), Arc::new(|| Duration::ZERO));
    let lasts = Duration::from_secs(3600);
    Arc::new(Links::new(Arc::new(Nowhere), clocks, lasts, &Kept::default()).unwrap())
}

fn desk(links: &Arc<Links>) -> SlackDesk {
    let mut desk = SlackDesk::new(Arc::new(Said), "T1DC2JH3J".to_owned(), Arc::clone(links));
    desk.started = at(TIME - 6);
    desk
}

fn sign(body: &str, seconds: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, format!("v0:{seconds}:{body}").as_bytes());
    format!("v0={}", hex::encode(signature.as_ref()))
}

async fn read(
    desk: &SlackDesk,
    signature: &str,
    body: &str,
    now: i64,
) -> Result<SlackWord, NotSigned> {
    let time = TIME.to_string();
    desk.read(&time, signature, body.as_bytes(), at(now))
        .await
        .unwrap()
}

fn click(action: &str, team: &str, user: &str) -> String {
    let payload = json!({
        "type": "block_actions", "user": {"id": user, "username": "ana"}, "team": {"id": team},
        "actions": [{"action_id": action, "value": "ap-1"}],
    });
    let coded: String = payload
        .to_string()
        .bytes()
        .map(|b| format!("%{b:02X}"))
        .collect();
    format!("payload={coded}")
}

fn person() -> Arc<Identity> {
    Arc::new(Identity {
        principal: Principal {
            issuer: "https://id.example".to_owned(),
            subject: "bea".to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: "bea".to_owned(),
        groups: vec!["sre".to_owned()],
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: at(TIME),
    })
}

#[tokio::test]
async fn the_example_of_the_documentation_is_taken_in_once_and_now() {
    let desk = desk(&links());
    let late = read(&desk, SIGNATURE, BODY, TIME + 301).await;
    assert_eq!(late.err(), Some(NotSigned::Late));
    let other = BODY.replace("roadrunner", "coyote");
    assert_eq!(
        read(&desk, SIGNATURE, &other, TIME).await.err(),
        Some(NotSigned::Forged)
    );
    for bad in ["", "v0=", "v0=00", &SIGNATURE[3..]] {
        assert_eq!(
            read(&desk, bad, BODY, TIME).await.err(),
            Some(NotSigned::Forged),
            "{bad}"
        );
    }
    assert!(matches!(
        read(&desk, SIGNATURE, BODY, TIME).await,
        Ok(SlackWord::Tell(_))
    ));
    assert_eq!(
        read(&desk, SIGNATURE, BODY, TIME).await.err(),
        Some(NotSigned::Replayed)
    );
    let loud = format!("v0={}", SIGNATURE[3..].to_uppercase());
    assert_eq!(
        read(&desk, &loud, BODY, TIME).await.err(),
        Some(NotSigned::Replayed),
        "it means the same"
    );
}

#[tokio::test]
async fn what_was_sent_before_the_start_may_have_been_taken_in_before_it() {
    let mut desk = desk(&links());
    for started in [TIME + 1, TIME, TIME - 5] {
        desk.started = at(started);
        let early = read(&desk, SIGNATURE, BODY, TIME + 1).await;
        assert_eq!(early.err(), Some(NotSigned::Late), "{started}");
    }
    desk.started = at(TIME - 6);
    let word = read(&desk, SIGNATURE, BODY, TIME + 1).await;
    assert!(matches!(word, Ok(SlackWord::Tell(_))));
}

#[tokio::test]
async fn an_account_votes_once_its_person_has_said_that_it_is_theirs() {
    let links = links();
    let desk = desk(&links);
    let body = click("approve", "T1DC2JH3J", "U1");
    let word = read(&desk, &sign(&body, TIME), &body, TIME).await;
    assert!(matches!(word, Ok(SlackWord::Tell(text)) if text.contains("not linked")));
    let ask = "team_id=T1DC2JH3J&user_id=U1&user_name=ana&text=link";
    let Ok(SlackWord::Tell(text)) = read(&desk, &sign(ask, TIME), ask, TIME).await else {
        panic!("no code");
    };
    let code = text
        .split("approvals link ")
        .nth(1)
        .unwrap()
        .split('\n')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        links.asked(&code).unwrap().shown(),
        "slack:T1DC2JH3J:U1 (ana)"
    );
    assert!(links.link("guess", &person()).is_err());
    links.link(&code, &person()).unwrap();
    assert!(links.link(&code, &person()).is_err(), "a code is good once");
    let body = click("deny", "T1DC2JH3J", "U1");
    let word = read(&desk, &sign(&body, TIME), &body, TIME).await;
    let Ok(SlackWord::Vote {
        request,
        ballot,
        person: who,
        account,
    }) = word
    else {
        panic!("no vote");
    };
    assert_eq!(
        (request.as_str(), ballot, who.name.as_str()),
        ("ap-1", Ballot::Deny, "bea")
    );
    for (team, user) in [("T2", "U1"), ("T1DC2JH3J", "U2")] {
        let body = click("approve", team, user);
        let word = read(&desk, &sign(&body, TIME), &body, TIME).await;
        assert!(!matches!(word, Ok(SlackWord::Vote { .. })), "{team} {user}");
    }
    links.seen(&person());
    assert!(links.person(&account).is_some());
    let mut fewer = (*person()).clone();
    fewer.groups.clear();
    links.seen(&fewer);
    assert!(links.person(&account).is_none(), "it has lost a group");
    let again = links.code(account.clone()).unwrap();
    links.link(&again, &person()).unwrap();
    links.forget(&person().principal);
    assert!(links.person(&account).is_none());
}

#[test]
fn a_message_offers_a_vote_only_where_the_rule_does_and_is_plain() {
    let mut news = News {
        event: "approval.opened".to_owned(),
        id: "ap-1".to_owned(),
        at: at(TIME),
        urgent: false,
        line: "ap-1: <!channel> <https://evil.example|click> & so on".to_owned(),
        groups: Vec::new(),
        chat: Chat::Notify,
        detail: Value::Null,
    };
    let notify = message("C1", &news, Some("https://gw.example/")).to_string();
    assert!(
        !notify.contains("\"approve\"") && notify.contains("https://gw.example/approvals/ap-1")
    );
    assert!(!notify.contains("<!channel>") && !notify.contains("<https"));
    news.chat = Chat::Approve;
    assert!(
        message("C1", &news, None)
            .to_string()
            .contains("\"approve\"")
    );
}

#[test]
fn a_form_that_says_a_thing_twice_is_not_read() {
    let fields = form(b"text=link+me%21&team_id=T1&empty=").unwrap();
    assert_eq!(fields["text"], "link me!");
    assert_eq!((&*fields["team_id"], &*fields["empty"]), ("T1", ""));
    for twice in [&b"payload=a&payload=b"[..], b"text=a&team_id=T1&te%78t=b"] {
        assert_eq!(form(twice), None);
    }
}
