//! Logins at a provider that answers for another one, or whose keys are gone for a while.

use super::provider::*;
use crate::config::Jwks;
use crate::{
    DeviceWish, Issuers, Polled, ProviderSettings, Providers, Refreshed, Returned, SessionKey,
    SessionTokens, SignIn, SignInSettings, SignedIn, Wish,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Denial;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

const CLIENT: &str = "gateway";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

struct Company {
    server: Server,
    signer: Signer,
    desk: Arc<SignIn>,
    providers: Arc<Providers>,
    issuers: Arc<Issuers>,
    hands: Hands,
}

impl Company {
    async fn start() -> Self {
        let (server, signer, hands) = (Server::start().await, Signer::ed25519(), Hands::new());
        let path = std::env::temp_dir().join(format!(
            "pc-login-{}-{:?}.key",
            std::process::id(),
            std::thread::current().id()
        ));
        let _ = std::fs::remove_file(&path);
        let key = SessionKey::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let tokens = SessionTokens::new(key, "https://gw.example", hands.clock()).unwrap();
        let providers = Providers::new(SignInSettings {
            url: "https://gw.example".to_owned(),
            session: Duration::from_secs(600),
            longest: Duration::from_secs(6000),
            providers: vec![ProviderSettings {
                name: "corp".to_owned(),
                issuer: server.url.clone(),
                client_id: CLIENT.to_owned(),
                client_secret: None,
                scopes: Vec::new(),
                ca_file: None,
            }],
            saml: Vec::new(),
        });
        let mut company = Self {
            desk: Arc::new(SignIn::new(Arc::new(tokens), hands.clock())),
            providers: Arc::new(providers.unwrap()),
            issuers: issuers(config(inline(&[(&signer, "k")])), &hands),
            server,
            signer,
            hands,
        };
        company.issuers = company.with_keys(inline(&[(&company.signer, "k")]));
        company
    }

    fn with_keys(&self, keys: Jwks) -> Arc<Issuers> {
        let mut config = config(keys);
        config.issuer = self.server.url.clone();
        issuers(config, &self.hands)
    }

    /// One document is the answer to everything: discovery, and what a code or a refresh token is worth.
    fn answer(&self, nonce: Option<&str>, names_itself: bool) {
        self.answer_with(claims(), nonce, names_itself);
    }

    fn answer_with(&self, claims: Value, nonce: Option<&str>, names_itself: bool) {
        let url = &self.server.url;
        let claims = with(claims, "iss", json!(url));
        let claims = with(claims, "aud", json!(CLIENT));
        let claims = with(claims, "nonce", json!(nonce));
        self.server.document(&json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "device_authorization_endpoint": format!("{url}/device"),
            "device_code": "d", "user_code": "u", "verification_uri": format!("{url}/activate"),
            "expires_in": 300, "interval": 1,
            "jwks_uri": format!("{url}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            "authorization_response_iss_parameter_supported": names_itself,
            "access_token": "theirs", "token_type": "Bearer", "refresh_token": "theirs-2",
            "id_token": token(&self.signer, &header(&self.signer, "k"), &claims),
        }));
    }

    /// Goes to the provider, and comes back with what it says of itself.
    async fn come_back(&self, names_itself: bool, issuer: Option<&str>) -> Result<String, Denial> {
        self.come_back_with(claims(), false, names_itself, issuer)
            .await
    }

    async fn come_back_with(
        &self,
        claims: Value,
        fresh: bool,
        names_itself: bool,
        issuer: Option<&str>,
    ) -> Result<String, Denial> {
        self.answer(None, names_itself);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let wish = Wish {
            name: None,
            back: crate::sign_in::Back::Loopback(1),
            challenge: &challenge,
            state: "s",
            fresh,
        };
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let url = self.desk.begin(&self.providers, here, wish).await.unwrap();
        let said = |name: &str| {
            let query = url.split_once('?').unwrap().1;
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(n, _)| *n == name).unwrap().1.to_owned()
        };
        assert_eq!(
            url.contains("prompt=login") && url.contains("max_age=0"),
            fresh
        );
        self.answer_with(claims, Some(&said("nonce")), names_itself);
        let returned = Returned::Code {
            said: Ok("code"),
            issuer,
        };
        let state = said("state");
        let desk = &self.desk;
        desk.come_back(&self.providers, &self.issuers, &state, returned)
            .await
    }

    async fn log_in(&self) -> SignedIn {
        self.log_in_after(None).await
    }

    async fn log_in_after(&self, before: Option<&str>) -> SignedIn {
        let back = self.come_back(false, None).await.unwrap();
        let code = back.split_once("code=").unwrap().1;
        let code = code.split('&').next().unwrap();
        let fetched = self.desk.fetch(&self.providers, code, VERIFIER, before);
        fetched.unwrap()
    }

    async fn refresh(&self, refresh: &str) -> Result<Refreshed, Denial> {
        self.answer(None, false);
        let desk = &self.desk;
        desk.refresh(&self.providers, &self.issuers, refresh).await
    }
}

#[tokio::test]
async fn another_provider_does_not_answer_for_the_one_that_was_asked() {
    let company = Company::start().await;
    let url = company.server.url.clone();
    for (names_itself, issuer, rule) in [
        (false, None, None),
        (false, Some(url.as_str()), None),
        (true, Some(url.as_str()), None),
        (false, Some("https://evil.example"), Some("login/issuer")),
        (true, Some("https://evil.example"), Some("login/issuer")),
        // It says that it always names itself: an answer without is somebody else's.
        (true, None, Some("login/issuer")),
    ] {
        let before = company.server.fetches();
        let back = company.come_back(names_itself, issuer).await;
        let said = back.err().map(|denial| denial.rule);
        assert_eq!(said.as_deref(), rule, "{names_itself} {issuer:?}");
        if rule.is_some() {
            let asked = company.server.fetches() - before;
            assert_eq!(asked, 1, "the code goes to nobody; only discovery was read");
        }
    }
}

#[tokio::test]
async fn a_login_outlives_keys_that_are_gone_for_a_while() {
    let company = Company::start().await;
    let refresh = company.log_in().await.refresh.unwrap();
    let again = |issuers: Arc<Issuers>| {
        let (company, refresh) = (&company, &refresh);
        async move {
            company.answer(None, false);
            let desk = &company.desk;
            desk.refresh(&company.providers, &issuers, refresh).await
        }
    };
    let without = company.with_keys(Jwks::Url("http://127.0.0.1:1/keys".to_owned()));
    let refused = again(without).await.err().map(|denial| denial.rule);
    assert_eq!(refused.as_deref(), Some("login/unavailable"));
    // The same refresh token, once the keys are back.
    let back = again(Arc::clone(&company.issuers)).await;
    assert!(matches!(back, Ok(Refreshed::Again(_))));
    // A token that proves nothing ends the login as ever.
    let other = company.log_in().await.refresh.unwrap();
    let strange = company.with_keys(inline(&[(&Signer::ed25519(), "k")]));
    let over = company.desk.refresh(&company.providers, &strange, &other);
    assert!(matches!(over.await, Ok(Refreshed::Over(..))));
}

/// What the provider says of when the person logged in, and the rule that refuses it where a new proof was asked for.
const SAID: [(Option<i64>, Option<&str>); 5] = [
    (Some(0), None),
    // Its clock may be behind, or ahead.
    (Some(-60), None),
    (Some(60), None),
    (Some(-61), Some("login/not-anew")),
    (None, Some("login/unsaid")),
];

fn saying(ago: Option<i64>) -> Value {
    match ago {
        Some(ago) => with(claims(), "auth_time", json!(NOW + ago)),
        None => claims(),
    }
}

#[tokio::test]
async fn a_login_that_was_asked_for_anew_is_one_or_nothing() {
    let company = Company::start().await;
    for (ago, rule) in SAID {
        let anew = company.come_back_with(saying(ago), true, false, None).await;
        let refused = anew.as_ref().err().map(|denial| denial.rule.as_ref());
        assert_eq!(refused, rule, "{ago:?}");
        // Without the wish it is a login as ever.
        let back = company.come_back_with(saying(ago), false, false, None);
        assert!(back.await.is_ok(), "{ago:?}");
    }
    let unsaid = company.come_back_with(claims(), true, false, None).await;
    let hint = unsaid.err().and_then(|denial| denial.hint);
    assert!(hint.is_some_and(|hint| {
        hint.contains("fresh_login: token") && hint.contains("log in without `--fresh`")
    }));
}

#[tokio::test]
async fn a_login_that_is_to_come_is_none() {
    let company = Company::start().await;
    for fresh in [false, true] {
        let ahead = company.come_back_with(saying(Some(61)), fresh, false, None);
        let refused = ahead.await.err().map(|denial| denial.rule);
        assert_eq!(refused.as_deref(), Some("identity/future"), "{fresh}");
    }
}

#[tokio::test]
async fn a_login_on_another_device_is_asked_for_anew_as_well() {
    let company = Company::start().await;
    let providers = Arc::clone(&company.providers);
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for (ago, rule) in SAID {
        company.answer_with(saying(ago), None, false);
        let wish = DeviceWish {
            name: None,
            challenge: &challenge,
            fresh: true,
        };
        let issuers = Arc::clone(&company.issuers);
        let begun = company
            .desk
            .begin_on_device(&providers, issuers, here, wish)
            .await
            .unwrap();
        let refused = loop {
            match company.desk.poll(&providers, &begun.id, VERIFIER, None) {
                Ok(Polled::Pending) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(Polled::Done(_)) => break None,
                Err(denial) => break Some(denial.rule),
            }
        };
        assert_eq!(refused.as_deref(), rule, "{ago:?}");
    }
}

#[tokio::test]
async fn a_login_that_is_proved_anew_goes_on_for_the_same_person_alone() {
    let company = Company::start().await;
    let first = company.log_in().await;
    let refresh = first.refresh.unwrap();
    let again = company.log_in_after(Some(&refresh)).await;
    assert_eq!(again.identity.token_id, first.identity.token_id);
    company.desk.hand_out(&again).unwrap();
    assert!(again.copied.is_none());
    // A refresh token is good once, for this too; and whoever has an old one ends the login with it.
    let desk = &company.desk;
    let next = again.refresh.unwrap();
    assert!(desk.whose(&next).is_some());
    let other = company.log_in_after(Some(&refresh)).await;
    assert_ne!(other.identity.token_id, first.identity.token_id);
    let copied = other.copied.unwrap();
    assert_eq!(copied.token_id, first.identity.token_id);
    assert!(desk.whose(&next).is_none(), "with what had come of it");
    assert!(matches!(
        company.refresh(&refresh).await,
        Ok(Refreshed::Over(..))
    ));
    assert!(company.refresh(&next).await.is_err());
    // Somebody else's login is not taken over, and stays.
    let refresh = other.refresh.unwrap();
    let bea = with(claims(), "sub", json!("bea"));
    let back = company.come_back_with(bea, false, false, None).await;
    let back = back.unwrap();
    let code = back
        .split_once("code=")
        .unwrap()
        .1
        .split('&')
        .next()
        .unwrap();
    let bea = desk
        .fetch(&company.providers, code, VERIFIER, Some(&refresh))
        .unwrap();
    assert_ne!(bea.identity.token_id, other.identity.token_id);
    company.answer(None, false);
    let still = desk.refresh(&company.providers, &company.issuers, &refresh);
    assert!(matches!(still.await, Ok(Refreshed::Again(_))));
}

#[tokio::test]
async fn a_login_that_is_not_handed_out_has_used_nothing() {
    let company = Company::start().await;
    let (desk, first) = (&company.desk, company.log_in().await);
    let refresh = first.refresh.unwrap();
    // A new proof, of which no record can be written.
    let anew = company.log_in_after(Some(&refresh)).await;
    assert_eq!(anew.identity.token_id, first.identity.token_id);
    desk.take_back(&anew);
    assert!(company.refresh(&anew.refresh.unwrap()).await.is_err());
    // A renewal, the same.
    let Ok(Refreshed::Again(renewed)) = company.refresh(&refresh).await else {
        panic!("what was there before goes on");
    };
    desk.take_back(&renewed);
    assert!(
        company
            .refresh(renewed.refresh.as_ref().unwrap())
            .await
            .is_err()
    );
    assert!(desk.whose(&refresh).is_some());
    let anew = company.log_in_after(Some(&refresh)).await;
    assert_eq!(anew.identity.token_id, first.identity.token_id);
    desk.hand_out(&anew).unwrap();
    assert!(desk.whose(&refresh).is_none(), "it is used now");
}

#[tokio::test]
async fn a_login_that_somebody_else_goes_on_with_meanwhile_is_over() {
    let company = Company::start().await;
    let refresh = company.log_in().await.refresh.unwrap();
    let anew = company.log_in_after(Some(&refresh)).await;
    let Ok(Refreshed::Again(thief)) = company.refresh(&refresh).await else {
        panic!("it is good until the other one is handed out");
    };
    let refused = company.desk.hand_out(&anew).err().map(|denial| denial.rule);
    assert_eq!(refused.as_deref(), Some("login/reused"));
    for token in [anew.refresh, thief.refresh] {
        assert!(company.desk.whose(&token.unwrap()).is_none(), "all of it");
    }
}

#[tokio::test]
async fn a_renewal_that_somebody_else_asks_for_as_well_is_not_handed_out() {
    let company = Company::start().await;
    let refresh = company.log_in().await.refresh.unwrap();
    let Ok(Refreshed::Again(renewed)) = company.refresh(&refresh).await else {
        panic!("it is good");
    };
    assert!(matches!(
        company.refresh(&refresh).await,
        Ok(Refreshed::Over(..))
    ));
    let refused = company.desk.hand_out(&renewed).err();
    let refused = refused.map(|denial| denial.rule);
    assert_eq!(refused.as_deref(), Some("login/reused"));
}

#[tokio::test]
async fn a_login_that_ran_out_or_was_left_meanwhile_is_nobodys_theft() {
    let company = Company::start().await;
    let desk = &company.desk;
    // Others of hers have taken its place.
    let refresh = company.log_in().await.refresh.unwrap();
    company.hands.forward(1);
    let anew = company.log_in_after(Some(&refresh)).await;
    company.hands.forward(1);
    for _ in 0..portcullis_model::limits::SIGNED_IN_PER_IDENTITY_MAX - 1 {
        drop(company.log_in().await);
    }
    assert!(desk.whose(&refresh).is_none(), "the oldest is gone");
    desk.hand_out(&anew).unwrap();
    assert!(desk.whose(&anew.refresh.unwrap()).is_some());
    // She has left it.
    let refresh = company.log_in().await.refresh.unwrap();
    let anew = company.log_in_after(Some(&refresh)).await;
    assert!(desk.leave(&refresh).is_some());
    let refused = desk.hand_out(&anew).err().map(|denial| denial.rule);
    assert_eq!(refused.as_deref(), Some("login/ended"));
}

#[tokio::test]
async fn whoever_hangs_up_while_the_provider_is_asked_keeps_what_they_had() {
    let company = Company::start().await;
    let refresh = company.log_in().await.refresh.unwrap();
    company.answer(None, false);
    let desk = &company.desk;
    let mut asking = Box::pin(desk.refresh(&company.providers, &company.issuers, &refresh));
    tokio::select! {
        biased;
        _ = &mut asking => panic!("the provider has not answered yet"),
        () = std::future::ready(()) => {}
    }
    assert!(desk.whose(&refresh).is_none(), "it is in use");
    drop(asking);
    assert!(desk.whose(&refresh).is_some(), "it is good again");
    assert!(matches!(
        company.refresh(&refresh).await,
        Ok(Refreshed::Again(_))
    ));
}
