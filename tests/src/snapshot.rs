//! The state of what profiles manage on a device, to be held against what it was before.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use crate::device::Device;

/// The files that tell of accounts: one that was made is locked and stays, and so does its group while it is in it.
pub const ACCOUNT_FILES: [&str; 7] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/.pwd.lock",
];

/// Where else putting back is allowed to leave a trace, by how a line of a snapshot begins: an account is locked and its home kept, a
/// package leaves its configuration, the users its scripts made and the units they enabled, and caches and backups of
/// system tools are nobody's, nor is a directory of the system's that was made before its package came, nor the database that dconf makes
/// of no settings.
const EXCEPTIONS: [&str; 24] = [
    "/home/bob",
    "/etc/nginx",
    "/etc/default/nginx",
    "/etc/init.d/nginx",
    "/etc/logrotate.d/nginx",
    "/etc/ufw",
    "/etc/perl",
    "/etc/rc",
    "/etc/ld.so.cache",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc ",
    "/etc/modprobe.d ",
    "/etc/environment.d ",
    "/etc/systemd/system.conf.d ",
    "/etc/security/access.d ",
    "/etc/firefox ",
    "/etc/firefox/policies ",
    "/etc/dconf/db/local ",
    "/etc/dconf/db/local.d ",
    "/etc/dconf/db/local.d/locks ",
    "/etc/muster",
    "/home ",
    "/srv ",
    "/etc/apt/",
];

/// Files with mode, owner and digest; packages; units; what the kernel is told: a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl Device<'_> {
    /// Looks at everything that profiles of the tests manage.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let script = r#"
            find /etc /srv /home /usr/local -xdev \( -type f -printf '%p %m %U %G ' -exec sh -c 'sha256sum < "$1"' _ {} \; \) -o \( -printf '%p %y %m %U %G %l\n' \)
            dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\n'
            systemctl list-unit-files --no-legend | awk '{print $1, $2}'
            nft list ruleset | sed 's/^/firewall: /'
            ip -brief address | awk '/^v0/ { print "interface:", $3, $4 }'
            echo "keepalive $(cat /proc/sys/net/ipv4/tcp_keepalive_time), named $(cat /proc/sys/kernel/hostname)"
        "#;
        let output = self.exec_within(["sh", "-c", script], Duration::from_secs(180))?.ok()?;
        Ok(Snapshot(output.stdout.lines().map(str::to_owned).collect()))
    }
}

impl Snapshot {
    /// What is there now and was not, and what was there and is not, but for the stated exceptions.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let new = now.0.difference(&self.0).map(|line| ("new", line));
        let gone = self.0.difference(&now.0).map(|line| ("gone", line));
        new.chain(gone)
            .filter(|(_, line)| !is_exception(line))
            .map(|(what, line)| format!("{what}: {line}"))
            .collect()
    }
}

fn is_exception(line: &str) -> bool {
    ACCOUNT_FILES.iter().chain(&EXCEPTIONS).any(|prefix| line.starts_with(prefix))
        || line.contains(" rc ")
        || line.starts_with("nginx")
}
