//! Notices units that start or stop: systemd's own signals over D-Bus.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use anyhow::Result;
use futures_util::StreamExt as _;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::resource::Resource;
use muster_proto::resource::mount::Mount;
use muster_proto::resource::timer::Timer;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::host::systemd;

/// Signals that may wait; when more come at once the oldest are dropped, and one is enough to wake the loop.
const QUEUE: NonZeroUsize = NonZeroUsize::new(16).expect("16 is not 0");

const SYSTEMD: &str = "org.freedesktop.systemd1";
const UNITS: &str = "/org/freedesktop/systemd1/unit";

/// The units watched now.
pub(super) struct Units {
    bus: Connection,
    signals: MessageStream,
    /// Tells when systemd takes another name, which it does when it starts itself anew.
    renamed: MessageStream,
    watched: BTreeSet<String>,
}

impl Units {
    /// Asks systemd to send signals.
    pub(super) async fn start() -> Result<Self> {
        let bus = Connection::system().await?;
        let manager = "org.freedesktop.systemd1.Manager";
        bus.call_method(Some(SYSTEMD), "/org/freedesktop/systemd1", Some(manager), "Subscribe", &()).await?;
        Self::on(bus).await
    }

    async fn on(bus: Connection) -> Result<Self> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg(0, SYSTEMD)
            .build()?;
        let renamed = MessageStream::for_match_rule(rule, &bus, Some(QUEUE)).await?;
        let signals = listen(&bus).await?;
        Ok(Self { bus, signals, renamed, watched: BTreeSet::new() })
    }

    /// Watches the units that the composition has a wish about.
    pub(super) fn follow(&mut self, composition: &Composition) {
        self.watched = composition
            .claims
            .values()
            .filter_map(|claim| match &claim.claimed {
                Claimed::Apply(resource) => unit_of(resource).map(|unit| object_path(&unit)),
                _ => None,
            })
            .collect();
    }

    /// Waits until something changed at a watched unit; `None` when the bus is gone.
    pub(super) async fn changed(&mut self) -> Option<()> {
        loop {
            tokio::select! {
                signal = self.signals.next() => {
                    let Ok(signal) = signal? else { continue };
                    if signal.header().path().is_some_and(|path| self.watched.contains(path.as_str())) {
                        return Some(());
                    }
                }
                renamed = self.renamed.next() => {
                    let Ok(renamed) = renamed? else { continue };
                    // Until it has a name again there is nobody to listen to.
                    if has_owner(&renamed) {
                        // A full queue would keep the answers from being read.
                        self.drain();
                        self.signals = listen(&self.bus).await.ok()?;
                        return Some(());
                    }
                }
            }
        }
    }

    /// Forgets the signals that have come up to now, such as those of the agent's own restarts; whether one was of a watched
    /// unit.
    pub(super) fn drain(&mut self) -> bool {
        let mut any = false;
        while let Some(Some(signal)) = futures_util::FutureExt::now_or_never(self.signals.next()) {
            any |= signal.is_ok_and(|signal| {
                signal.header().path().is_some_and(|path| self.watched.contains(path.as_str()))
            });
        }
        any
    }
}

fn unit_of(resource: &Resource) -> Option<String> {
    match resource {
        Resource::Service(service) => Some(service.unit()),
        Resource::Timer(timer) => Some(Timer::timer_unit(timer.name.as_str())),
        Resource::Mount(mount) => Some(Mount::unit(mount.place.as_str())),
        _ => None,
    }
}

/// Listens to systemd, and to nobody who only says so: each signal costs a turn.
async fn listen(bus: &Connection) -> Result<MessageStream> {
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(systemd::owner(bus).await?)
        .interface("org.freedesktop.DBus.Properties")
        .member("PropertiesChanged")
        .path_namespace(UNITS)
        .arg(0, "org.freedesktop.systemd1.Unit")
        .build()?;
    Ok(MessageStream::for_match_rule(rule, bus, Some(QUEUE)).await?)
}

fn has_owner(changed: &Message) -> bool {
    let body = changed.body();
    body.deserialize::<(&str, &str, &str)>().is_ok_and(|(_, _, new)| !new.is_empty())
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
    use std::time::Duration;

    use super::*;
    use crate::host::systemd::tests::Bus;

    async fn say_changed(from: &Connection, to: Option<&Connection>, unit: &str) {
        let to = to.map(|to| to.unique_name().unwrap().as_str());
        let properties = "org.freedesktop.DBus.Properties";
        from.emit_signal(to, unit, properties, "PropertiesChanged", &("org.freedesktop.systemd1.Unit",))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_unit_changed_when_systemd_says_so_also_after_it_started_anew() {
        let bus = Bus::start();
        let (systemd, forger, agent) = (bus.systemd().await, bus.connect().await, bus.connect().await);
        let unit = object_path("nginx.service");
        let mut units = Units::on(agent.clone()).await.unwrap();
        units.watched.insert(unit.clone());
        let mut changes = async || tokio::time::timeout(Duration::from_secs(1), units.changed()).await.ok();
        for _ in 0..100 {
            say_changed(&forger, Some(&agent), &unit).await;
        }
        assert_eq!(changes().await, None, "someone else said so");
        say_changed(&systemd, None, &unit).await;
        assert_eq!(changes().await, Some(Some(())));
        systemd.release_name(SYSTEMD).await.unwrap();
        let anew = bus.systemd().await;
        assert_eq!(changes().await, Some(Some(())), "what happened in between was not heard");
        say_changed(&anew, None, &unit).await;
        assert_eq!(changes().await, Some(Some(())));
    }

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
