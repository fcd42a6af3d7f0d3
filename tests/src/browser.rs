//! A person at the dashboard: a test of `tests/browser` in real Chromium, and the errands that it sends its caller on.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::ADMIN_NAME;
use crate::network::Network;

/// Between two looks at whether there is an errand.
const PAUSE: Duration = Duration::from_millis(50);

/// A walk through the pages, not begun yet. The walk itself is a file of `tests/browser`.
#[derive(Debug)]
pub struct Walk<'n> {
    network: &'n Network,
    command: Command,
    errands: PathBuf,
}

/// What the person gets to hear about an errand.
#[derive(Serialize)]
struct Answer {
    said: String,
    failed: Option<String>,
}

impl<'n> Walk<'n> {
    /// `url` is the admins' listener, `file` the walk, such as `journey.test.mjs`; `password` is that of [`ADMIN_NAME`].
    pub fn prepare(network: &'n Network, url: &str, file: &str, password: &str) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
        ensure!(
            folder.join("node_modules").is_dir(),
            "run `npm ci` in {} first, or `make test`",
            folder.display()
        );
        let errands = network.folder().join("errands");
        fs::create_dir_all(&errands).context("making the folder of errands")?;
        // By its whole path: entering the network's namespaces leaves the working folder behind.
        let test = folder.join(file);
        let mut command = network.command(["node".as_ref(), "--test".as_ref(), test.as_os_str()]);
        let log = fs::File::options().create(true).append(true).open(log(network))?;
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", network.folder())
            .env("BASE_URL", url)
            .env("ADMIN_NAME", ADMIN_NAME)
            .env("ADMIN_PASSWORD", password)
            .env("ERRANDS", &errands)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing the log")?)
            .stderr(log);
        if let Some(images) = std::env::var_os("MUSTER_IMAGES") {
            command.env("IMAGES", images);
        }
        Ok(Self { network, command, errands })
    }

    /// Tells the walk something more.
    pub fn tell(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Begins it and waits for its end within `limit`, doing meanwhile what `between` does at each look.
    pub fn run(mut self, limit: Duration, mut between: impl FnMut() -> Result<()>) -> Result<()> {
        let mut child = self.command.spawn().context("starting the browser test")?;
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().context("asking after the browser test")? {
                let said = fs::read_to_string(log(self.network)).unwrap_or_default();
                ensure!(status.success(), "the browser test failed ({status}): {said}");
                return Ok(());
            }
            if began.elapsed() > limit {
                child.kill().context("ending the browser test")?;
                let said = fs::read_to_string(log(self.network)).unwrap_or_default();
                bail!("the browser test did not end within {} s: {said}", limit.as_secs());
            }
            between()?;
            std::thread::park_timeout(PAUSE);
        }
    }

    /// The same with errands: `serve` does one and gives back what is said to the person. What fails is said too, and fails
    /// the walk where it was asked for.
    pub fn run_with_errands<T: DeserializeOwned>(
        self,
        limit: Duration,
        mut serve: impl FnMut(T) -> Result<String>,
    ) -> Result<()> {
        let errands = self.errands.clone();
        let mut next = 1_u32;
        self.run(limit, || {
            let Some(text) = asked(&errands.join(format!("{next}.json")))? else { return Ok(()) };
            let done = serde_json::from_str(&text).context("reading an errand").and_then(&mut serve);
            let answer = match done {
                Ok(said) => Answer { said, failed: None },
                Err(error) => Answer { said: String::new(), failed: Some(format!("{error:#}")) },
            };
            let (part, whole) = (errands.join("answer.part"), errands.join(format!("{next}.answer")));
            fs::write(&part, serde_json::to_string(&answer)?).context("answering an errand")?;
            fs::rename(&part, &whole).context("answering an errand")?;
            next += 1;
            Ok(())
        })
    }
}

fn log(network: &Network) -> PathBuf {
    network.folder().join("browser.log")
}

fn asked(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("reading what the browser test asks for"),
    }
}
