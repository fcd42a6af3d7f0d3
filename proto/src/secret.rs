//! Private keys and likely secrets in a text. Few false alarms matter more than finding everything: a refusal that is
//! wrong has no way around it.

/// Tokens that services give out with a prefix made to be found, and the least that follows it.
const PREFIXES: [(&str, usize, &str); 10] = [
    ("AKIA", 16, "an AWS access key"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("github_pat_", 22, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("sk_live_", 24, "a Stripe key"),
    ("muster-", 43, "a Muster token"),
];

/// What [`find`] says of a private key, which is more than one line.
pub const PRIVATE_KEY: &str = "a private key";

/// Names whose value is a secret when it is written out.
const NAMES: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key"];

/// What secret the text holds, if any.
pub fn find(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN ")
        && (text.contains("PRIVATE KEY-----") || text.contains("PRIVATE KEY BLOCK-----"))
    {
        return Some(PRIVATE_KEY);
    }
    PREFIXES
        .iter()
        .find_map(|(prefix, least, what)| has_token(text, prefix, *least).then_some(*what))
        .or_else(|| text.lines().find_map(in_line))
}

fn has_token(text: &str, prefix: &str, least: usize) -> bool {
    text.match_indices(prefix).any(|(at, _)| {
        let begins = text[..at].chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric());
        let rest = text[at + prefix.len()..].chars();
        begins && rest.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).count() >= least
    })
}

fn in_line(line: &str) -> Option<&'static str> {
    if ["$6$", "$y$", "$5$", "$2b$", "$2y$", "$argon2id$"].iter().any(|kind| has_hash(line, kind)) {
        return Some("a password hash");
    }
    if has_address_with_password(line) {
        return Some("an address with a password in it");
    }
    let (name, value) = line.split_once(['=', ':'])?;
    let name = name.trim().trim_matches(['"', '\'']).to_ascii_lowercase().replace('-', "_");
    let last = name.rsplit([' ', '.', '\t']).next().unwrap_or_default();
    let named = NAMES.iter().any(|n| last == *n || last.ends_with(&format!("_{n}")));
    (named
        && is_written_out(value.trim().trim_end_matches([';', ',']))
        && !line.trim_start().starts_with('#'))
    .then_some("a likely secret")
}

fn has_hash(line: &str, kind: &str) -> bool {
    line.find(kind).is_some_and(|at| {
        line[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "$./=,+".contains(*c)).count() >= 30
    })
}

fn has_address_with_password(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        let login = authority.rsplit_once('@').map(|(login, _)| login);
        login.and_then(|login| login.split_once(':')).is_some_and(|(_, password)| is_written_out(password))
    })
}

/// Whether a value is the secret itself: one word of some length, not a reference to a file, variable or parameter.
fn is_written_out(value: &str) -> bool {
    let quoted = value.len() >= 2 && value.starts_with(['"', '\'']);
    let value = value.trim_matches(['"', '\'']);
    let refers = value.starts_with(['/', '$', '<', '{', '%', '@']) || value.contains("{{");
    let words: [&str; 8] =
        ["required", "optional", "sufficient", "disabled", "enabled", "prompt", "changeme", "keyring"];
    let one_word = !value.contains(char::is_whitespace);
    let mixed = value.chars().any(|c| c.is_ascii_digit()) && value.chars().any(|c| c.is_ascii_alphabetic());
    value.len() >= 8 && one_word && !refers && !words.contains(&value) && (mixed || quoted)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn secrets_are_found() {
        for text in [
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
            "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
            "url = https://bot:hunter2hunter2@git.example.com/x",
            "password=Tr0ub4dor3",
            "  db_password: \"correct-horse\"",
            "API-KEY = 9f8e7d6c5b4a",
            "root:$6$saltsalt$abcdefghijklmnopqrstuvwxyz0123456789:19000::::::",
            "glpat-abcdefghij0123456789",
        ] {
            assert!(find(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_only_speaks_of_secrets_is_left_alone() {
        for text in [
            "password required pam_unix.so obscure sha512",
            "password: first-login",
            "# password = Tr0ub4dor3",
            "token_file=/run/secrets/token",
            "password = ${DB_PASSWORD}",
            "passwd: files systemd",
            "PasswordAuthentication no",
            "secret={{ param.secret }}",
            "https://user@example.com/path",
            "https://example.com:8443/a:b@c",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
            "SELECT username FROM shadow WHERE password_status = 'empty'",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
