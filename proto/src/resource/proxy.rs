//! `proxy`: by which way logins, services and package managers of the device reach the web.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{NoProxy, ProxyUrl};
use crate::condition::Condition;
use crate::id::Digest;

/// The key of every `proxy`: a device has one.
pub const KEY: &str = "proxy";

/// What services get: systemd-system.conf(5).
pub const SERVICES: &str = "/etc/systemd/system.conf.d/90-muster-proxy.conf";

/// What shells of logins get.
pub const LOGINS: &str = "/etc/profile.d/muster-proxy.sh";

/// What desktops and services of users get: environment.d(5).
pub const SESSIONS: &str = "/etc/environment.d/90-muster-proxy.conf";

/// What apt goes by, also under sudo, which keeps no environment: apt.conf(5).
pub const APT: &str = "/etc/apt/apt.conf.d/90muster-proxy";

/// More than anybody excepts.
const MOST: usize = 64;

/// What is never reached through a proxy.
const ITSELF: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The proxy for all of the device, by files of Muster's own: the variables `http_proxy`, `https_proxy` and `no_proxy`, small and large, for
/// services, shells of logins and desktops, and a setting for apt. It holds from the next start of a service and the next login on; dnf, curl and what
/// else goes by the variables has it from there. Cron and commands over SSH without a login have neither, nor has `sudo`, which keeps no
/// variables. Muster's own agent goes to its server directly.
///
/// ```yaml
/// - proxy:
///     http: http://proxy.corp.example:3128
///     no_proxy: [.corp.example, 10.0.0.0/8]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// The proxy for http, with its port: `http://proxy.corp.example:3128`. No user name or password, as every account could read it.
    pub http: ProxyUrl,
    /// The one for https; left out, it is that for http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<ProxyUrl>,
    /// What is reached directly, 64 at most: names, `.corp.example` for all below a domain, addresses and networks. Not every program knows
    /// networks, and apt under sudo knows names and IPv4 addresses alone. The device itself always is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<NoProxy>,
}

impl Proxy {
    fn https(&self) -> &ProxyUrl {
        self.https.as_ref().unwrap_or(&self.http)
    }

    fn variables(&self) -> Vec<(String, String)> {
        let excepted: Vec<&str> =
            ITSELF.into_iter().chain(self.no_proxy.iter().map(NoProxy::as_str)).collect();
        let values = [
            ("http_proxy", self.http.to_string()),
            ("https_proxy", self.https().to_string()),
            ("no_proxy", excepted.join(",")),
        ];
        let twice = |(name, value): (&str, String)| {
            [(name.to_owned(), value.clone()), (name.to_ascii_uppercase(), value)]
        };
        values.into_iter().flat_map(twice).collect()
    }

    fn lines(&self, line: impl Fn(&str, &str) -> String) -> String {
        let lines = self.variables().into_iter().map(|(name, value)| line(&name, &value));
        format!("# Managed by Muster: proxy:{KEY}\n") + &lines.collect::<String>()
    }

    /// The file for services.
    pub fn for_services(&self) -> String {
        let head = format!("# Managed by Muster: proxy:{KEY}\n[Manager]\n");
        let variables = self.variables().into_iter();
        let line: Vec<_> = variables.map(|(name, value)| format!("\"{name}={value}\"")).collect();
        format!("{head}DefaultEnvironment={}\n", line.join(" "))
    }

    /// The file for shells of logins.
    pub fn for_logins(&self) -> String {
        self.lines(|name, value| format!("export {name}='{value}'\n"))
    }

    /// The file for desktops.
    pub fn for_sessions(&self) -> String {
        self.lines(|name, value| format!("{name}={value}\n"))
    }

    /// The file for apt, which takes exceptions by the very name alone.
    pub fn for_apt(&self) -> String {
        let mut text = format!(
            "# Managed by Muster: proxy:{KEY}\nAcquire::http::Proxy \"{}\";\nAcquire::https::Proxy \"{}\";\n",
            self.http,
            self.https()
        );
        let is_one = |name: &&str| match name.parse::<IpAddr>() {
            Ok(address) => address.is_ipv4(),
            Err(_) => !name.starts_with('.') && !name.contains('/'),
        };
        for host in ITSELF.into_iter().chain(self.no_proxy.iter().map(NoProxy::as_str)).filter(is_one) {
            for scheme in ["http", "https"] {
                text.push_str(&format!("Acquire::{scheme}::Proxy::{host} \"DIRECT\";\n"));
            }
        }
        text
    }

    /// The digests of the files, and that systemd goes by them.
    pub fn desired(&self) -> Condition {
        let digest = |text: String| Digest::of(text.as_bytes()).to_string().into();
        Condition::present([
            ("services", digest(self.for_services())),
            ("logins", digest(self.for_logins())),
            ("sessions", digest(self.for_sessions())),
            ("apt", digest(self.for_apt())),
            ("loaded", true.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.no_proxy.len() > MOST {
            return Err(InvalidResource::new("/proxy/no_proxy", format!("more than {MOST}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn proxy() -> Proxy {
        serde_json::from_value(json!({
            "http": "http://proxy.corp.example:3128",
            "no_proxy": ["git.corp.example", ".corp.example", "10.0.0.0/8", "192.0.2.1", "2001:db8::1"],
        }))
        .unwrap()
    }

    #[test]
    fn services_logins_desktops_and_apt_get_the_same_each_in_its_own_form() {
        let proxy = proxy();
        proxy.validate().unwrap();
        let excepted =
            "localhost,127.0.0.1,::1,git.corp.example,.corp.example,10.0.0.0/8,192.0.2.1,2001:db8::1";
        let url = "http://proxy.corp.example:3128";
        assert_eq!(
            proxy.for_services(),
            format!(
                "# Managed by Muster: proxy:proxy\n[Manager]\nDefaultEnvironment=\"http_proxy={url}\" \"HTTP_PROXY={url}\" \
                 \"https_proxy={url}\" \"HTTPS_PROXY={url}\" \"no_proxy={excepted}\" \"NO_PROXY={excepted}\"\n"
            )
        );
        assert!(
            proxy.for_logins().contains(&format!("\nexport https_proxy='{url}'\n")),
            "{}",
            proxy.for_logins()
        );
        assert!(
            proxy.for_sessions().ends_with(&format!("\nNO_PROXY={excepted}\n")),
            "{}",
            proxy.for_sessions()
        );
        let apt = proxy.for_apt();
        assert!(apt.contains(&format!("\nAcquire::https::Proxy \"{url}\";\n")), "{apt}");
        assert_eq!(apt.matches("\"DIRECT\"").count(), 8, "{apt}");
        assert!(apt.contains("Acquire::http::Proxy::192.0.2.1 \"DIRECT\";\n"), "{apt}");
    }

    #[test]
    fn a_password_or_anything_that_is_no_proxy_is_refused() {
        for url in [
            "http://ada:secret@proxy.corp.example:3128",
            "http://ada@proxy.corp.example:3128",
            "http://proxy.corp.example",
            "proxy.corp.example:3128",
            "http://proxy.corp.example:3128/",
            "socks5://proxy.corp.example:1080",
            "http://proxy:3128\" \"LD_PRELOAD=/tmp/x:1",
            "http://proxy:3128\n",
            "http://$(id):3128",
            "",
        ] {
            assert!(ProxyUrl::parse(url).is_err(), "{url:?}");
        }
        for url in ["http://10.0.0.1:3128", "https://[2001:db8::1]:443"] {
            assert_eq!(ProxyUrl::parse(url).unwrap().as_str(), url);
        }
        for name in
            ["", ".", "*", "*.corp.example", "a,b", "a b", "10.0.0.1/8", "a\"", "a'", ".10.0.0.0/8", "a\n"]
        {
            assert!(NoProxy::parse(name).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_given_leaves_its_quotes(url in "(?s).{0,40}", except in "(?s).{0,40}", host in "[a-z.'\"$\\[\\]:;/ -]{0,20}") {
            let parsed: Vec<_> = [url, format!("http://{host}:1")].iter().filter_map(|url| ProxyUrl::parse(url).ok()).collect();
            let excepted: Vec<_> = [except, host].iter().filter_map(|name| NoProxy::parse(name).ok()).collect();
            for text in parsed.iter().map(ProxyUrl::as_str).chain(excepted.iter().map(NoProxy::as_str)) {
                prop_assert!(!text.is_empty());
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/[]".contains(&b)), "{}", text);
            }
        }
    }
}
