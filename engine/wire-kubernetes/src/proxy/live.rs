//! A session: what somebody was admitted to on one connection. It holds the gate of the session, which seals the
//! record at the end, and a connection to the cluster that the next request can use.

use super::line::Line;
use super::refuse::Refused;
use parking_lot::Mutex;
use portcullis_gate::{Admission, ApprovalDesk, Gate, Gates, House, KubernetesWay, Tether, Way};
use portcullis_model::{Blame, Denial, Fault, Timestamp};
use std::sync::Arc;

/// A session.
pub(super) struct Live {
    /// Opens gates for its requests.
    pub gates: Gates,
    /// The way to the cluster.
    pub way: KubernetesWay,
    /// What ends it.
    pub tether: Arc<dyn Tether>,
    /// Where holds wait.
    pub approvals: Arc<dyn ApprovalDesk>,
    gate: Mutex<Option<Gate>>,
    line: Mutex<Option<Line>>,
}

impl Live {
    /// From an admission.
    pub(super) fn of(admission: Admission, now: Timestamp) -> Result<Self, Fault> {
        let Way::Kubernetes(way) = admission.way else {
            admission.gate.finish("no way to a cluster", now)?;
            return Err(Fault::bare(Blame::Gateway, "find the way to a cluster"));
        };
        Ok(Self {
            gates: admission.gate.gates(),
            way,
            tether: admission.tether,
            approvals: admission.approvals,
            gate: Mutex::new(Some(admission.gate)),
            line: Mutex::new(None),
        })
    }

    /// Why it has ended, if it has.
    pub(super) fn severed(&self) -> Option<Denial> {
        futures_util::FutureExt::now_or_never(self.tether.severed())
    }

    /// A connection to the cluster: the one that is idle, or a new one.
    pub(super) async fn line(&self, gate: &mut Gate, now: Timestamp) -> Result<Line, Refused> {
        let idle = self.line.lock().take();
        match idle.filter(Line::is_idle) {
            Some(line) => Ok(line),
            None => {
                let housed = gate.house(House::Login, bytes::Bytes::new(), now)?;
                Line::dial(&self.way, housed).await
            }
        }
    }

    /// Gives a connection back whose answer has been read.
    pub(super) fn back(&self, line: Line) {
        *self.line.lock() = Some(line);
    }

    /// Seals the record.
    pub(super) fn finish(&self, reason: &str, now: Timestamp) -> Result<(), Fault> {
        let gate = self.gate.lock().take();
        match gate {
            Some(gate) => gate.finish(reason, now),
            None => Ok(()),
        }
    }
}
