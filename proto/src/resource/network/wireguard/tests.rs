use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::keyfile::{fill, unfill};
use super::*;
use crate::resource::network::KEY_MADE;

const ONE: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const OTHER: &str = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";

fn tunnel(peers: Value) -> Result<Network, String> {
    let fields = json!({
        "name": "vpn", "interface": "wg0", "addresses": ["10.8.0.2/24"],
        "wireguard": {"listen_port": 51820, "peers": peers},
    });
    serde_json::from_value(fields).map_err(|error| error.to_string())
}

fn office() -> Network {
    tunnel(json!([
        {
            "public_key": ONE, "preshared_key_file": "/etc/vpn.psk", "endpoint": "vpn.corp.example:51820",
            "allowed_ips": ["10.8.0.0/24", "2001:DB8::5"], "persistent_keepalive": 25,
        },
        {"public_key": OTHER, "allowed_ips": []},
    ]))
    .unwrap()
}

#[test]
fn a_tunnel_is_set_up_as_networkd_reads_it() {
    let office = office().bind(false);
    office.validate().unwrap();
    assert_eq!(
        office.netdev().unwrap(),
        format!(
            "# Managed by Muster: network:vpn\n[NetDev]\nName=wg0\nKind=wireguard\n\n[WireGuard]\n\
             #muster-secret PrivateKey=/var/lib/muster/wireguard-vpn.key\nListenPort=51820\n\n\
             [WireGuardPeer]\nPublicKey={ONE}\n#muster-secret PresharedKey=/etc/vpn.psk\nEndpoint=vpn.corp.example:51820\n\
             AllowedIPs=10.8.0.0/24\nAllowedIPs=2001:db8::5/128\nPersistentKeepalive=25\n\n[WireGuardPeer]\nPublicKey={OTHER}\n"
        )
    );
    assert_eq!(
        office.rendered(),
        "# Managed by Muster: network:vpn\n[Match]\nName=wg0\n\n[Network]\nDHCP=no\nAddress=10.8.0.2/24\n\n\
         [Route]\nDestination=10.8.0.0/24\n\n[Route]\nDestination=2001:db8::5/128\n"
    );
    let wanted = office.desired();
    assert_eq!(wanted.attributes().unwrap()["key"], KEY_MADE);
    assert_eq!(wanted.attributes().unwrap()["keyfile"], "none");
}

#[test]
fn a_tunnel_is_set_up_as_network_manager_reads_it() {
    let office = office().bind(true);
    office.validate().unwrap();
    assert_eq!(office.netdev(), None);
    let text = office.keyfile();
    let (_, sections) = text.split_once("type=wireguard\ninterface-name=wg0\n").unwrap();
    assert_eq!(
        sections,
        format!(
            "\n[wireguard]\nlisten-port=51820\n#muster-secret private-key=/var/lib/muster/wireguard-vpn.key\n\n\
             [wireguard-peer.{ONE}]\nendpoint=vpn.corp.example:51820\n#muster-secret preshared-key=/etc/vpn.psk\npreshared-key-flags=0\n\
             persistent-keepalive=25\nallowed-ips=10.8.0.0/24;2001:db8::5/128;\n\n[wireguard-peer.{OTHER}]\n\n\
             [ipv4]\nmethod=manual\naddress1=10.8.0.2/24\n\n[ipv6]\nmethod=disabled\n"
        )
    );
}

#[test]
fn the_secrets_are_put_in_on_the_device_and_taken_out_of_what_is_compared() {
    for template in [office().bind(false).netdev().unwrap(), office().bind(true).keyfile()] {
        let filled = fill(&template, |_| Ok::<_, ()>(OTHER.to_owned())).unwrap();
        assert_eq!(filled.matches(OTHER).count(), 3, "{filled}");
        let unfilled = unfill(&filled);
        assert!(!unfilled.is_strange, "{filled}");
        assert_eq!(unfilled.template, template);
        assert_eq!(unfilled.secrets.len(), 2);
    }
}

#[test]
fn what_would_not_be_a_tunnel_is_refused_by_its_field() {
    let peer = |more: Value| {
        let mut peer = json!({"public_key": ONE, "allowed_ips": ["10.8.0.0/24"]});
        peer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        peer
    };
    let refused = |network: Network| network.validate().unwrap_err();
    let same_key = refused(tunnel(json!([peer(json!({})), peer(json!({"allowed_ips": []}))])).unwrap());
    assert_eq!(same_key.path, "/network/wireguard/peers/1/public_key");
    let one = peer(json!({"allowed_ips": ["10.8.0.5"]}));
    let other = peer(json!({"public_key": OTHER, "allowed_ips": ["10.8.0.5/32"]}));
    let same_network = refused(tunnel(json!([one, other])).unwrap());
    assert_eq!(same_network.path, "/network/wireguard/peers/1/allowed_ips");
    assert!(same_network.message.contains("given twice"), "{same_network:?}");
    let all = tunnel(json!([peer(json!({"allowed_ips": ["0.0.0.0/0"]}))])).unwrap();
    all.validate().unwrap();
    all.bind(true).validate().unwrap();
    assert!(refused(all.bind(false)).message.contains("takes NetworkManager"));
    let file = tunnel(json!([peer(json!({"preshared_key_file": "/etc/a b"}))])).unwrap();
    assert!(refused(file).message.contains("only letters"));
    for (field, value) in [
        ("interface", json!("wg*")),
        ("interface", json!("a-name-of-16-byt")),
        ("dhcp", json!(true)),
        ("gateways", json!(["10.8.0.1"])),
        ("wifi", json!({"ssid": "x", "access": "open"})),
    ] {
        let mut fields = serde_json::to_value(office()).unwrap();
        fields[field] = value;
        let network: Network = serde_json::from_value(fields).unwrap();
        assert_eq!(refused(network).path, format!("/network/{field}"));
    }
    for (more, part) in [
        (json!({"public_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}), "not all 0"),
        (json!({"allowed_ips": ["10.8.0.1/24"]}), "no bit set behind the prefix"),
        (json!({"endpoint": "vpn.corp.example"}), "a host and a port"),
        (json!({"persistent_keepalive": 0}), "nonzero"),
        (json!({"private_key": ONE}), "unknown field"),
    ] {
        let refused = tunnel(json!([peer(more)])).unwrap_err();
        assert!(refused.contains(part), "{refused}");
    }
}

proptest! {
    #[test]
    fn nothing_of_a_peer_begins_a_line_of_its_own(host in "\\PC{0,20}", port in "\\PC{0,6}", key in "[A-Za-z0-9+/=\n]{40,46}", file in "(?s).{0,20}") {
        let peer = json!([{
            "public_key": key, "endpoint": format!("{host}:{port}"), "allowed_ips": ["10.0.0.0/8"], "preshared_key_file": file,
        }]);
        let Ok(network) = tunnel(peer) else { return Ok(()) };
        if network.validate().is_ok() {
            prop_assert_eq!(network.bind(false).netdev().unwrap().lines().count(), 14);
        }
    }

    #[test]
    fn any_key_and_any_endpoint_is_read_or_refused(text in "(?s).{0,60}", bytes in any::<[u8; 32]>()) {
        prop_assert!(WireGuardKey::parse(&text).is_ok_and(|key| key.as_str().len() == 44) || WireGuardKey::parse(&text).is_err());
        prop_assert!(Endpoint::parse(&text).is_err() || !text.contains(char::is_whitespace));
        let key = data_encoding::BASE64.encode(&bytes);
        prop_assert_eq!(WireGuardKey::parse(&key).is_ok(), bytes != [0; 32]);
    }
}
