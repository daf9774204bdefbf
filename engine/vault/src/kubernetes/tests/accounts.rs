//! Tokens of ServiceAccounts: made for one session, renewed in it, matched while they are good.

use super::*;
use crate::canned::Canned;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

const OWN: &str = "q8Zr4kT1vX9mB2nL7cW5pY3s";
const START: i64 = 1_900_000_000;
const ASKED: &str = "POST /k8s/api/v1/namespaces/shop/serviceaccounts/gate/token";

/// A token of that number, as a cluster writes them.
fn token(number: usize) -> String {
    format!("eyJhbGciOiJSUzI1NiJ9.h6Jd0gF4tR8eK1uN3xV9aM5b{number}.c2ln-X9mB2nL7cW5pY3s_q8Z")
}

fn answer(token: &str, until: &str) -> Value {
    json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {}, "spec": {},
        "status": {"token": token, "expirationTimestamp": until}})
}

/// `START` and so many seconds, as a server writes it: 2030-03-17.
fn after(seconds: i64) -> String {
    let of_day = 17 * 3600 + 46 * 60 + 40 + seconds;
    format!(
        "2030-03-17T{:02}:{:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

struct Cluster {
    login: ClusterLogin,
    tripwires: Tripwires,
    now: Arc<AtomicI64>,
    canned: Canned,
    _folder: tempfile::TempDir,
}

impl Cluster {
    async fn new(answers: impl Fn(usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        let count = AtomicUsize::new(0);
        let canned = Canned::serve(move |_| answers(count.fetch_add(1, Ordering::Relaxed))).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, OWN).unwrap();
        let now = Arc::new(AtomicI64::new(START));
        let clock = Arc::clone(&now);
        let tripwires = Tripwires::new();
        let mut login = login(&path, &tripwires);
        login.impersonate = None;
        login.account = Some(SessionAccount {
            namespace: "shop".to_owned(),
            name: "gate".to_owned(),
            audiences: vec!["https://cluster".to_owned()],
            ttl: Duration::from_secs(600),
            address: format!("{}/k8s", canned.url),
            clock: Arc::new(move || Timestamp(clock.load(Ordering::Relaxed) * 1_000_000_000)),
        });
        Self {
            login,
            tripwires,
            now,
            canned,
            _folder: folder,
        }
    }

    fn at(&self, seconds: i64) {
        self.now.store(START + seconds, Ordering::Relaxed);
    }

    fn armed(&self, secret: &str) -> bool {
        !self.tripwires.hits(secret.as_bytes()).is_empty()
    }
}

async fn shown(key: &dyn ClusterKey) -> Result<String, Fault> {
    let bearer = key.bearer().await?;
    Ok((*bearer.expect("a token")).as_ref().to_owned())
}

#[tokio::test]
async fn a_session_has_a_token_of_its_own_that_is_renewed_before_it_ends() {
    let cluster = Cluster::new(|number| {
        let until = after(600 + 480 * i64::try_from(number).unwrap());
        (201, answer(&token(number), &until).to_string())
    })
    .await;
    let key = cluster.login.credential(&session(None)).await.unwrap();
    assert_eq!(shown(&*key).await.unwrap(), token(0));
    let asked = cluster.canned.last(ASKED);
    assert!(
        asked
            .headers
            .contains(&format!("authorization: bearer {}", OWN.to_lowercase()))
    );
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["kind"], "TokenRequest");
    assert_eq!(
        body["spec"],
        json!({"expirationSeconds": 600, "audiences": ["https://cluster"]})
    );
    // Both are matched in output: whoever prints one has come by it.
    assert!(cluster.armed(OWN) && cluster.armed(&token(0)));

    cluster.at(479);
    assert_eq!(shown(&*key).await.unwrap(), token(0));
    assert_eq!(cluster.canned.count(ASKED), 1);
    cluster.at(480);
    assert_eq!(shown(&*key).await.unwrap(), token(1));
    // The one before is still good, and matched as long as it is.
    assert!(cluster.armed(&token(0)) && cluster.armed(&token(1)));
    cluster.at(601);
    assert_eq!(shown(&*key).await.unwrap(), token(1));
    assert!(!cluster.armed(&token(0)) && cluster.armed(&token(1)));
    assert_eq!(cluster.canned.count(ASKED), 2);
    drop(key);
    assert!(!cluster.armed(OWN) && !cluster.armed(&token(1)));
}

#[tokio::test]
async fn two_sessions_have_two_tokens_and_many_requests_of_one_have_one() {
    let cluster = Cluster::new(|number| (201, answer(&token(number), &after(600)).to_string()));
    let cluster = cluster.await;
    let first = cluster.login.credential(&session(None)).await.unwrap();
    let second = cluster.login.credential(&session(None)).await.unwrap();
    assert_ne!(
        shown(&*first).await.unwrap(),
        shown(&*second).await.unwrap()
    );
    cluster.at(500);
    let many: Vec<_> = (0..50)
        .map(|_| {
            let key = Arc::clone(&first);
            tokio::spawn(async move { shown(&*key).await.unwrap() })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.unwrap(), token(2));
    }
    assert_eq!(cluster.canned.count(ASKED), 3);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_to_its_end_and_not_beyond() {
    let cluster = Cluster::new(|number| match number {
        0 => (201, answer(&token(0), &after(600)).to_string()),
        _ => (403, json!({"kind": "Status"}).to_string()),
    })
    .await;
    let key = cluster.login.credential(&session(None)).await.unwrap();
    cluster.at(500);
    assert_eq!(shown(&*key).await.unwrap(), token(0));
    // Not every request asks again.
    assert_eq!(shown(&*key).await.unwrap(), token(0));
    assert_eq!(cluster.canned.count(ASKED), 2);
    cluster.at(600);
    let refused = shown(&*key).await.unwrap_err();
    assert!(
        refused.chain().contains("may not do that"),
        "{}",
        refused.chain()
    );
}

#[tokio::test]
async fn what_is_no_token_of_the_time_that_was_asked_for_is_refused() {
    let good = token(0);
    let status = |code: u16| {
        (
            code,
            json!({"kind": "Status", "message": "why"}).to_string(),
        )
    };
    let answers = |value: Value| (201, value.to_string());
    let mut other = answer(&good, &after(600));
    other["kind"] = json!("Secret");
    for (said, why) in [
        (status(401), "refused the gateway's own login"),
        (status(403), "may not do that there"),
        (status(404), "nothing of that name"),
        (status(500), "500"),
        (answers(json!({"kind": "TokenRequest"})), "promises"),
        (answers(answer("", &after(600))), "promises"),
        (answers(answer("hunter2", &after(600))), "promises"),
        (
            answers(answer(&format!("{good}\r\nx: y"), &after(600))),
            "promises",
        ),
        (
            answers(answer(&"aZ9-".repeat(5000), &after(600))),
            "promises",
        ),
        (answers(answer(&good, "tomorrow")), "promises"),
        (answers(answer(&good, &after(0))), "lasts longer"),
        (answers(answer(&good, &after(3600))), "lasts longer"),
        (answers(other), "promises"),
        ((201, "<html>".to_owned()), "promises"),
    ] {
        let text = said.1.clone();
        let cluster = Cluster::new(move |_| said.clone()).await;
        let refused = cluster.login.credential(&session(None)).await;
        let error = refused
            .err()
            .unwrap_or_else(|| panic!("{text}"))
            .to_string();
        assert!(error.contains("serviceaccounts/shop/gate"), "{error}");
        assert!(error.contains(why), "{text}: {error}");
        assert!(
            !error.contains("hunter2") && !error.contains(OWN),
            "{error}"
        );
        assert!(!cluster.armed(OWN), "it is forgotten with the refusal");
    }
}

#[tokio::test]
async fn policy_may_name_another_account_of_the_namespace_and_nothing_else() {
    let cluster = Cluster::new(|_| (201, answer(&token(0), &after(600)).to_string())).await;
    let reader = ASKED.replace("gate", "reader.v2");
    let named = session(Some("reader.v2"));
    cluster.login.credential(&named).await.unwrap();
    assert_eq!(cluster.canned.count(&reader), 1);
    let long = "a".repeat(254);
    for role in [
        "",
        "..",
        "../../secrets/db",
        "a/b",
        "a?b",
        "Admin",
        "-a",
        "a-",
        "a b",
        "a%2fb",
        &long,
    ] {
        let refused = cluster.login.credential(&session(Some(role))).await;
        let error = refused
            .err()
            .unwrap_or_else(|| panic!("{role}"))
            .to_string();
        assert!(error.contains("none of that name"), "{role}: {error}");
    }
    assert_eq!(cluster.canned.lines().len(), 1);
    // Without an account there is none that a session could be.
    let mut bare = cluster.login;
    let account = bare.account.take();
    let refused = bare.credential(&session(Some("reader"))).await;
    let error = refused.err().expect("a role that nobody has").to_string();
    assert!(error.contains("service_account"), "{error}");
    assert!(bare.credential(&session(None)).await.is_ok());
    // Where names are impersonated a role is the group that it always was.
    let mut login = bare;
    login.account = account;
    login.impersonate = Some(Impersonation {
        user_prefix: "pc:".to_owned(),
        group_prefix: "pc:".to_owned(),
    });
    let key = login.credential(&session(Some("viewers"))).await.unwrap();
    assert_eq!(key.impersonates().unwrap().groups, ["viewers"]);
    assert_eq!(cluster.canned.count(ASKED), 1);
}
