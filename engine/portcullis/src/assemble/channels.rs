//! From `approvals:` to the ways out and in. It refuses a receiver whose authorities cannot be read: nobody would be
//! told, and nobody would notice.

use super::people::{Drawer, OnRecord};
use super::{Broken, secrets};
use crate::clock::{clock, steady};
use crate::config::{self, Approvals, Loaded, MailProtection, TicketSystem};
use crate::front_desk::TicketOffice;
use portcullis_approval::{
    Channel, Clocks, Inbound, Links, Mail, MailServer, MailTls, Outbox, Phrase, Slack, SlackDesk,
    TicketChecks, Tickets, Tracker, TrackerKind, Webhook,
};
use portcullis_fetch::{Fetcher, Reach};
use portcullis_gate::BoxFuture;
use portcullis_journal::Journal;
use portcullis_model::{Blame, Fault, Identity, Principal, TicketCheck};
use portcullis_vault::{Secrets, Source};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The ways out and in.
pub struct Channels {
    /// What has still to be delivered.
    pub outbox: Arc<Outbox>,
    /// The console's address, where people look at what is asked.
    pub portal: Option<String>,
    /// Who is who in chat.
    pub links: Arc<Links>,
    /// What Slack says.
    pub slack: Option<SlackDesk>,
    /// What other systems say.
    pub callback: Option<Inbound>,
}

/// A secret of the configuration.
struct Written(Source);

impl Phrase for Written {
    fn read(&self) -> BoxFuture<'_, Result<Zeroizing<String>, Fault>> {
        Box::pin(async move {
            let secret = self.0.client_secret().await;
            secret.map_err(|e| Fault::new(Blame::Gateway, "read the secret of a channel", e))
        })
    }
}

/// What all channels are made from.
struct Workshop<'a> {
    loaded: &'a Loaded,
    secrets: &'a Secrets,
}

impl Channels {
    /// The channels of a configuration, with what was kept for them.
    ///
    /// # Errors
    /// When one cannot be made, or something kept cannot be read.
    pub fn new(
        loaded: &Loaded,
        from: &Secrets,
        journal: &Arc<Journal>,
        drawer: &Drawer,
    ) -> Result<Self, Broken> {
        let written = &loaded.config.approvals;
        let workshop = Workshop {
            loaded,
            secrets: from,
        };
        let clocks = Clocks::new(clock(), steady());
        let broken = |fault: Fault| Broken::Desk(fault.chain());
        let links = Links::new(
            Arc::clone(&drawer.keep),
            clocks.clone(),
            written
                .slack
                .as_ref()
                .map_or_else(Default::default, |s| s.linked_for.0),
            &drawer.kept,
        )
        .map_err(broken)?;
        let links = Arc::new(links);
        let outbox = Outbox::new(
            Arc::clone(&drawer.keep),
            Arc::new(OnRecord(Arc::clone(journal))),
            clocks,
            workshop.all(written)?,
            &drawer.kept,
        )
        .map_err(broken)?;
        let phrase = |secret| workshop.phrase(secret);
        Ok(Self {
            outbox,
            portal: portal(loaded),
            slack: written.slack.as_ref().map(|slack| {
                SlackDesk::new(
                    phrase(&slack.signing_secret),
                    slack.team.clone(),
                    Arc::clone(&links),
                )
            }),
            callback: written
                .callback
                .as_ref()
                .map(|c| Inbound::new(phrase(&c.secret), (clock())())),
            links,
        })
    }
}

/// Where people look at a request: as it is written, or the gateway's own console.
fn portal(loaded: &Loaded) -> Option<String> {
    let config = &loaded.config;
    let own = || {
        let (_, login) = config.console.as_ref().zip(config.login.as_ref())?;
        Some(format!("{}/console", login.url.trim_end_matches('/')))
    };
    config.approvals.portal.clone().or_else(own)
}

/// The systems that keep tickets.
///
/// # Errors
/// When the authorities of one cannot be read.
pub fn tickets(loaded: &Loaded, from: &Secrets) -> Result<Arc<Office>, Broken> {
    let workshop = Workshop {
        loaded,
        secrets: from,
    };
    let written = loaded.config.approvals.tickets.iter();
    let trackers: Result<Vec<Tracker>, Broken> = written.map(|w| workshop.tracker(w)).collect();
    let clocks = Clocks::new(clock(), steady());
    Ok(Arc::new(Office(Tickets::new(trackers?, clocks))))
}

/// What they say.
pub struct Office(Tickets);

impl TicketOffice for Office {
    fn check<'a>(
        &'a self,
        who: &'a Identity,
        key: &'a str,
    ) -> BoxFuture<'a, Option<Arc<TicketCheck>>> {
        Box::pin(self.0.check(key, who))
    }

    fn last(&self, who: &Principal, key: &str) -> Option<Arc<TicketCheck>> {
        self.0.last(key, who)
    }
}

impl Workshop<'_> {
    fn tracker(&self, written: &config::TicketsIn) -> Result<Tracker, Broken> {
        Ok(Tracker {
            name: written.name.clone(),
            kind: match written.kind {
                TicketSystem::Jira => TrackerKind::Jira,
                TicketSystem::ServiceNow => TrackerKind::ServiceNow {
                    table: written.table.clone().unwrap_or_default(),
                },
            },
            url: written.url.clone(),
            prefixes: written.prefixes.clone(),
            user: written.user.clone(),
            secret: self.phrase(&written.secret),
            fetcher: self.fetcher(written.ca_file.as_ref())?,
            checks: TicketChecks {
                fields: written.fields.clone(),
                assignee: written.assignee.clone(),
                window: written
                    .window
                    .as_ref()
                    .map(|w| (w.from.clone(), w.to.clone())),
                show: written.show.clone(),
            },
        })
    }

    fn phrase(&self, secret: &config::SecretRef) -> Arc<dyn Phrase> {
        Arc::new(Written(secrets::source(self.secrets, secret, self.loaded)))
    }

    fn fetcher(&self, ca_file: Option<&PathBuf>) -> Result<Fetcher, Broken> {
        let path = ca_file.map(|path| self.loaded.path(path));
        Fetcher::new(path.as_deref()).map_err(|error| Broken::Desk(error.to_string()))
    }

    fn all(&self, written: &Approvals) -> Result<Vec<Arc<dyn Channel>>, Broken> {
        let mut all: Vec<Arc<dyn Channel>> = Vec::new();
        for hook in &written.webhooks {
            let reach = match hook.private {
                true => Reach::Anywhere,
                false => Reach::Public,
            };
            all.push(Arc::new(Webhook {
                name: hook.name.clone(),
                url: hook.url.clone(),
                events: hook.events.clone(),
                secret: self.phrase(&hook.secret),
                fetcher: self.fetcher(hook.ca_file.as_ref())?.within(reach),
                portal: portal(self.loaded),
                clock: clock(),
            }));
        }
        if let Some(slack) = &written.slack {
            all.push(Arc::new(Slack {
                name: "slack".to_owned(),
                api: slack.api.trim_end_matches('/').to_owned(),
                channel: slack.channel.clone(),
                events: slack.events.clone(),
                token: self.phrase(&slack.token),
                fetcher: self.fetcher(slack.ca_file.as_ref())?,
                portal: portal(self.loaded),
            }));
        }
        for mail in &written.mail {
            all.push(Arc::new(self.mail(mail, portal(self.loaded))?));
        }
        Ok(all)
    }

    fn mail(&self, mail: &config::MailTo, portal: Option<String>) -> Result<Mail, Broken> {
        let login = mail.user.clone().zip(mail.password.as_ref());
        Ok(Mail {
            name: mail.name.clone(),
            server: MailServer {
                host: mail.host.clone(),
                port: mail.port,
                tls: match mail.tls {
                    MailProtection::Starttls => MailTls::Starttls,
                    MailProtection::Implicit => MailTls::Implicit,
                    MailProtection::None => MailTls::None,
                },
                login: login.map(|(user, password)| (user, self.phrase(password))),
                fetcher: self.fetcher(mail.ca_file.as_ref())?,
            },
            from: mail.from.clone(),
            to: mail.to.clone(),
            events: mail.events.clone(),
            portal,
            clock: clock(),
        })
    }
}
