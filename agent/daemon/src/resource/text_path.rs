//! Which attributes are digests of texts, and where these are.

use muster_proto::ResourceId;

use super::{
    Kind, browser_policy, dconf, firewall, kernel_module, login_rule, mount, network, proxy, ssh_server,
    sysctl, time, timer,
};

/// Where the text is whose digest this attribute of a resource is; `None` where it is that of no file.
pub(crate) fn text_path(id: &ResourceId, attribute: &str) -> Option<String> {
    let parts = match Kind::of(id).ok()? {
        Kind::File => vec![("content", id.key().to_owned())],
        Kind::BrowserPolicy => browser_policy::parts(id),
        Kind::Dconf => dconf::parts(id),
        Kind::Firewall => firewall::parts(),
        Kind::KernelModule => kernel_module::parts(id),
        Kind::Mount => mount::parts(id),
        Kind::Proxy => proxy::parts(),
        Kind::Network => network::parts(id),
        // Where there is no such file the other one is shown whole.
        Kind::Locale => vec![("file", muster_proto::resource::locale::DEBIAN_PATH.to_owned())],
        Kind::LoginRule => login_rule::parts(id),
        Kind::SshServer => ssh_server::parts(id),
        Kind::Sysctl => sysctl::parts(id),
        Kind::Time => time::parts(),
        Kind::Timer => timer::parts(id),
        _ => vec![],
    };
    parts.into_iter().find(|(part, _)| *part == attribute).map(|(_, path)| path)
}
