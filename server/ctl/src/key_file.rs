//! Files of SSH public keys: what `ssh-keygen` writes beside a key, or a list of such lines.

use std::fs::File;
use std::io::Read;

use crate::failure::Failure;

/// The largest such file; a key is some hundred bytes.
const MAX: u64 = 64 * 1024;

/// The keys in a file, or in standard input when it is called `-`; empty lines and comments are passed over.
pub(crate) fn read(name: &str) -> Result<Vec<String>, Failure> {
    let unread = |error| Failure::new(format!("can't read SSH keys from {name}")).because(error);
    let mut text = String::new();
    let mut input: Box<dyn Read> = match name {
        "-" => Box::new(std::io::stdin().lock()),
        name => Box::new(File::open(name).map_err(unread)?),
    };
    input.by_ref().take(MAX).read_to_string(&mut text).map_err(unread)?;
    let keys = keys(&text).map_err(|what| {
        Failure::new(format!("{name} {what}")).next("give the public one, such as ~/.ssh/id_ed25519.pub")
    })?;
    if keys.is_empty() {
        return Err(Failure::new(format!("{name} holds no key")));
    }
    Ok(keys)
}

fn keys(text: &str) -> Result<Vec<String>, &'static str> {
    if text.contains("PRIVATE KEY") {
        return Err("is a private key, which nobody else should have");
    }
    let lines = text.lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_passed_over_and_a_private_key_never_leaves() {
        assert_eq!(keys("# ada\n\nssh-ed25519 AAAA ada\r\n").unwrap(), ["ssh-ed25519 AAAA ada"]);
        assert!(keys("-----BEGIN OPENSSH PRIVATE KEY-----\n").is_err());
    }
}
