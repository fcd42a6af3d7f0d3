//! Which files a resource writes itself.

use super::kernel_module::KernelModule;
use super::network::Network;
use super::repository::Repository;
use super::{
    Resource, certificate, dconf, firewall, hostname, hosts_entry, locale, login_rule, mount, proxy,
    ssh_server, sudo, sysctl, timer,
};

impl Resource {
    /// The files that this writes or changes a part of, where a profile may also claim the whole of them by their paths.
    pub(crate) fn writes_to(&self) -> Vec<String> {
        match self {
            Self::Line(r) => vec![r.path.to_string()],
            Self::HostsEntry(_) => vec![hosts_entry::PATH.to_owned()],
            Self::Hostname(_) => vec![hostname::PATH.to_owned()],
            Self::Time(r) => r.writes_to(),
            Self::Locale(_) => {
                [locale::DEBIAN_PATH, locale::PATH, locale::LISTED].map(str::to_owned).to_vec()
            }
            Self::Mount(r) => vec![mount::Mount::file(r.place.as_str())],
            Self::Timer(r) => {
                vec![timer::Timer::timer_file(r.name.as_str()), timer::Timer::service_file(r.name.as_str())]
            }
            Self::Firewall(_) => vec![firewall::PATH.to_owned()],
            Self::Proxy(_) => {
                [proxy::SERVICES, proxy::LOGINS, proxy::SESSIONS, proxy::APT].map(str::to_owned).to_vec()
            }
            Self::BrowserPolicy(r) => vec![r.browser.file().to_owned()],
            Self::Sudo(r) => vec![sudo::Sudo::file(r.name.as_str())],
            Self::Certificate(r) => vec![certificate::Certificate::file(r.name.as_str())],
            Self::SshServer(r) => vec![ssh_server::SshServer::file(r.name.as_str())],
            Self::Sysctl(r) => vec![sysctl::Sysctl::file(r.name.as_str())],
            Self::LoginRule(r) => login_rule::LoginRule::files(r.name.as_str()).into(),
            Self::KernelModule(r) => {
                vec![KernelModule::modprobe_path(&r.key()), KernelModule::modules_load_path(&r.key())]
            }
            Self::Dconf(r) => {
                vec![dconf::Dconf::file(r.name.as_str()), dconf::Dconf::locks(r.name.as_str())]
            }
            Self::Network(r) => [Network::file, Network::keyfile_path, Network::netdev_path]
                .map(|path| path(r.name.as_str()))
                .into(),
            Self::Repository(r) => [
                Repository::sources_path,
                Repository::key_path,
                Repository::repo_path,
                Repository::rpm_key_path,
            ]
            .map(|path| path(r.name.as_str()))
            .into(),
            _ => vec![],
        }
    }
}
