//! `time`: the device's time zone, and the servers that it takes its time from.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{TimeServer, TimeZone};
use crate::condition::Condition;
use crate::id::Digest;

/// The key of every `time`: a device has one.
pub const KEY: &str = "time";

/// The link that says which zone the device is in (localtime(5)).
pub const LOCALTIME: &str = "/etc/localtime";

/// Debian's file with the name of the zone.
pub const TIMEZONE: &str = "/etc/timezone";

/// Where the zones are.
pub const ZONES: &str = "/usr/share/zoneinfo/";

/// The file for systemd-timesyncd. 90 is late in the order of timesyncd.conf(5), so that few other files undo it.
pub const SERVERS: &str = "/etc/systemd/timesyncd.conf.d/90-muster.conf";

/// More servers than anybody asks for the time.
const MOST_SERVERS: usize = 16;

/// The device's time zone, and where it gets its time. What is not given is left as it is.
///
/// ```yaml
/// - time: { zone: Europe/Berlin, servers: [ntp1.corp.example, ntp2.corp.example] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// The zone, as the package `tzdata` knows it, such as `Europe/Berlin`: `/etc/localtime` and `/etc/timezone`. Programs that
    /// run take it up when they start anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<TimeZone>,
    /// Time servers, 16 at most, for `systemd-timesyncd`, in place of all others that its configuration names; it restarts
    /// where it runs. The file is `/etc/systemd/timesyncd.conf.d/90-muster.conf`. A device with another program for this,
    /// such as chrony, has that one's own files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<TimeServer>,
}

impl Time {
    /// Where `/etc/localtime` should point.
    pub fn localtime(&self) -> Option<String> {
        self.zone.as_ref().map(|zone| format!("{ZONES}{zone}"))
    }

    /// `/etc/timezone`.
    pub fn timezone(&self) -> Option<String> {
        self.zone.as_ref().map(|zone| format!("{zone}\n"))
    }

    /// The file as timesyncd.conf(5) has it. The empty assignment takes back what others assigned before.
    pub fn rendered(&self) -> Option<String> {
        if self.servers.is_empty() {
            return None;
        }
        let servers: Vec<_> = self.servers.iter().map(TimeServer::as_str).collect();
        Some(format!("# Managed by Muster: time:{KEY}\n[Time]\nNTP=\nNTP={}\n", servers.join(" ")))
    }

    /// The link's target and the digests of the two files.
    pub fn desired(&self) -> Condition {
        let digest = |text: Option<String>| text.map(|text| Digest::of(text.as_bytes()).to_string());
        Condition::present([
            ("localtime", self.localtime().into()),
            ("timezone", digest(self.timezone()).into()),
            ("servers", digest(self.rendered()).into()),
        ])
    }

    pub(super) fn writes_to(&self) -> Vec<String> {
        let of_zone = self.zone.iter().flat_map(|_| [LOCALTIME, TIMEZONE]);
        let of_servers = (!self.servers.is_empty()).then_some(SERVERS);
        of_zone.chain(of_servers).map(str::to_owned).collect()
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.zone.is_none() && self.servers.is_empty() {
            return Err(InvalidResource::new("/time", "give zone, servers or both"));
        }
        if self.servers.len() > MOST_SERVERS {
            return Err(InvalidResource::new("/time/servers", format!("more than {MOST_SERVERS} servers")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_stand_in_place_of_those_that_other_files_name() {
        let time: Time = serde_json::from_value(serde_json::json!({
            "zone": "Europe/Berlin", "servers": ["ntp.corp.example", "2001:db8::1"],
        }))
        .unwrap();
        assert_eq!(
            time.rendered().unwrap(),
            "# Managed by Muster: time:time\n[Time]\nNTP=\nNTP=ntp.corp.example 2001:db8::1\n"
        );
        assert_eq!(time.localtime().unwrap(), "/usr/share/zoneinfo/Europe/Berlin");
        assert_eq!(time.desired().attributes().unwrap().len(), 3);
    }
}
