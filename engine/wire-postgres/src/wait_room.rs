//! Somebody waits for admission: told by notices, watched for hanging up. The deadline of the handshake
//! does not count while people are being asked.

use crate::frame::{self, Fields, Malformed};
use crate::greet::{Turned, proof_message, unexpected};
use crate::refuse;
use portcullis_gate::{Admission, BoxFuture, FrontDesk, Knock, Offer, Said, Waiting};
use portcullis_link::Lobby;
use portcullis_model::{Blame, Denial, Fault};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// AuthenticationOk. Clients show notices only after it, and take an error after it for what it is.
pub(crate) const AUTHENTICATION_OK: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0];

struct Bench<'l> {
    lobby: &'l mut Lobby,
    told: Arc<AtomicBool>,
}

impl Waiting for Bench<'_> {
    fn tell<'a>(&'a mut self, text: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let mut frames = Vec::new();
            if !self.told.swap(true, Ordering::Relaxed) {
                frames.extend_from_slice(&AUTHENTICATION_OK);
            }
            frames.extend_from_slice(&refuse::notice(text));
            self.lobby
                .write(&frames)
                .await
                .map_err(|error| error.blame(Blame::Client))
        })
    }

    fn prove<'a>(&'a mut self, offer: Offer<'a>) -> BoxFuture<'a, Result<Said, Fault>> {
        Box::pin(async move {
            let said = sasl(self.lobby, offer).await;
            said.map_err(|turned| Fault::new(Blame::Client, "prove its login", turned))
        })
    }

    fn gone<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Whoever speaks before it was admitted has left the protocol, and counts as gone too.
            let _read = self.lobby.fill().await;
        })
    }
}

/// One step of SASL in PostgreSQL's messages (protocol section "SASL Authentication").
async fn sasl(lobby: &mut Lobby, offer: Offer<'_>) -> Result<Said, Turned> {
    let (kind, first) = match &offer {
        Offer::Begin(_) => (10_i32, true),
        Offer::Continue(_) => (11, false),
        Offer::End(_) => (12, false),
    };
    let ask = frame::build(b'R', |frame| {
        frame.extend_from_slice(&kind.to_be_bytes());
        match &offer {
            Offer::Begin(mechanisms) => {
                for mechanism in *mechanisms {
                    frame.extend_from_slice(mechanism.as_bytes());
                    frame.push(0);
                }
                frame.push(0);
            }
            Offer::Continue(data) | Offer::End(data) => frame.extend_from_slice(data),
        }
    });
    lobby.write(&ask).await?;
    if let Offer::End(_) = offer {
        return Ok(Said::default());
    }
    let message = proof_message(lobby).await?;
    match first {
        false => Ok(Said {
            mechanism: None,
            data: message.to_vec(),
        }),
        true => match initial(&message) {
            Ok(said) => Ok(said),
            Err(_) => Err(unexpected(lobby).await),
        },
    }
}

/// SASLInitialResponse: the mechanism, then the message with its length.
pub(crate) fn initial(message: &[u8]) -> Result<Said, Malformed> {
    let mut fields = Fields::new(message);
    let mechanism = Some(fields.text()?.to_owned());
    let length = usize::try_from(fields.int32()?).map_err(|_| Malformed::Length)?;
    let data = fields.bytes(length)?.to_vec();
    fields.end()?;
    Ok(Said { mechanism, data })
}

/// Asks the desk. `Ok` says besides whether AuthenticationOk was sent already.
pub(crate) async fn admit(
    lobby: &mut Lobby,
    desk: &dyn FrontDesk,
    knock: Knock,
    deadline: Duration,
) -> Result<(Admission, bool), Denial> {
    let told = Arc::new(AtomicBool::new(false));
    let mut bench = Bench {
        lobby,
        told: told.clone(),
    };
    let mut asked = desk.admit(knock, &mut bench);
    let answer = tokio::select! {
        answer = &mut asked => answer,
        () = tokio::time::sleep(deadline) => match told.load(Ordering::Relaxed) {
            true => asked.await,
            false => Err(Denial::new("portcullis/handshake", "the admission took too long")
                .hint("Try again; if it persists, tell the operator of the gateway.")),
        },
    };
    answer.map(|admission| (admission, told.load(Ordering::Relaxed)))
}
