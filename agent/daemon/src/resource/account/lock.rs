//! Locks an account outside any plan: for a last order, which asks no profile.

use anyhow::{Result, ensure};

use super::{EXPIRED, end_everything, locked};
use crate::host::Host;
use crate::host::account_files;
use crate::host::accounts::Accounts;
use crate::host::run::Work;

/// Whether there was an account to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    /// It is locked, and nothing of it runs.
    Yes,
    /// There is no such account.
    NotThere,
}

/// Locks an account and ends its sessions and processes, as the end of a lease does. Nothing of it is erased. Again and
/// again it comes to the same.
pub(crate) async fn lock(host: &mut Host, name: &str) -> Result<Locked> {
    let accounts = Accounts::load(&host.root)?;
    let Some(user) = accounts.user(name).cloned() else { return Ok(Locked::NotThere) };
    ensure!(user.uid != 0 && name != "root", "Muster does not lock root");
    if locked(accounts.shadow(name)) == true {
        return end_everything(host, &accounts, &user).await.map(|()| Locked::Yes);
    }
    // What runs as it may hold the lock of the account files for as long as it likes. Whether this helped is seen below.
    end_everything(host, &accounts, &user).await.ok();
    let argv = ["/usr/sbin/usermod", "--lock", "--expiredate", EXPIRED, name];
    let mut modified = host.run(Work::Short, &argv, None).await.and_then(|ran| ran.ok("usermod"));
    if modified.as_ref().is_err_and(account_files::are_held) {
        account_files::free(&host.root).await;
        modified = host.run(Work::Short, &argv, None).await.and_then(|ran| ran.ok("usermod"));
    }
    end_everything(host, &accounts, &user).await?;
    modified.map(|_| Locked::Yes)
}
