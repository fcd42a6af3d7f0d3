//! Against a bus of their own, on which something else plays systemd.

use std::process::{Child, Command};

use zbus::message::Type;

use super::*;

const JOB_PATH: &str = "/org/freedesktop/systemd1/job/7";

/// A bus that ends with the test.
pub(crate) struct Bus {
    daemon: Child,
    folder: tempfile::TempDir,
}

impl Bus {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        let text = format!(
            r#"<busconfig><type>system</type><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>
               <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
               <allow receive_sender="*"/></policy></busconfig>"#,
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile"])
            .spawn()
            .unwrap();
        Self { daemon, folder }
    }

    pub(crate) async fn connect(&self) -> Connection {
        let address = format!("unix:path={}/bus", self.folder.path().display());
        let mut wait = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..500 {
            wait.tick().await;
            if let Ok(connection) = zbus::connection::Builder::address(address.as_str()).build().await {
                return connection;
            }
        }
        panic!("the bus does not start");
    }

    /// A connection that has systemd's name.
    pub(crate) async fn systemd(&self) -> Connection {
        let systemd = self.connect().await;
        systemd.request_name(BUS).await.unwrap();
        systemd
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

async fn say_ended(from: &Connection, to: Option<&Connection>, result: &str) {
    let to = to.map(|to| to.unique_name().unwrap().as_str());
    let job = ObjectPath::try_from(JOB_PATH).unwrap();
    from.emit_signal(to, MANAGER_PATH, MANAGER, "JobRemoved", &(7_u32, job, "x.service", result))
        .await
        .unwrap();
}

fn job() -> OwnedObjectPath {
    JOB_PATH.try_into().unwrap()
}

#[tokio::test]
async fn only_systemd_is_believed_that_a_job_has_ended_however_often_others_say_it() {
    let bus = Bus::start();
    let (systemd, forger, agent) = (bus.systemd().await, bus.connect().await, bus.connect().await);
    let mut jobs = Systemd(Some(agent.clone())).jobs().await.unwrap();
    for _ in 0..300 {
        say_ended(&forger, Some(&agent), "done").await;
    }
    let early = jobs.wait(&job(), Duration::from_millis(500)).await.unwrap_err();
    assert!(early.to_string().contains("not done"), "{early:#}");
    say_ended(&systemd, None, "failed").await;
    assert_eq!(jobs.wait(&job(), Duration::from_secs(20)).await.unwrap(), "failed");
}

#[tokio::test]
async fn a_job_whose_end_was_not_heard_is_asked_after() {
    let bus = Bus::start();
    let (systemd, agent) = (bus.systemd().await, bus.connect().await);
    let mut jobs = Systemd(Some(agent)).jobs().await.unwrap();
    let mut calls = MessageStream::from(&systemd);
    let answer = async {
        while let Some(Ok(message)) = calls.next().await {
            if message.message_type() == Type::MethodCall {
                let error = "org.freedesktop.DBus.Error.UnknownObject";
                systemd.reply_error(&message.header(), error, &"no such job").await.unwrap();
            }
        }
    };
    let job = job();
    let ended = tokio::select! {
        ended = jobs.wait(&job, Duration::from_secs(30)) => ended,
        () = answer => panic!("the bus went away"),
    };
    assert_eq!(ended.unwrap(), UNKNOWN);
}

#[tokio::test]
async fn hostnamed_is_told_the_running_name() {
    let bus = Bus::start();
    let (hostnamed, agent) = (bus.connect().await, bus.connect().await);
    hostnamed.request_name("org.freedesktop.hostname1").await.unwrap();
    let mut calls = MessageStream::from(&hostnamed);
    let answer = async {
        while let Some(Ok(message)) = calls.next().await {
            if message.message_type() == Type::MethodCall {
                let said: (String, bool) = message.body().deserialize().unwrap();
                hostnamed.reply(&message.header(), &()).await.unwrap();
                return said;
            }
        }
        panic!("the bus went away")
    };
    let mut systemd = Systemd(Some(agent));
    let (set, said) = tokio::join!(systemd.set_hostname("web"), answer);
    set.unwrap();
    assert_eq!(said, ("web".to_owned(), false), "nobody is asked for a password");
}
