//! The classifiers of one stream, as the gate calls them. Every interested plugin is asked, in the order of the
//! configuration; opinions are joined and the worse wins; the first failure is the answer.

use crate::contract;
use crate::error::Failure;
use crate::interest::{protocol_number, stage_number};
use crate::opinion;
use crate::plugin::DIGEST_HEX;
use crate::slot::{Slot, Who};
use portcullis_gate::{BoxFuture, Classify};
use portcullis_model::{Class, Facts, Fault, Session, Stage, limits};
use std::sync::Arc;

const CLASSIFYING: &str = "classify a request with a plugin";

/// The classifiers of a stream.
pub(crate) struct Classifiers {
    pub(crate) who: Arc<Who>,
    pub(crate) slots: Vec<Slot>,
}

impl Classify for Classifiers {
    fn by_facts(&self, stage: Stage) -> bool {
        let protocol = self.who.protocol;
        let mut asked = self
            .slots
            .iter()
            .filter(|slot| slot.plugin.interest.in_stage(protocol, stage))
            .peekable();
        asked.peek().is_some() && asked.all(|slot| slot.plugin.facts_only)
    }

    fn classify<'a>(
        &'a mut self,
        _session: &'a Session,
        stage: Stage,
        text: &'a str,
        facts: &'a Facts,
    ) -> BoxFuture<'a, Result<Option<Class>, Fault>> {
        Box::pin(async move {
            let opinion = self.opinion(stage, text, facts).await;
            opinion.map_err(|failure| failure.fault(CLASSIFYING))
        })
    }
}

impl Classifiers {
    async fn opinion(
        &mut self,
        stage: Stage,
        text: &str,
        facts: &Facts,
    ) -> Result<Option<Class>, Failure> {
        let protocol = self.who.protocol;
        let mut json: Option<Vec<u8>> = None;
        let mut joined: Option<Class> = None;
        for slot in &mut self.slots {
            if !slot.plugin.interest.in_stage(protocol, stage) {
                continue;
            }
            let facts = match &mut json {
                Some(json) => json,
                none => none.insert(facts_json(text, facts)?),
            };
            let message = contract::Message {
                protocol: protocol_number(protocol),
                stage: stage_number(stage),
                text: text.as_bytes(),
                facts,
            };
            let class = match slot.plugin.facts_only {
                true => by_facts(slot, &self.who, message, text).await?,
                false => ask(slot, &self.who, message, text).await?,
            };
            joined = Some(joined.map_or_else(|| class.clone(), |all| all.join(class.clone())));
        }
        Ok(joined)
    }
}

fn facts_json(text: &str, facts: &Facts) -> Result<Vec<u8>, Failure> {
    let json = serde_json::to_vec(facts).map_err(|_| Failure::TooLarge)?;
    let fits =
        json.len() <= limits::PLUGIN_FACTS_BYTES_MAX && text.len() <= limits::STATEMENT_BYTES_MAX;
    fits.then_some(json).ok_or(Failure::TooLarge)
}

/// What a plugin says that goes by the facts: it sees the text only where it has a finding to place.
async fn by_facts(
    slot: &mut Slot,
    who: &Who,
    message: contract::Message<'_>,
    text: &str,
) -> Result<Class, Failure> {
    let blind = contract::Message {
        text: b"",
        ..message
    };
    let class = ask(slot, who, blind, "").await?;
    match class.findings.is_empty() {
        true => Ok(class),
        false => ask(slot, who, message, text).await,
    }
}

async fn ask(
    slot: &mut Slot,
    who: &Who,
    message: contract::Message<'_>,
    text: &str,
) -> Result<Class, Failure> {
    let mut live = slot.take(who).await?;
    let answer = live.classify(message).await;
    let plugin = &slot.plugin;
    let digest = plugin.digest.get(..DIGEST_HEX).unwrap_or_default();
    let class = answer.and_then(|a| opinion::class(a, text, &plugin.rules, &plugin.label, digest));
    slot.settle(who, live, class.as_ref().err());
    class
}
