//! A request between the decision and the sending, held against the obligations that came with the decision: under a
//! filter what it names is among what is granted, or it goes no further. Where labels decide, the cluster is asked first
//! for the labels of what is named, as the same person; and where Secrets are masked, whether one that is written to, or a
//! ConfigMap with a copy of one, is immutable, and whether what a server-side apply would be compared with is there.
//!
//! It refuses an object that is hidden and one that does not exist with the same words.

use super::exchange::Going;
use super::line::Head;
use super::live::Live;
use super::refuse::{Refused, denied_as};
use super::repeats::comes_again;
use super::visit::{Errand, Visit};
use crate::body;
use crate::call::{encoded, parameter, rewritten};
use crate::filter::{Sieve, hidden};
use crate::turned::Turned;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use portcullis_gate::{Gate, House};
use portcullis_model::{Blame, Call, Fault, Filter, limits};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::timeout;

/// Metadata alone, as far as the server can give it apart.
const METADATA: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json";

/// The object itself.
const WHOLE: &str = "application/json";

impl Visit {
    /// Holds the request against the filters that came with its decision.
    pub(super) async fn within(
        &self,
        live: &Arc<Live>,
        gate: &mut Gate,
        errand: &Errand,
        going: &mut Going,
    ) -> Result<(), Refused> {
        let away = match self.sieved(live, gate, going).await? {
            Ok(()) => return Ok(()),
            Err(away) => away,
        };
        let (refused, status) = denied_as(gate, &away.denial(), away.code, self.now());
        if let (true, Some(status)) = (comes_again(going.asked.kept.upgrade.as_ref()), status) {
            let repeats = &self.house.repeats;
            repeats.note(&errand.token, &errand.target, status, self.now());
        }
        Err(refused)
    }

    async fn sieved(
        &self,
        live: &Arc<Live>,
        gate: &mut Gate,
        going: &mut Going,
    ) -> Result<Result<(), Turned>, Refused> {
        // What was said when the session was opened holds for all of it.
        let all = [&going.decision.obligations, gate.granted()];
        let masked = all.into_iter().any(body::masks_secrets);
        let forced = parameter(&going.asked.target, "force").as_deref() == Some("true");
        if masked {
            let trial = going.asked.dry_run_asked;
            if let Err(away) = body::refuse_comparison(&going.asked.call, forced, trial) {
                return Ok(Err(away));
            }
        }
        if let Err(away) = self.filtered(live, gate, going).await? {
            return Ok(Err(away));
        }
        let call = &going.asked.call;
        let makes = body::asks_absent(call, forced);
        if !masked || !(makes || body::asks_stored(call)) {
            return Ok(Ok(()));
        }
        Ok(match self.look(live, gate, call, WHOLE).await? {
            Found::Object(_) if makes => Err(body::conflicts()),
            Found::Object(stored) => body::refuse_sealed(&stored),
            Found::Nothing => {
                if makes {
                    // Should one come in between, it is written over and not compared.
                    let target = going.head.narrowed.as_ref().unwrap_or(&going.asked.target);
                    let forced = rewritten(target, &[], &[("force", "true".to_owned())]);
                    going.head.narrowed = Some(forced);
                }
                Ok(())
            }
            Found::Refused => Err(body::unseen_secret()),
        })
    }

    async fn filtered(
        &self,
        live: &Arc<Live>,
        gate: &mut Gate,
        going: &mut Going,
    ) -> Result<Result<(), Turned>, Refused> {
        let call = &going.asked.call;
        let obligations = &going.decision.obligations;
        // What was said when the session was opened holds for all of it.
        let granted = gate.granted().filters.iter();
        let filters: BTreeSet<Filter> = granted.chain(&obligations.filters).cloned().collect();
        let sieve = match Sieve::of(call, &filters) {
            Ok(Some(sieve)) => sieve,
            Ok(None) => return Ok(Ok(())),
            Err(away) => return Ok(Err(away)),
        };
        let narrowed = match sieve.check(call) {
            Ok(()) => sieve.narrowed(call, &going.asked.target),
            Err(away) => Err(away),
        };
        let narrowed = match narrowed {
            Ok(narrowed) => narrowed,
            Err(away) => return Ok(Err(away)),
        };
        // The answer to a plain GET is the object itself, and waits until it is known.
        let answers = going.head.method == Method::GET && call.verb == "get";
        let answers = answers && call.subresource.is_none();
        let named = call.name.is_some() && call.verb != "watch";
        if named && sieve.asks_labels() && !answers {
            let found = self.look(live, gate, call, METADATA).await?;
            let makes = makes(call);
            match found {
                Found::Object(object) if sieve.shows(&object) => {}
                // Nothing is there, and what would be is granted: it was looked at.
                Found::Nothing if makes => {}
                Found::Object(_) | Found::Nothing => return Ok(Err(hidden())),
                Found::Refused => return Ok(Err(unseen())),
            }
        }
        going.sifting = sieve.sifting(call);
        going.head.narrowed = narrowed;
        going.labelled = named && sieve.asks_labels();
        Ok(Ok(()))
    }

    /// Asks for the object that a call names, or as much of it as is accepted. It goes to nobody.
    async fn look(
        &self,
        live: &Arc<Live>,
        gate: &mut Gate,
        call: &Call,
        accept: &'static str,
    ) -> Result<Found, Refused> {
        let mut line = live.line(gate, self.now()).await?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let head = Head {
            method: Method::GET,
            target: path_of(call),
            narrowed: None,
            headers,
        };
        let housed = gate.house(House::Probe, Bytes::from(head.wire()), self.now())?;
        let request = head.housed(housed, &live.way).await?;
        let (parts, body) = line.send(request).await?.into_parts();
        let body = Limited::new(body, limits::ANSWER_OBJECT_BYTES_MAX).collect();
        let body = timeout(limits::ANSWER_HEAD_MAX, body)
            .await
            .map_err(|_| Fault::bare(Blame::Upstream, "answer in time"))?
            .map_err(|_| Fault::bare(Blame::Upstream, "tell what stands at a name"))?;
        live.back(line);
        Ok(match parts.status {
            status if status.is_success() => Found::Object(body.to_bytes()),
            StatusCode::NOT_FOUND => Found::Nothing,
            _ => Found::Refused,
        })
    }
}

/// What stands at a name.
enum Found {
    Object(Bytes),
    Nothing,
    /// The cluster does not say.
    Refused,
}

/// True where a request makes what is not there.
fn makes(call: &Call) -> bool {
    let applies = call.content_type.as_deref() == Some("application/apply-patch+yaml");
    call.subresource.is_none() && (call.verb == "update" || call.verb == "patch" && applies)
}

/// The path of the object itself.
fn path_of(call: &Call) -> String {
    let mut path = match call.group.as_str() {
        "" => format!("/api/{}", call.version),
        group => format!("/apis/{group}/{}", call.version),
    };
    let resource = call.resource.as_deref().unwrap_or_default();
    if let (Some(namespace), false) = (&call.namespace, resource == "namespaces") {
        path.push_str(&format!("/namespaces/{}", encoded(namespace)));
    }
    let name = call.name.as_deref().unwrap_or_default();
    path.push_str(&format!("/{resource}/{}", encoded(name)));
    path
}

fn unseen() -> Turned {
    Turned::forbidden(
        "kubernetes/filtered",
        "the cluster does not let you read the labels by which the object would be granted",
        "Ask for the right to get the resource; without it nobody can tell whether it is granted.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call;

    #[test]
    fn an_object_is_looked_at_where_its_subresources_are() {
        for (target, path) in [
            (
                "/api/v1/namespaces/shop/pods/cart-0/log?follow=true",
                "/api/v1/namespaces/shop/pods/cart-0",
            ),
            ("/api/v1/namespaces/shop/status", "/api/v1/namespaces/shop"),
            (
                "/apis/apps/v1/namespaces/shop/deployments/cart/scale",
                "/apis/apps/v1/namespaces/shop/deployments/cart",
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:a",
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Aa",
            ),
        ] {
            let asked = call::read(&Method::GET, target, &HeaderMap::new()).expect("reads");
            assert_eq!(path_of(&asked.call), path);
        }
    }
}
