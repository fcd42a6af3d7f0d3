//! Renders `docs/*.md`, in the order in which they are read, and `docs/kinds/*.md` into one Rust file with two lists of pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// The pages, in the order of the list beside them. A file that is not named here fails the build.
const ORDER: [&str; 8] =
    ["start", "concepts", "profiles", "day", "administering", "operations", "security", "comparison"];

pub(super) fn render() -> io::Result<()> {
    let folder = Path::new("../../docs");
    println!("cargo::rerun-if-changed={}", folder.display());
    println!("cargo::rerun-if-changed=build/docs.rs");
    let mut texts = read(folder)?;
    let mut list = String::from("const PAGES: &[Page] = &[\n");
    for name in ORDER {
        let Some(text) = texts.remove(name) else {
            return Err(io::Error::other(format!("docs/{name}.md is missing")));
        };
        push(&mut list, name, &text)?;
    }
    if let Some((name, _)) = texts.first_key_value() {
        return Err(io::Error::other(format!(
            "docs/{name}.md is in no list: add it to server/daemon/build/docs.rs"
        )));
    }
    list.push_str("];\nconst KINDS: &[Page] = &[\n");
    for (name, text) in read(&folder.join("kinds"))? {
        push(&mut list, &name, &text)?;
    }
    list.push_str("];\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("no OUT_DIR"))?;
    fs::write(out.join("docs.rs"), list)
}

fn push(list: &mut String, name: &str, text: &str) -> io::Result<()> {
    let (title, body) = page(text);
    writeln!(list, "Page {{ name: {name:?}, title: {title:?}, body: {body:?} }},").map_err(io::Error::other)
}

fn read(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "md")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            texts.insert(name.to_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(texts)
}

/// The page's title and its HTML.
fn page(text: &str) -> (String, String) {
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let mut title = String::new();
    for at in 0..events.len() {
        let heading =
            matches!(&events[at], Event::Start(Tag::Heading { .. })).then(|| heading_text(&events[at..]));
        match (&mut events[at], heading) {
            (Event::Start(Tag::Heading { id, .. }), Some(heading)) => {
                *id = Some(CowStr::from(anchor(&heading)));
                if title.is_empty() {
                    title = heading;
                }
            }
            (Event::Start(Tag::Link { dest_url, .. }), _) => *dest_url = CowStr::from(served(dest_url)),
            _ => {}
        }
    }
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    (title, body)
}

fn heading_text(events: &[Event<'_>]) -> String {
    let inside = events.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inside
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect()
}

/// As forges name headings, so that links work there too.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A link to another file of these leads to the page of the same name.
fn served(link: &str) -> String {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    match (path.strip_suffix(".md"), anchor) {
        (Some(page), Some(anchor)) => format!("{page}#{anchor}"),
        (Some(page), None) => page.to_owned(),
        (None, _) => link.to_owned(),
    }
}
