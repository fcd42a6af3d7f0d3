//! A device that uses dnf: Debian's own, beside apt, with a signed repository of a company on the device itself.

use std::time::Duration;

use anyhow::Result;

use crate::{Device, Fleet, Network};

/// Makes packages, signs them with a key of a company, and indexes them. `tool` needs `tool-lib`, as `other` does; `slow` says when its
/// script begins and ends, and so does `waits`, whose script waits for a file; `bare` is not signed; `rival` would take the place of
/// `kept`, which is there. Of `kernel-core` several versions can be there, as of real ones.
const SET_UP: &str = r#"
set -eu
export HOME=/root DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install dnf rpm createrepo-c gpg gpg-agent
mkdir -p /etc/rpm /srv/rpms
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
install -d -m 0700 /srv/keys
gpg --homedir /srv/keys --batch --quiet --passphrase '' --quick-generate-key corp rsa3072 sign never
gpg --homedir /srv/keys --batch --armor --export >/srv/corp.asc
make() {
    file=/usr/share/$1.txt
    [ "$1" != kernel-core ] || file=/usr/share/$1-$2.txt
    printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: x\nLicense: none\nBuildArch: noarch\n%b\n%%description\nx\n%%files\n%s\n%b\n' \
        "$1" "$2" "${3:-}" "$file" "${4:-}" >/tmp/x.spec
    rm -rf /tmp/tree
    mkdir -p /tmp/tree/usr/share
    echo "$2" >"/tmp/tree$file"
    rpmbuild -bb --quiet --buildroot /tmp/tree --define '_rpmdir /srv/rpms' --define '__spec_install_pre %{nil}' \
        --define '__spec_install_post %{nil}' /tmp/x.spec
}
script() {
    say='local function say(word) local f = io.open("/var/log/slow", "a") f:write(word.."\\n") f:close() end'
    printf '%s' "%post -p <lua>\\n$say say(\"begin\")\\n$1\\nsay(\"end\")\\n"
}
slow=$(script 'posix.sleep(6)')
waits=$(script 'while not posix.access("/run/go") do posix.sleep(1) end')
make hello 1.0
make hello 1.1
make tool 1 'Requires: tool-lib'
make tool-lib 1
make other 1 'Requires: tool-lib'
make kept 1
make kept 2
make rival 1 'Conflicts: kept'
make slow 1 '' "$slow"
make slow 2 '' "$slow"
make waits 1 '' "$waits"
make waits 2 '' "$waits"
make Name_With.Dots 1.2~rc1
make kernel-core 6.8.0 'Provides: installonlypkg(kernel)'
make kernel-core 6.9.0 'Provides: installonlypkg(kernel)'
rpmsign --addsign --define '_gpg_name corp' --define '_gpg_path /srv/keys' --define '__gpg /usr/bin/gpg' /srv/rpms/noarch/*.rpm
make bare 1
createrepo_c -q /srv/rpms
rpm -i /srv/rpms/noarch/kept-1-1.noarch.rpm
printf 'packages = "dnf"\n' >>/etc/muster/agent.toml
systemctl restart muster-agent.service
"#;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(400);

impl<'n> Fleet<'n> {
    /// As [`Fleet::enroll`], of one device that uses dnf.
    pub fn enroll_with_dnf(network: &'n Network, name: &'static str) -> Result<Self> {
        let fleet = Self::enroll(network, &[name])?;
        fleet.device(name)?.set_up_dnf()?;
        fleet.wait_until_connected(name)?;
        Ok(fleet)
    }
}

impl Device<'_> {
    /// Has a device that is enrolled use dnf, with a repository on itself.
    pub fn set_up_dnf(&self) -> Result<()> {
        self.exec_within(["sh", "-c", SET_UP], PATIENCE)?.ok().map(drop)
    }

    /// The repository of a device that uses dnf, as a line of a profile's resources.
    pub fn rpm_repository(&self) -> Result<String> {
        let key = self.read_file("/srv/corp.asc")?.replace('\n', "\\n");
        Ok(format!("  - repository: {{ name: corp, url: \"file:///srv/rpms\", key: \"{key}\" }}\n"))
    }

    /// What rpm has, in order: names and versions, apart from keys.
    pub fn rpms(&self) -> Result<String> {
        let output = self.exec(["rpm", "-qa", "--qf", "%{name}-%{version}\n"])?.ok()?;
        let mut names: Vec<&str> =
            output.stdout.lines().filter(|line| !line.starts_with("gpg-pubkey")).collect();
        names.sort_unstable();
        Ok(names.join(" "))
    }
}
