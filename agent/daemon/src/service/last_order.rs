//! What the convergence thread does on a last order, in place of its turns.

use std::time::Duration;

use anyhow::Result;
use muster_proto::last_order::Receipt;
use muster_proto::wire;
use tokio::time::{Instant, sleep_until};

use super::Converging;
use crate::cycle::{Cycle, LOOK, Stage};
use crate::link::{FromServer, ToServer};

/// How long the device waits for the server to take the receipt before it powers off without: it is sent in the next boot
/// then. Where powering off failed, it is tried again after as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is in the way of a lock, such as another tool that holds the account files, may pass: for how long that is waited for.
const TRYING: Duration = Duration::from_secs(30);
const BETWEEN_TRIES: Duration = Duration::from_secs(3);

/// Carries the order out, if need be several times; gives what the server is to be told.
async fn carry_out(cycle: &mut Cycle) -> Result<Option<Receipt>> {
    let begun = Instant::now();
    loop {
        let carried = cycle.carry_out().await?;
        if carried.whole || begun.elapsed() > TRYING {
            return Ok(carried.receipt);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

impl Converging {
    /// Carries the last order out, as far as it has not come yet. Returns when the order was taken back.
    pub(super) async fn obey(&mut self, cycle: &mut Cycle) -> Result<()> {
        let mut power_off_at = Instant::now();
        match cycle.stage()? {
            None => return Ok(()),
            Some(Stage::Over) => return self.rest(cycle).await,
            Some(Stage::Done) => {}
            Some(Stage::Due) => {
                tracing::warn!("this device was reported lost: its accounts are locked, and it powers off");
                if let Some(receipt) = carry_out(cycle).await? {
                    let receipt = serde_json::to_vec(&receipt)?.into();
                    self.send(ToServer::Receipt(wire::ReceiptRequest { receipt })).await;
                    power_off_at += PATIENCE;
                }
            }
        }
        loop {
            tokio::select! {
                news = self.from_link.recv() => match news {
                    Some(FromServer::ReceiptTaken { taken_back: true }) => {
                        tracing::info!("the report that this device is lost was taken back");
                        // The same order again; a newer one is said again soon.
                        while self.last_orders.try_recv().is_ok() {}
                        return cycle.order_taken_back();
                    }
                    Some(FromServer::ReceiptTaken { taken_back: false }) => {
                        cycle.receipt_taken()?;
                        power_off_at = Instant::now();
                    }
                    Some(news) => Self::only_the_time(cycle, &news)?,
                    None => return std::future::pending().await,
                },
                () = sleep_until(power_off_at) => {
                    power_off_at = Instant::now() + PATIENCE;
                    if let Err(error) = cycle.power_off().await {
                        tracing::error!("this device can't be powered off, which is tried again: {error:#}");
                    }
                }
            }
        }
    }

    /// The device was found, and is to be enrolled anew: until then nothing is changed on it, and only leases end.
    async fn rest(&mut self, cycle: &mut Cycle) -> Result<()> {
        tracing::warn!(
            "this device was reported lost and has carried its last order out: nothing is changed on it. Once an admin \
             allowed it (muster device allow-reenroll): muster-agent enroll --join-file FILE"
        );
        loop {
            if let Err(error) = cycle.lock_the_rest().await {
                tracing::warn!("an account could not be locked: {error:#}");
            }
            if let Err(error) = cycle.end_leases().await {
                tracing::warn!("a lease could not be ended: {error:#}");
            }
            tokio::select! {
                news = self.from_link.recv() => match news {
                    Some(news) => Self::only_the_time(cycle, &news)?,
                    None => return std::future::pending().await,
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn only_the_time(cycle: &mut Cycle, news: &FromServer) -> Result<()> {
        match news {
            FromServer::Quiet { server_time }
            | FromServer::ApplyNow { server_time }
            | FromServer::State { server_time, .. } => cycle.vouched(server_time.now()).map(drop),
            _ => Ok(()),
        }
    }
}
