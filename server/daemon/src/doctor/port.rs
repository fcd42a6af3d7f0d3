//! Whether this very server answers where devices and admins connect: on a machine with several, another one may.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
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
    /// Somebody whose certificate was not looked at.
    Somebody,
    This,
}

/// By what this server is known from others at a port.
#[derive(Clone, Copy)]
enum Known<'a> {
    ByRoot(&'a CertificateDer<'static>),
    /// A certificate that somebody else gave for browsers says nothing of whose server it is.
    ByNothing,
    /// The root can't be read.
    Unread,
}

/// Looks at both ports. `root` is this server's, where it can be read.
pub(super) fn both(config: &Config, root: Option<&CertificateDer<'static>>) -> Vec<Finding> {
    let by_root = root.map_or(Known::Unread, Known::ByRoot);
    let of_admins = if config.tls.is_none() { by_root } else { Known::ByNothing };
    vec![
        judge("port for devices", &config.name, DEVICE_PORT, by_root),
        judge("port for admins", &config.name, ADMIN_PORT, of_admins),
    ]
}

fn judge(check: &'static str, name: &str, port: u16, known: Known<'_>) -> Finding {
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    let named: Vec<SocketAddr> = (name, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    let mut another = None;
    for address in &named {
        match look(address, name, known) {
            There::This => return Finding::ok(check, format!("{name}:{port} answers")),
            There::Somebody => return answered(check, name, port, known),
            There::Another(why) => another = Some(why),
            There::Nobody => {}
        }
    }
    if let Some(why) = another {
        let remedy =
            format!("see who listens there: ss -ltnp 'sport = :{port}'; then systemctl start muster-server");
        return Finding::failed(check, format!("another server answers at {name}:{port} ({why})"), remedy);
    }
    if let There::This | There::Somebody = look(&local, name, known) {
        let remedy = format!("let {name} lead here, and open the port in the firewall");
        return Finding::warning(check, format!("{port} answers here, and not at {name}"), remedy);
    }
    Finding::failed(check, format!("nobody answers at {name}:{port}"), "systemctl start muster-server")
}

/// What is said of somebody who answers and can't be told from another server.
fn answered(check: &'static str, name: &str, port: u16, known: Known<'_>) -> Finding {
    if let Known::Unread = known {
        let detail = format!(
            "{name}:{port} answers, but whether it is this server is unknown: its root can't be read"
        );
        return Finding::warning(
            check,
            detail,
            "run muster-server doctor as root, and see what it says of the root",
        );
    }
    Finding::ok(check, format!("{name}:{port} answers"))
}

fn look(address: &SocketAddr, name: &str, known: Known<'_>) -> There {
    let Ok(tcp) = TcpStream::connect_timeout(address, PATIENCE) else { return There::Nobody };
    let Known::ByRoot(root) = known else { return There::Somebody };
    match greet(tcp, name, root, PATIENCE) {
        Ok(()) => There::This,
        Err(error) => There::Another(format!("{error:#}")),
    }
}

/// Shakes hands as a device does that trusts this server's root and nothing else. All of it has to be over in time:
/// somebody else who says a byte now and then would keep the doctor for ever.
fn greet(mut tcp: TcpStream, name: &str, root: &CertificateDer<'static>, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    let mut roots = RootCertStore::empty();
    roots.add(root.clone())?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(name.to_owned()).context("the server's name")?;
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    while connection.is_handshaking() || connection.wants_write() {
        let left = deadline.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "it did not finish the handshake in time");
        tcp.set_read_timeout(Some(left))?;
        tcp.set_write_timeout(Some(left))?;
        if connection.wants_write() {
            connection.write_tls(&mut tcp)?;
        } else {
            ensure!(connection.read_tls(&mut tcp)? > 0, "it hung up in the handshake");
            connection.process_new_packets()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::super::finding::State;
    use super::*;

    #[test]
    fn somebody_who_says_a_byte_now_and_then_keeps_the_doctor_no_longer_than_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            // The head of a record that would be long, and then hardly anything of it.
            let mut say = |bytes: &[u8]| tcp.write_all(bytes).is_ok();
            let (_silent, nothing) = std::sync::mpsc::channel::<()>();
            let mut goes_on = say(&[0x16, 0x03, 0x03, 0x40, 0x00]);
            while goes_on {
                nothing.recv_timeout(Duration::from_millis(20)).unwrap_err();
                goes_on = say(&[0x02]);
            }
        });
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::default().self_signed(&key).unwrap().der().clone();
        let begun = Instant::now();
        let tcp = TcpStream::connect(address).unwrap();
        greet(tcp, "localhost", &root, Duration::from_millis(200)).unwrap_err();
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }

    #[test]
    fn whoever_answers_is_unknown_where_the_root_can_not_be_read_and_never_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let unread = judge("port for devices", "127.0.0.1", port, Known::Unread);
        assert_eq!(unread.state, State::Warning, "{unread}");
        assert!(unread.detail.contains("unknown"), "{unread}");
        let foreign = judge("port for admins", "127.0.0.1", port, Known::ByNothing);
        assert_eq!(foreign.state, State::Ok, "{foreign}");
    }
}
