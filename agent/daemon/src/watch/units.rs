//! Notices units that start or stop: systemd's own signals over D-Bus.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use futures_util::StreamExt as _;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::resource::Resource;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

/// Signals that may wait; when more come at once the oldest are dropped, and one is enough to wake the loop.
const QUEUE: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");

const SYSTEMD: &str = "org.freedesktop.systemd1";
const UNITS: &str = "/org/freedesktop/systemd1/unit";

/// The units watched now.
pub(super) struct Units {
    signals: MessageStream,
    watched: BTreeSet<String>,
}

impl Units {
    /// Asks systemd to send signals.
    pub(super) async fn start() -> zbus::Result<Self> {
        let bus = Connection::system().await?;
        let manager = "org.freedesktop.systemd1.Manager";
        bus.call_method(Some(SYSTEMD), "/org/freedesktop/systemd1", Some(manager), "Subscribe", &()).await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(SYSTEMD)
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .path_namespace(UNITS)
            .arg(0, "org.freedesktop.systemd1.Unit")
            .build()?;
        let signals = MessageStream::for_match_rule(rule, &bus, Some(QUEUE)).await?;
        Ok(Self { signals, watched: BTreeSet::new() })
    }

    /// Watches the units of the composition's services.
    pub(super) fn follow(&mut self, composition: &Composition) {
        self.watched = composition
            .claims
            .values()
            .filter_map(|claim| match &claim.claimed {
                Claimed::Apply(Resource::Service(service)) => Some(object_path(&service.unit())),
                _ => None,
            })
            .collect();
    }

    /// Waits until something changed at a watched unit; `None` when the bus is gone.
    pub(super) async fn changed(&mut self) -> Option<()> {
        while let Some(signal) = self.signals.next().await {
            let Ok(signal) = signal else { continue };
            if signal.header().path().is_some_and(|path| self.watched.contains(path.as_str())) {
                return Some(());
            }
        }
        None
    }

    /// Forgets the signals that have come up to now, such as those of the agent's own restarts.
    pub(super) fn drain(&mut self) {
        while let Some(Some(_)) = futures_util::FutureExt::now_or_never(self.signals.next()) {}
    }
}

/// The path under which systemd shows a unit: whatever is not a letter or digit as `_` and two hex digits
/// (`sd_bus_path_encode(3)`), and so a leading digit.
fn object_path(unit: &str) -> String {
    let mut path = format!("{UNITS}/");
    for (index, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_watched_under_the_path_that_systemd_gives_it() {
        assert_eq!(object_path("nginx.service"), "/org/freedesktop/systemd1/unit/nginx_2eservice");
        assert_eq!(
            object_path("getty@tty1.service"),
            "/org/freedesktop/systemd1/unit/getty_40tty1_2eservice"
        );
        assert_eq!(object_path("3proxy.service"), "/org/freedesktop/systemd1/unit/_33proxy_2eservice");
    }
}
