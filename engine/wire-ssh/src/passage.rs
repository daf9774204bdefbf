//! A forward of somebody who has logged in and named no target. It leads to a server that the gateway knows, whose
//! protocol the gateway serves; or it names a target over SSH (ProxyJump), and the SSH connection in it is served like any
//! other.
//!
//! It refuses a jump within a jump. Nothing is dialled here, so there is nothing that could pass unread.

use crate::channel;
use crate::conversation::Conversation;
use crate::inbox::Inbox;
use crate::listener::Ssh;
use crate::naming::is_host;
use portcullis_gate::FrontDesk;
use portcullis_link::{Behind, Inner, Place};
use portcullis_model::Identity;
use russh::server::{ChannelOpenHandle, Msg};
use russh::{ChannelOpenFailure, ChannelWriteHalf};
use std::net::SocketAddr;
use std::sync::Arc;

/// Such a forward.
pub(crate) struct Passage {
    pub listener: Arc<Ssh>,
    pub conversation: Arc<Conversation>,
    pub desk: Arc<dyn FrontDesk>,
    pub who: Arc<Identity>,
    pub peer: SocketAddr,
    pub may_jump: bool,
    pub place: Place,
}

impl Passage {
    /// The whole life of it.
    pub(crate) async fn lead(
        self,
        inbox: Arc<Inbox>,
        half: ChannelWriteHalf<Msg>,
        reply: ChannelOpenHandle,
    ) {
        let over = Arc::clone(&self.conversation);
        let behind = async {
            match self
                .listener
                .indoors()
                .filter(|_| is_host(&self.place.host))
            {
                None => None,
                Some(indoors) => match indoors.behind(&self.place).await {
                    Behind::Known(targets) => Some((indoors, targets)),
                    Behind::Other | Behind::Unresolved => None,
                },
            }
        };
        let behind = tokio::select! {
            behind = behind => behind,
            () = over.over() => return,
        };
        if behind.is_none() && !self.may_jump {
            // The client will never close what was never opened.
            inbox.close();
            let prohibited = ChannelOpenFailure::AdministrativelyProhibited;
            return reply.reject(prohibited).await;
        }
        reply.accept().await;
        let stream = channel::pipe(Arc::clone(&inbox), &half);
        match behind {
            Some((indoors, targets)) => {
                let inner = Inner {
                    stream: Box::new(stream),
                    peer: self.peer,
                    identity: self.who,
                    session: None,
                    targets,
                };
                if let Err(fault) = indoors.serve(inner).await {
                    tracing::debug!(fault = fault.chain(), "a stream within ended");
                }
            }
            None => {
                let desk = Arc::clone(&self.desk);
                let host = self.place.host;
                self.listener.jump(stream, self.peer, desk, host).await;
            }
        }
        inbox.close();
        let _closed = half.close().await;
    }
}
