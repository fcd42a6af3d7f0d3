//! The link: one connection to the server, kept up, and what goes over it.
//!
//! [`run`] is the one loop that sleeps and tries again. Below it: [`session`] is what happens while a connection is up,
//! [`connect`] makes one, [`verify`] decides whether it is the right server, [`standing`] notes how it stands, [`trouble`] says in words what can go wrong.

mod backoff;
mod connect;
mod download;
mod elsewhere;
mod returning;
mod session;
mod standing;
#[cfg(test)]
mod tests;
mod trouble;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use muster_proto::{Digest, Generation, Timestamp, wire};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use crate::artifacts::{Artifacts, Heard, Named};
use crate::clock::{Clock, ServerTime};
use crate::cycle::DryRun;
use crate::identity::time::CertificateTime;
use crate::identity::{Enrolled, Folder};
use download::Downloads;
use standing::Noted;

pub(crate) use backoff::Backoff;
pub(crate) use connect::Target;
pub(crate) use session::enroll;
pub(crate) use standing::{Down, Standing};
pub(crate) use trouble::Trouble;

/// What comes from the link.
#[derive(Debug)]
pub(crate) enum FromServer {
    /// The link is up, or a call over it failed a while ago: what was not acknowledged can be sent again.
    Up,
    /// A desired state, as its exact bytes.
    State {
        /// The document.
        bytes: Vec<u8>,
        /// The server's time.
        server_time: ServerTime,
    },
    /// Nothing new; the server vouches for the time.
    Quiet {
        /// The server's time.
        server_time: ServerTime,
    },
    /// An admin wants a turn now.
    ApplyNow {
        /// The server's time.
        server_time: ServerTime,
    },
    /// What would this device do? It is planned and answered, and nothing else.
    DryRun(DryRun),
    /// The server has taken the receipt for the last order, or takes nothing any more.
    ReceiptTaken {
        /// The order was taken back meanwhile.
        taken_back: bool,
    },
    /// Documents that were asked for, each proven to have its digest.
    Documents(Vec<(Digest, Vec<u8>)>),
    /// What is told of an artifact that is to be here, or that it came.
    Artifact {
        /// Which.
        artifact: Digest,
        /// How far it is, or why it did not come; `None` once it is here.
        told: Option<Heard>,
    },
    /// The server was reached over a connection that was begun after this was asked for.
    Reached {
        /// The number under which it was asked for.
        number: u64,
    },
    /// A report was made durable up to this sequence.
    Acknowledged {
        /// What was sent.
        report: wire::ReportRequest,
        /// The highest sequence that is durable on the server.
        sequence: u64,
        /// When the server's record was last put back from a backup, 0 for never.
        restored: i64,
    },
}

/// What goes to the link. While it is down, requests are dropped: `Up` makes the owner of the ledger ask again.
#[derive(Debug)]
pub(crate) enum ToServer {
    /// Ask for documents.
    Fetch(Vec<Digest>),
    /// Have these artifacts here, and no others. A newer word replaces an older one; it counts while the link is down as well.
    Artifacts(Named),
    /// Send a report. A newer one replaces one that is not under way yet.
    Report(wire::ReportRequest),
    /// Send the receipt for the last order, before anything else. It is kept until it is taken.
    Receipt(wire::ReceiptRequest),
    /// Answer a dry run.
    Answer(wire::AnswerRequest),
    /// Make a new connection now, whether or not there is one, and say so under this number.
    Reach(u64),
    /// The newest generation accepted, said when following begins.
    Following(Generation),
}

/// Keeps the link up and the certificate renewed until the other side of the channels is gone. `mark` is the latest time
/// that the ledger knows of; in `scratch` it is noted how the link stands, and among `artifacts` is kept what is fetched.
///
/// A refused device goes on asking, slowly: an admin may allow it again, and what it enforces is not the link's concern.
pub(crate) async fn run(
    mut enrolled: Enrolled,
    folder: PathBuf,
    mark: Timestamp,
    channels: Channels,
    scratch: &Path,
    artifacts: Artifacts,
) -> Result<()> {
    let time = CertificateTime::starting_at(mark);
    let folder = Folder::open(&folder)?;
    let boot = Clock::start(None).boot_id();
    let downloads = Downloads::new(artifacts);
    let mut owner = Owner { channels, following: Generation(0), receipt: None, reach: None, boot, downloads };
    let mut backoff = Backoff::noting(Noted::begin(scratch));
    loop {
        match session::run(&enrolled, &folder, &time, &mut owner, &mut backoff).await {
            Ok(session::End::Renewed(renewed)) => enrolled = *renewed,
            Ok(session::End::ReceiptDue) => {}
            Ok(session::End::ReachDue) => backoff.begin_anew(),
            Ok(session::End::OwnerGone) => return Ok(()),
            Err(trouble) => {
                backoff.say(&trouble);
                backoff.down(&trouble, time.now());
                match owner.rest(backoff.next()).await {
                    Rested::Asked => backoff.begin_anew(),
                    Rested::Whole => {}
                    Rested::OwnerGone => return Ok(()),
                }
            }
        }
    }
}

/// The link's ends of the channels to the owner of the ledger.
pub(crate) struct Channels {
    /// What the owner asks for.
    pub(crate) orders: mpsc::Receiver<ToServer>,
    /// What comes for it.
    pub(crate) news: mpsc::Sender<FromServer>,
    /// Last orders, as their exact bytes: beside the news, since they wait behind nothing that the owner is busy with.
    pub(crate) last_orders: mpsc::Sender<Vec<u8>>,
    /// Notified with each word of the server: whoever has to wake now and then does it in the same moment.
    pub(crate) heard: Arc<Notify>,
}

/// The owner of the ledger, and what it wants said when a connection is made.
struct Owner {
    channels: Channels,
    following: Generation,
    receipt: Option<wire::ReceiptRequest>,
    /// The number under which a new connection is asked for.
    reach: Option<u64>,
    /// The running kernel.
    boot: Uuid,
    downloads: Downloads,
}

impl Owner {
    /// Waits for something while there is no connection. The owner must never wait for a link that is down, so its
    /// orders are taken and dropped. `None` when the owner is gone.
    async fn dropping_orders<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Some(done),
                order = self.channels.orders.recv() => self.take_offline(order?),
            }
        }
    }

    fn take_offline(&mut self, order: ToServer) {
        match order {
            ToServer::Following(generation) => self.following = generation,
            ToServer::Receipt(receipt) => self.receipt = Some(receipt),
            ToServer::Reach(number) => self.reach = Some(number),
            ToServer::Artifacts(named) => self.downloads.name(named),
            ToServer::Fetch(_) | ToServer::Report(_) | ToServer::Answer(_) => {}
        }
    }

    /// Waits before the next try, unless a connection is asked for meanwhile.
    async fn rest(&mut self, wait: Duration) -> Rested {
        let known = self.reach;
        let sleep = tokio::time::sleep(wait);
        tokio::pin!(sleep);
        while self.reach == known {
            tokio::select! {
                () = &mut sleep => return Rested::Whole,
                order = self.channels.orders.recv() => match order {
                    Some(order) => self.take_offline(order),
                    None => return Rested::OwnerGone,
                },
            }
        }
        Rested::Asked
    }
}

/// How a wait ended.
enum Rested {
    Whole,
    /// A connection is asked for now.
    Asked,
    OwnerGone,
}
