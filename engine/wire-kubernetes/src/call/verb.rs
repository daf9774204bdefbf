//! The verb of a request. Exec, attach, port-forward and proxy are verbs of their own whatever the HTTP method is:
//! the API server asks for `get` where a WebSocket is opened and for `create` where SPDY is, for the same thing.
//!
//! Refuses methods that no client of the API uses, and a watch where the server would ignore that it is one.

use super::path::Place;
use super::query::Query;
use crate::turned::Turned;
use hyper::Method;

const RULE: &str = "kubernetes/method";

/// The verb.
pub(super) fn of(method: &Method, place: &Place, query: &Query) -> Result<&'static str, Turned> {
    let plain = match *method {
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => {
            return Err(Turned::malformed(RULE, "the API knows no such HTTP method").code(405));
        }
    };
    if place.resource.is_none() {
        return Ok(match *method {
            Method::HEAD => "head",
            Method::POST => "post",
            Method::PUT => "put",
            _ => plain,
        });
    }
    let watch = query.flag("watch")?;
    let connect = match place.subresource.as_deref() {
        Some("exec") => Some("exec"),
        Some("attach") => Some("attach"),
        Some("portforward") => Some("portforward"),
        Some("proxy") => Some("proxy"),
        _ => None,
    };
    if let Some(connect) = connect {
        // What is proxied has parameters of its own.
        return match watch && connect != "proxy" {
            true => Err(watched()),
            false => Ok(connect),
        };
    }
    let all = place.name.is_none();
    match (plain, all, watch || place.special == Some("watch")) {
        ("get", true, false) => Ok("list"),
        ("get", true, true) => Ok("watch"),
        ("get", false, true) if place.special == Some("watch") => Ok("watch"),
        // Handlers of single objects do not read the parameter; a watch that is none must not be judged as one.
        (_, _, true) => Err(watched()),
        ("delete", true, false) => Ok("deletecollection"),
        (verb, _, false) => Ok(verb),
    }
}

fn watched() -> Turned {
    Turned::malformed(RULE, "`watch` is asked for where nothing can be watched")
        .hint("Watch the collection with fieldSelector=metadata.name=NAME.")
}
