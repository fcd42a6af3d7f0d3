//! What a crash left beside the files that were being written: found by the ledger, at the start, because what is no
//! longer wanted is never written again.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;

use anyhow::Result;
use muster_converge::plan::Record;
use muster_proto::ResourceId;

use super::{
    Kind, authorized_keys, browser_policy, certificate, dconf, firewall, hostname, kernel_module, locale,
    login_rule, mount, network, proxy, repository, ssh_server, sudo, sysctl, time, timer,
};
use crate::host::Host;
use crate::host::accounts::Accounts;
use crate::host::{temporary, tree};

/// Has programs read what was changed by writes that the ledger does not know the end of.
pub(crate) async fn catch_up(host: &mut Host, records: &BTreeMap<ResourceId, Record>) {
    let is_cut_off = |(id, record): (&ResourceId, &Record)| id.kind() == "dconf" && record.intended.is_some();
    if records.iter().any(is_cut_off)
        && let Err(error) = dconf::catch_up(host).await
    {
        tracing::warn!(reason = %format!("{error:#}"), "dconf may still have settings that were taken back");
    }
}

/// Removes the leftovers of all writes that the ledger does not know the end of.
pub(crate) fn remove_leftovers(host: &Host, records: &BTreeMap<ResourceId, Record>) {
    let unsettled = records.iter().filter(|(_, record)| record.intended.is_some());
    if let Err(error) = host.trees.keep_only(records.keys().filter(|id| id.kind() == "archive")) {
        tracing::warn!(reason = %format!("{error:#}"), "removing lists of trees that are gone");
    }
    for (id, record) in unsettled.clone().filter(|(id, _)| id.kind() == "mount") {
        if let Err(error) = mount::remove_leftover(host, id, record) {
            tracing::warn!(resource = %id, reason = %format!("{error:#}"), "removing what was made for a mount that is gone");
        }
    }
    for (id, path) in unsettled.flat_map(|(id, _)| paths(host, id).into_iter().map(move |path| (id, path))) {
        // It stays for the next start, and disturbs nobody under its hidden name.
        if let Err(error) = remove(host, id, &path) {
            tracing::warn!(resource = %id, reason = %format!("{error:#}"), "removing what a crash left");
        }
    }
}

fn remove(host: &Host, id: &ResourceId, path: &str) -> Result<()> {
    match host.root.place(path)? {
        // A tree is only ever made where nobody but root could have put one.
        Some(place) if id.kind() == "archive" => {
            tree::remove(place.dir.as_fd(), &temporary::usual_name(&place.name))
        }
        Some(place) => temporary::remove_leftover(&place),
        None => Ok(()),
    }
}

/// The paths at which a resource makes something new.
fn paths(host: &Host, id: &ResourceId) -> Vec<String> {
    match Kind::of(id) {
        Ok(Kind::Archive | Kind::File | Kind::Link) => vec![id.key().to_owned()],
        Ok(Kind::Sudo) => vec![sudo::path(id)],
        Ok(Kind::Repository) => repository::parts(id).map(|(_, path)| path).into(),
        Ok(Kind::Line) => vec![muster_proto::resource::line::path_of(id.key()).to_owned()],
        Ok(Kind::HostsEntry) => vec![muster_proto::resource::hosts_entry::PATH.to_owned()],
        Ok(Kind::Certificate) => certificate::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Hostname) => hostname::parts().into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::KernelModule) => kernel_module::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Sysctl) => sysctl::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::BrowserPolicy) => browser_policy::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Dconf) => dconf::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Network) => {
            let key = network::key_path(host, id.key());
            network::parts(id).into_iter().map(|(_, path)| path).chain([key]).collect()
        }
        Ok(Kind::LoginRule) => login_rule::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::SshServer) => ssh_server::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Proxy) => proxy::parts().into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Firewall) => firewall::parts().into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Time) => {
            let link = muster_proto::resource::time::LOCALTIME.to_owned();
            time::parts().into_iter().map(|(_, path)| path).chain([link]).collect()
        }
        Ok(Kind::Locale) => locale::paths(),
        Ok(Kind::Mount) => mount::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Timer) => timer::parts(id).into_iter().map(|(_, path)| path).collect(),
        Ok(Kind::Account) => {
            let accounts = Accounts::load(&host.root).unwrap_or_default();
            accounts.user(id.key()).map(authorized_keys::path).into_iter().collect()
        }
        Ok(Kind::Package | Kind::Group | Kind::Directory | Kind::Service | Kind::Script | Kind::Updates)
        | Err(_) => vec![],
    }
}
