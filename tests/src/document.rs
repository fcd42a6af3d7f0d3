//! The documentation as something that is run: its fenced blocks, in order.
//!
//! A block of the language `console` is what a person sees: a prompt such as `root@muster:~# ` before what they type, and
//! below it what they read, where `…` stands for anything. A block whose language is followed by a name is a file of that
//! name. A comment `<!-- run: ... -->` tells a test what the person does that no command does.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// One thing that a reader does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Types a command.
    Command {
        /// The host in the prompt.
        host: String,
        /// What is typed.
        line: String,
        /// What is read then, where `…` stands for anything.
        expected: Vec<String>,
    },
    /// Writes a file.
    File {
        /// Its name.
        name: String,
        /// Its content.
        text: String,
    },
    /// Does something by hand.
    ByHand(String),
}

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence: a language, and perhaps the name of a file.
    pub info: String,
    /// What stands inside.
    pub text: String,
}

/// The documents of a folder, with their names.
pub fn all(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry.context("reading the documents")?.path();
        if path.extension().is_some_and(|end| end == "md") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            documents.push((name, text));
        }
    }
    documents.sort();
    Ok(documents)
}

/// The fenced blocks of a document.
pub fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for event in Parser::new(document) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                open = Some(Block { info: info.into_string(), text: String::new() });
            }
            Event::Text(text) => {
                if let Some(block) = &mut open {
                    block.text.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

/// What a reader of the document does, in order.
pub fn steps(document: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = document;
    // Blocks and comments in the order in which they stand: a comment never stands inside a block.
    while let Some(at) = rest.find("<!-- run: ") {
        let (before, after) = rest.split_at(at);
        steps.extend(steps_of(&blocks(before))?);
        let (comment, after) = after.split_once("-->").context("a comment without an end")?;
        steps.push(Step::ByHand(comment.trim_start_matches("<!-- run: ").trim().to_owned()));
        rest = after;
    }
    steps.extend(steps_of(&blocks(rest))?);
    Ok(steps)
}

/// The commands of `program` in all blocks, as words. What comes after a pipe or a redirection is left out.
pub fn command_lines(document: &str, program: &str) -> Result<Vec<Vec<String>>> {
    let mut found = Vec::new();
    for block in blocks(document).iter().filter(|block| matches!(block.info.as_str(), "" | "sh" | "console"))
    {
        for line in block.text.replace("\\\n", " ").lines() {
            let typed = prompt(line).map_or(line, |(_, typed)| typed);
            if !typed.contains(program) {
                continue;
            }
            let words = shlex::split(typed).with_context(|| format!("{typed:?} is no command line"))?;
            found.extend(commands_in(words, program));
        }
    }
    Ok(found)
}

fn commands_in(words: Vec<String>, program: &str) -> Vec<Vec<String>> {
    let ends = |word: &String| matches!(word.as_str(), "|" | ">" | ">>" | "<" | "&&" | "||" | ";");
    let commands = words.split(ends).map(|command| match command.split_first() {
        Some((sudo, rest)) if sudo == "sudo" => rest,
        _ => command,
    });
    commands
        .filter(|command| command.first().is_some_and(|word| word == program))
        .map(<[String]>::to_vec)
        .collect()
}

fn steps_of(blocks: &[Block]) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for block in blocks {
        match block.info.split_once(' ') {
            Some((_, name)) => {
                steps.push(Step::File { name: name.trim().to_owned(), text: block.text.clone() });
            }
            None if block.info == "console" => steps.extend(typed(&block.text)?),
            None => {}
        }
    }
    Ok(steps)
}

fn typed(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for line in text.lines() {
        if let Some((host, typed)) = prompt(line) {
            steps.push(Step::Command { host: host.to_owned(), line: typed.to_owned(), expected: Vec::new() });
        } else if let Some(Step::Command { expected, .. }) = steps.last_mut() {
            expected.push(line.to_owned());
        } else {
            bail!("{line:?} stands before any prompt");
        }
    }
    Ok(steps)
}

/// The host and what is typed behind a prompt.
fn prompt(line: &str) -> Option<(&str, &str)> {
    let (prompt, typed) = line.split_once(":~# ").or_else(|| line.split_once(":~$ "))?;
    let (user, host) = prompt.split_once('@')?;
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (is_name(user) && is_name(host)).then_some((host, typed))
}

/// Whether the expected lines stand in what was read, in their order; otherwise the first that does not.
pub fn missing<'a>(expected: &'a [String], read: &str) -> Option<&'a str> {
    let mut lines = read.lines();
    expected
        .iter()
        .filter(|line| !line.trim().is_empty() && line.trim() != "…")
        .find(|line| !lines.any(|found| matches(line, found)))
        .map(String::as_str)
}

/// Whether a line is as expected. Spaces are not counted: columns are as wide as what is in them.
fn matches(expected: &str, found: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (expected, found) = (squeezed(expected), squeezed(found));
    let parts: Vec<&str> = expected.split('…').collect();
    let [first, between @ .., last] = &parts[..] else { return expected == found };
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# T\n```console\nroot@muster:~# muster why x | head\nit is …\n```\n<!-- run: clone a b -->\n\
        ```yaml base.yaml\nmuster: 1\n```\n```\nsudo muster-agent plan   # changes nothing\nmuster device list; date\n```\n";

    #[test]
    fn steps_come_in_the_order_of_the_document() {
        let steps = steps(DOCUMENT).unwrap();
        let [Step::Command { host, line, expected }, by_hand, file] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!((host.as_str(), line.as_str()), ("muster", "muster why x | head"));
        assert_eq!(expected, &["it is …"]);
        assert_eq!(by_hand, &Step::ByHand("clone a b".to_owned()));
        assert_eq!(file, &Step::File { name: "base.yaml".to_owned(), text: "muster: 1\n".to_owned() });
    }

    #[test]
    fn commands_are_found_behind_prompts_and_sudo_and_end_at_pipes() {
        assert_eq!(command_lines(DOCUMENT, "muster").unwrap()[0], ["muster", "why", "x"]);
        assert_eq!(command_lines(DOCUMENT, "muster-agent").unwrap(), [["muster-agent", "plan"]]);
    }

    #[test]
    fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
        assert!(matches("until …", "until 2027") && matches("a … c", "a  b  c") && matches("x", "x"));
        assert!(!matches("a", "ab") && !matches("a … c", "a b") && !matches("a … c", "a b cd"));
        assert_eq!(missing(&["b".to_owned(), "a".to_owned()], "a\nb\n"), Some("a"));
    }
}
