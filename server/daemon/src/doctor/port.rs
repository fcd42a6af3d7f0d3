//! Whether this very server answers where devices and admins connect: on a machine with several, another one may.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::finding::Finding;
use crate::config::{ADMIN_PORT, Config, DEVICE_PORT};

/// For a connection on this machine or in its network.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is at an address.
enum There {
    Nobody,
    /// Somebody who shows no certificate of this server.
    Another(String),
    This,
}

/// Looks at both ports. `root` is this server's, where it can be read.
pub(super) fn both(config: &Config, root: Option<&CertificateDer<'static>>) -> Vec<Finding> {
    // A certificate that somebody else gave for browsers says nothing of whose server it is.
    let of_admins = root.filter(|_| config.tls.is_none());
    vec![
        judge("port for devices", &config.name, DEVICE_PORT, root),
        judge("port for admins", &config.name, ADMIN_PORT, of_admins),
    ]
}

fn judge(check: &'static str, name: &str, port: u16, root: Option<&CertificateDer<'static>>) -> Finding {
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    let named: Vec<SocketAddr> = (name, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let mut another = None;
    for address in &named {
        match look(address, name, root) {
            There::This => return Finding::ok(check, format!("{name}:{port} answers")),
            There::Another(why) => another = Some(why),
            There::Nobody => {}
        }
    }
    if let Some(why) = another {
        let remedy =
            format!("see who listens there: ss -ltnp 'sport = :{port}'; then systemctl start muster-server");
        return Finding::failed(check, format!("another server answers at {name}:{port} ({why})"), remedy);
    }
    if let There::This = look(&local, name, root) {
        let remedy = format!("let {name} lead here, and open the port in the firewall");
        return Finding::warning(check, format!("{port} answers here, and not at {name}"), remedy);
    }
    Finding::failed(check, format!("nobody answers at {name}:{port}"), "systemctl start muster-server")
}

fn look(address: &SocketAddr, name: &str, root: Option<&CertificateDer<'static>>) -> There {
    let Ok(tcp) = TcpStream::connect_timeout(address, PATIENCE) else { return There::Nobody };
    let Some(root) = root else { return There::This };
    match greet(tcp, name, root) {
        Ok(()) => There::This,
        Err(error) => There::Another(format!("{error:#}")),
    }
}

/// Shakes hands as a device does that trusts this server's root and nothing else.
fn greet(mut tcp: TcpStream, name: &str, root: &CertificateDer<'static>) -> Result<()> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let mut roots = RootCertStore::empty();
    roots.add(root.clone())?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(name.to_owned()).context("the server's name")?;
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    Ok(())
}
