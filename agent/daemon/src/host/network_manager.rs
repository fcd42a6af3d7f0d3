//! NetworkManager over D-Bus: told of profiles that changed in its folder. It lets root do all of this.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use zbus::{Connection, Message, OwnedObjectPath, OwnedVariant};

use super::systemd::Systemd;

const BUS: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const SETTINGS_PATH: &str = "/org/freedesktop/NetworkManager/Settings";
const SETTINGS: &str = "org.freedesktop.NetworkManager.Settings";
const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
const ACTIVE: &str = "org.freedesktop.NetworkManager.Connection.Active";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// What NetworkManager calls it that there is no such device, or none that a profile fits.
const UNKNOWN_DEVICE: &str = "org.freedesktop.NetworkManager.UnknownDevice";
/// How long it may take to answer. It answers before a network is up.
const ANSWER: Duration = Duration::from_secs(30);
/// To NetworkManager: whatever fits.
const ANY: &str = "/";

/// NetworkManager, by the connection that systemd is asked over.
#[derive(Debug)]
pub(crate) struct NetworkManager(Connection);

impl NetworkManager {
    pub(crate) async fn at(systemd: &mut Systemd) -> Result<Self> {
        systemd.connection().await.map(Self)
    }

    /// Has it read one profile. An error where it can't make sense of it.
    pub(crate) async fn load(&self, file: &str) -> Result<()> {
        let reply = self.call(SETTINGS_PATH, SETTINGS, "LoadConnections", &(vec![file],)).await?;
        let (_, failed): (bool, Vec<String>) = reply.body().deserialize().context("reading its answer")?;
        ensure!(
            failed.is_empty(),
            "NetworkManager does not take {file}: `journalctl -u NetworkManager` on the device says why"
        );
        Ok(())
    }

    /// Has it look which of its profiles are gone.
    pub(crate) async fn reload(&self) -> Result<()> {
        self.call(SETTINGS_PATH, SETTINGS, "ReloadConnections", &()).await.map(drop)
    }

    /// Has an interface set up by a profile, now: a pattern means whichever fits. Where there is no such interface that is for
    /// when it comes.
    pub(crate) async fn activate(&self, uuid: &str, interface: &str) -> Result<()> {
        let device = if interface.contains('*') { None } else { self.device(interface).await? };
        if let Some(device) = &device {
            let is_managed: bool = self.property(device.as_str(), DEVICE, "Managed").await?;
            ensure!(
                is_managed,
                "NetworkManager leaves {interface} alone on this device, for which `nmcli device show {interface}` and \
                 /etc/network/interfaces may say why: have it manage the interface, or set it up by `manager: networkd`"
            );
        } else if !interface.contains('*') {
            return Ok(());
        }
        self.activate_on(uuid, device.as_ref().map_or(ANY, |device| device.as_str())).await
    }

    /// Has the interface of a profile made and set up, which is nobody else's.
    pub(crate) async fn activate_new(&self, uuid: &str) -> Result<()> {
        self.activate_on(uuid, ANY).await
    }

    /// As [`NetworkManager::activate`], where the profile is in use, and nothing else otherwise.
    pub(crate) async fn activate_again(&self, uuid: &str) -> Result<()> {
        let active: Vec<OwnedObjectPath> = self.property(PATH, BUS, "ActiveConnections").await?;
        for one in active {
            // One that ended since it was listed is not in use.
            if self.property::<String>(one.as_str(), ACTIVE, "Uuid").await.is_ok_and(|used| used == uuid) {
                return self.activate_on(uuid, ANY).await;
            }
        }
        Ok(())
    }

    async fn activate_on(&self, uuid: &str, device: &str) -> Result<()> {
        let reply = self.call(SETTINGS_PATH, SETTINGS, "GetConnectionByUuid", &(uuid,)).await?;
        let profile: OwnedObjectPath = reply.body().deserialize().context("reading its answer")?;
        let path = |text: &str| OwnedObjectPath::try_from(text.to_owned()).context("a path of D-Bus");
        let arguments = (profile, path(device)?, path(ANY)?);
        match self.send(PATH, BUS, "ActivateConnection", &arguments).await? {
            Ok(_) => Ok(()),
            Err(zbus::Error::MethodError(name, ..)) if name.as_str() == UNKNOWN_DEVICE => Ok(()),
            Err(error) => Err(said("ActivateConnection", error)),
        }
    }

    async fn device(&self, interface: &str) -> Result<Option<OwnedObjectPath>> {
        match self.send(PATH, BUS, "GetDeviceByIpIface", &(interface,)).await? {
            Ok(reply) => reply.body().deserialize().map(Some).context("reading its answer"),
            Err(zbus::Error::MethodError(name, ..)) if name.as_str() == UNKNOWN_DEVICE => Ok(None),
            Err(error) => Err(said("GetDeviceByIpIface", error)),
        }
    }

    async fn property<T>(&self, path: &str, interface: &str, name: &str) -> Result<T>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: Into<zbus::Error>,
    {
        let reply = self.call(path, PROPERTIES, "Get", &(interface, name)).await?;
        let value: OwnedVariant = reply.body().deserialize().with_context(|| format!("reading {name}"))?;
        value.try_into().map_err(Into::into).with_context(|| format!("reading {name}"))
    }

    async fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> Result<Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.send(path, interface, method, body).await?.map_err(|error| said(method, error))
    }

    async fn send<B>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<zbus::Result<Message>>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let sent = self.0.call_method(Some(BUS), path, Some(interface), method, body);
        match tokio::time::timeout(ANSWER, sent).await {
            Ok(reply) => Ok(reply),
            Err(_) => bail!("NetworkManager did not answer {method} within {} s", ANSWER.as_secs()),
        }
    }
}

/// The words of NetworkManager are for people; the name of its error is not.
fn said(method: &str, error: zbus::Error) -> anyhow::Error {
    match error {
        zbus::Error::MethodError(_, Some(said), _) => anyhow::anyhow!("NetworkManager says: {said}"),
        error => anyhow::Error::new(error).context(format!("asking NetworkManager for {method}")),
    }
}
