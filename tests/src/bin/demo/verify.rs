//! What the profiles promise, looked for on the devices themselves and not in what they report.

use anyhow::{Context as _, Result};
use muster_tests::Device;

use crate::company::Company;

/// What is not as promised, one line each; empty when all is well.
pub(crate) fn verify(company: &Company<'_>, devices: &[Device<'_>]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for device in devices {
        for package in ["curl", "jq", "muster-hello"] {
            expect(
                &mut problems,
                device,
                &["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                "installed",
            )?;
        }
        expect(&mut problems, device, &["cat", "/etc/motd"], "Property of Example Corp. Use is recorded.")?;
        expect(&mut problems, device, &["systemctl", "is-active", "muster-agent"], "active")?;
        expect(&mut problems, device, &["systemctl", "is-system-running"], "running")?;
    }
    laptop(&mut problems, company, named(devices, "lap-ada")?)?;
    web_server(&mut problems, named(devices, "srv-web")?)?;
    Ok(problems)
}

fn laptop(problems: &mut Vec<String>, company: &Company<'_>, device: &Device<'_>) -> Result<()> {
    let entry = device.exec(["getent", "passwd", "ada"])?;
    if !entry.line().starts_with("ada:") || !entry.line().ends_with("/bin/bash") {
        problems.push(format!("{}: getent passwd ada says `{}`", device.name(), entry.line()));
        return Ok(());
    }
    expect(problems, device, &["stat", "-c", "%U %G %a", "/srv/build"], "root engineers 2775")?;
    let groups = device.exec(["id", "-nG", "ada"])?;
    if !groups.line().split(' ').any(|group| group == "engineers") {
        problems.push(format!("{}: ada is in `{}`, not in engineers", device.name(), groups.line()));
    }
    let password = company.reveal_password(device.name(), "ada").context("revealing ada's first password")?;
    if let Err(error) = sudo_as_ada(device, &password) {
        problems.push(format!("{}: sudo as ada: {error:#}", device.name()));
    }
    Ok(())
}

/// Uses the sudo rule as ada does on her first day: sudo takes her first-login password and makes her choose
/// another. A command that the rule does not name stays forbidden.
fn sudo_as_ada(device: &Device<'_>, password: &str) -> Result<()> {
    let chosen = "Quince-7-harbour-elm";
    let restart = ["/usr/bin/systemctl", "restart", "cron.service"];
    let before = device.exec(["systemctl", "show", "--value", "-p", "MainPID", "cron"])?.ok()?;
    sudo(device, &format!("{password}\n{password}\n{chosen}\n{chosen}\n"), &restart)?.ok()?;
    let after = device.exec(["systemctl", "show", "--value", "-p", "MainPID", "cron"])?.ok()?;
    anyhow::ensure!(before.line() != after.line(), "cron was not restarted");
    let forbidden = sudo(device, &format!("{chosen}\n"), &["/usr/bin/id"])?;
    anyhow::ensure!(!forbidden.success(), "sudo ran a command that no rule names");
    Ok(())
}

fn sudo(device: &Device<'_>, input: &str, argv: &[&str]) -> Result<muster_tests::Output> {
    let words = [&["runuser", "-u", "ada", "--", "sudo", "-S", "-k"], argv].concat();
    device.exec_with_input(words, input)
}

fn web_server(problems: &mut Vec<String>, device: &Device<'_>) -> Result<()> {
    expect(problems, device, &["systemctl", "is-active", "nginx"], "active")?;
    let page = device.exec(["curl", "-sS", "http://127.0.0.1/"])?;
    if !page.stdout.contains("Example Corp on srv-web") {
        problems.push(format!(
            "{}: the web server serves `{}{}`",
            device.name(),
            page.line(),
            page.stderr.trim()
        ));
    }
    Ok(())
}

fn expect(problems: &mut Vec<String>, device: &Device<'_>, argv: &[&str], wanted: &str) -> Result<()> {
    let output = device.exec(argv)?;
    if output.line() != wanted {
        let said = format!("{} {}", output.line(), output.stderr.trim());
        problems.push(format!(
            "{}: `{}` says `{}`, not `{wanted}`",
            device.name(),
            argv.join(" "),
            said.trim()
        ));
    }
    Ok(())
}

fn named<'a, 'n>(devices: &'a [Device<'n>], name: &str) -> Result<&'a Device<'n>> {
    devices
        .iter()
        .find(|device| device.name() == name)
        .with_context(|| format!("{name} is not one of the devices"))
}
