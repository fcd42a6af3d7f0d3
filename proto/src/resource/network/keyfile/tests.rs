use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn network(fields: Value) -> Network {
    let network: Network = serde_json::from_value(fields).unwrap();
    network.bind(true)
}

fn wifi(ssid: &str, access: Value) -> Network {
    network(
        json!({"name": "air", "interface": "wlan0", "dhcp": true, "wifi": {"ssid": ssid, "access": access}}),
    )
}

fn peap(identity: &str) -> Value {
    json!({"enterprise": {
        "identity": identity, "ca_file": "/etc/wifi/ca.pem", "domain": "radius.corp.example",
        "method": {"peap": {"password_file": "/etc/wifi/password"}},
    }})
}

#[test]
fn a_wired_interface_is_set_up_as_network_manager_reads_it() {
    let lan = network(json!({
        "name": "lan", "interface": "en*", "addresses": ["10.0.0.5/24", "2001:DB8::5/64"], "gateways": ["10.0.0.1"],
        "dns": ["10.0.0.2"], "domains": ["corp.example"],
    }));
    lan.validate().unwrap();
    let uuid = uuid("lan");
    assert_eq!(
        lan.keyfile(),
        format!(
            "# Managed by Muster: network:lan\n[connection]\nid=muster-lan\nuuid={uuid}\ntype=ethernet\nautoconnect-priority=10\n\
             multi-connect=3\n\n[match]\ninterface-name=en*;\n\n[ipv4]\nmethod=manual\naddress1=10.0.0.5/24\ngateway=10.0.0.1\n\
             dns=10.0.0.2;\ndns-search=corp.example;\n\n[ipv6]\nmethod=manual\naddress1=2001:db8::5/64\n"
        )
    );
    assert_eq!(uuid.len(), 36, "{uuid}");
}

#[test]
fn a_profile_names_the_file_of_a_secret_and_the_device_puts_it_in() {
    let air = wifi("Corp; [x]", peap("host/lap-1 x"));
    air.validate().unwrap();
    let template = air.keyfile();
    assert!(template.contains("\nssid=67;111;114;112;59;32;91;120;93;\n"), "{template}");
    assert!(template.contains("\ndomain-match=radius.corp.example\n"), "{template}");
    let filled = fill(&template, |path| Ok::<_, ()>(format!("{path} is secret\\"))).unwrap();
    assert!(filled.contains("\npassword=/etc/wifi/password\\sis\\ssecret\\\\\n"), "{filled}");
    let unfilled = unfill(&filled);
    assert_eq!(unfilled.template, template);
    assert!(!unfilled.is_strange, "{unfilled:?}");
    assert_eq!(
        unfilled.secrets,
        [("/etc/wifi/password".to_owned(), "/etc/wifi/password\\sis\\ssecret\\\\".to_owned())]
    );
    // What someone put in themselves is not taken for what Muster wrote.
    for strange in [
        "[wifi-security]\npsk=12345678\n",
        "[wifi-security]\n psk = 12345678\n",
        "[wireguard]\nprivate-key=x\n",
        "[wireguard-peer.x]\npreshared-key=y\n",
        "[wireguard-peer.x]\nendpoint =y\n",
        "[WireGuard]\nPrivateKey=x\n",
        "[WireGuardPeer]\n PresharedKey = x\n",
        "[vpn-secrets]\nXauth password=x\n",
    ] {
        assert!(unfill(strange).is_strange, "{strange}");
    }
    assert!(!unfill("[wireguard-peer.x=]\nendpoint=y\n").is_strange);
    assert!(!unfill("[wireguard]\n[802-1x]\nprivate-key=/etc/key\n").is_strange);
}

#[test]
fn what_one_of_the_two_can_not_do_is_refused_and_not_left_out() {
    let air: Network = serde_json::from_value(json!({
        "name": "air", "interface": "wlan0", "dhcp": true, "wifi": {"ssid": "x", "access": "open"},
    }))
    .unwrap();
    air.validate().unwrap();
    assert!(air.bind(false).validate().unwrap_err().message.contains("takes NetworkManager"));
    for (fields, part) in [
        (json!({"dhcp": true, "gateways": ["10.0.0.1"]}), "gateway with an address"),
        (json!({"addresses": ["10.0.0.5/24"], "gateways": ["10.0.0.1", "10.0.0.2"]}), "one gateway"),
        (json!({"addresses": ["10.0.0.5/24"], "dns": ["2001:db8::1"]}), "name server"),
    ] {
        let mut whole = json!({"name": "lan", "interface": "eth0"});
        whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let either: Network = serde_json::from_value(whole).unwrap();
        either.bind(false).validate().unwrap();
        let refused = either.bind(true).validate().unwrap_err();
        assert!(refused.message.contains(part), "{refused:?}");
    }
}

#[test]
fn an_enterprise_wifi_says_whose_server_it_believes() {
    for missing in ["domain", "ca_file"] {
        let mut access = peap("x");
        access["enterprise"].as_object_mut().unwrap().remove(missing);
        let fields = json!({"name": "air", "interface": "wlan0", "dhcp": true, "wifi": {"ssid": "x", "access": access}});
        let refused = serde_json::from_value::<Network>(fields).unwrap_err().to_string();
        assert!(refused.contains(missing), "{refused}");
    }
    let path = wifi("x", json!({"psk": {"psk_file": "/etc/a;b"}}));
    assert!(path.validate().is_err());
}

proptest! {
    #[test]
    fn nothing_that_is_given_begins_a_line_or_a_section_of_its_own(ssid in "\\PC{0,33}", identity in "\\PC{0,80}", secret in "(?s).{0,80}") {
        let fields = json!({
            "name": "air", "interface": "wlan0", "dhcp": true, "wifi": {"ssid": ssid, "access": peap(&identity)},
        });
        let Ok(air) = serde_json::from_value::<Network>(fields) else { return Ok(()) };
        let plain = wifi("x", peap("x")).keyfile();
        let template = air.bind(true).keyfile();
        let filled = fill(&template, |_| Ok::<_, ()>(secret.clone())).unwrap();
        let keys = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split('=').next().unwrap_or_default().to_owned()).collect()
        };
        prop_assert_eq!(keys(&template), keys(&plain));
        prop_assert_eq!(filled.matches('\n').count(), template.matches('\n').count() + 1);
        let unfilled = unfill(&filled);
        prop_assert_eq!(&unfilled.template, &template);
        prop_assert_eq!(&unfilled.secrets[0].1, &escaped(&secret));
    }

    #[test]
    fn any_text_can_be_taken_apart(text in "(?s).{0,200}") {
        let unfilled = unfill(&text);
        prop_assert!(unfilled.template.len() <= text.len());
    }
}
