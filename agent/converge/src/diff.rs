//! What changes in a text, for people: a unified diff that gives away no secret that it can tell.

use std::fmt::Write as _;
use std::time::Duration;

use muster_proto::plan::MAX_DIFF;
use muster_proto::secret;
use similar::{ChangeTag, TextDiff};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// Texts made to be compared slowly get a coarse diff instead.
const PATIENCE: Duration = Duration::from_millis(100);

/// The unified diff of two texts, cut at [`MAX_DIFF`] bytes; `None` when they say the same, or when one of them holds a private
/// key, of whose lines none tells what it is. A line that looks like a secret stands as a word for what it looks like.
pub fn of_texts(from: &str, to: &str) -> Option<String> {
    let is_key = |text| secret::find(text) == Some(secret::PRIVATE_KEY);
    if from == to || is_key(from) || is_key(to) {
        return None;
    }
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(from, to);
    let mut lines = vec![];
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        lines.push(hunk.header().to_string());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let line = change.value().trim_end_matches('\n');
            let missing = if change.missing_newline() { " (no newline at the end)" } else { "" };
            lines.push(match secret::find(line) {
                Some(what) => format!("{sign}({what}, not shown){missing}"),
                None => format!("{sign}{line}{missing}"),
            });
        }
    }
    Some(cut(&lines))
}

/// The lines that fit, and how many did not.
fn cut(lines: &[String]) -> String {
    /// Room for the line that says what was left out.
    const ROOM: usize = 40;
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        if text.len() + line.len() + ROOM > MAX_DIFF {
            write!(text, " ... ({} more lines)", lines.len() - number).expect("a string takes any text");
            return text;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_stands_between_the_lines_around_it() {
        let from = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let to = from.replace("5\n", "five\n");
        assert_eq!(of_texts(from, &to).unwrap(), "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
        assert_eq!(of_texts(from, from), None);
        assert!(of_texts("a\n", "a").unwrap().ends_with("+a (no newline at the end)\n"));
    }

    #[test]
    fn secrets_are_named_and_not_shown() {
        let diff = of_texts("user=ada\npassword=Tr0ub4dor3\n", "user=ada\npassword=c0rrecthorse\n").unwrap();
        assert!(!diff.contains("Tr0ub4dor3") && !diff.contains("c0rrecthorse"), "{diff}");
        assert!(diff.contains("-(a likely secret, not shown)\n+(a likely secret, not shown)\n"), "{diff}");
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(of_texts(key, "gone\n"), None);
        assert_eq!(of_texts("", key), None);
    }

    #[test]
    fn a_long_diff_is_cut_between_lines_and_says_how_much_is_left_out() {
        let long: String = (0..2_000).map(|n| format!("line {n}\n")).collect();
        let diff = of_texts("", &long).unwrap();
        assert!(diff.len() <= MAX_DIFF, "{}", diff.len());
        let shown = diff.lines().filter(|line| line.starts_with('+')).count();
        assert_eq!(diff.lines().last(), Some(format!(" ... ({} more lines)", 2_000 - shown).as_str()));
        assert!(of_texts("", &"x".repeat(100_000)).unwrap().ends_with("(1 more lines)"));
    }
}
