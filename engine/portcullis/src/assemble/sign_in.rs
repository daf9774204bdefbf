//! Signing in while a connection waits: whoever has no token opens an address on any device, and the login goes on when the
//! provider has said who it is. Nothing of it is kept: the connection is what comes of it. It refuses to wait for a client
//! that has gone, and longer than the provider's code is good.

use super::issuers::Front;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_gate::{Invitation, Knocking};
use portcullis_identity::{DeviceWish, Issuers, OnDevice, Polled};
use portcullis_model::{Denial, Fault, Identity};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

/// How often it is looked whether somebody has signed in; the provider is asked at its own pace.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn on_device(
    front: &Front,
    issuers: Arc<Issuers>,
    from: IpAddr,
    waiting: Knocking<'_>,
) -> Result<Identity, Denial> {
    let providers = front.providers.load_full();
    let provider = providers.on_device().ok_or_else(nowhere)?;
    let verifier = verifier()?;
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let begun = front
        .desk
        .begin_on_device(
            &providers,
            issuers,
            from,
            DeviceWish {
                name: Some(provider),
                challenge: &challenge,
                fresh: false,
            },
        )
        .await?;
    let within = Duration::from_secs(begun.seconds);
    waiting
        .invite(&invitation(&begun, within))
        .await
        .map_err(|fault| gone(&fault))?;
    let until = Instant::now() + within;
    while Instant::now() < until {
        match front.desk.poll(&providers, &begun.id, &verifier, None)? {
            Polled::Done(signed_in) => {
                // There is no command line that would refresh it.
                if let Some(refresh) = &signed_in.refresh {
                    let _whose = front.desk.leave(refresh);
                }
                return Ok((*signed_in.identity).clone());
            }
            Polled::Pending => tokio::select! {
                () = waiting.gone() => return Err(left()),
                () = sleep(LOOK) => {}
            },
        }
    }
    Err(Denial::new("login/late", "nobody has signed in in time").hint("Connect again."))
}

fn invitation(begun: &OnDevice, within: Duration) -> Invitation {
    Invitation {
        address: begun.verification.clone(),
        code: begun.user_code.clone(),
        complete: begun.complete.clone(),
        within,
    }
}

fn verifier() -> Result<Zeroizing<String>, Denial> {
    let mut drawn = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut drawn[..]).map_err(|_| {
        Denial::new("fault/gateway", "the gateway cannot draw random numbers")
            .hint("Tell the operator.")
    })?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(&drawn[..])))
}

pub(super) fn nowhere() -> Denial {
    Denial::new(
        "login/provider",
        "this gateway has no provider to log in at",
    )
    .hint("Use a token in the place of the password.")
}

fn gone(fault: &Fault) -> Denial {
    tracing::debug!(fault = fault.chain(), "nobody could be invited");
    left()
}

fn left() -> Denial {
    Denial::new("login/left", "the client has gone").hint("Connect again.")
}
