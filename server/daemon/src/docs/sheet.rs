//! What pages without scripts have around them: the list of pages, and the style.

use super::PAGES;

/// A whole document. `here` is the name of the page that is shown.
pub(crate) fn whole(title: &str, here: &str, body: &str) -> String {
    let pages = PAGES.iter().map(|page| (page.name, format!("/docs/{}", page.name), page.title));
    let install = [("install", "/install".to_owned(), "Install the agent")];
    let links: String =
        pages.chain(install).map(|(name, path, title)| link(name == here, &path, title)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} · Muster</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"/icon.svg\">\n\
         <link rel=\"stylesheet\" href=\"/docs/style.css\">\n</head>\n<body>\n<nav aria-label=\"Documentation\">\n\
         <a class=\"brand\" href=\"/\">Muster</a>\n<ul>\n{links}</ul>\n</nav>\n<main>\n{body}</main>\n</body>\n</html>\n",
        title = escape(title),
    )
}

fn link(is_here: bool, path: &str, title: &str) -> String {
    let current = if is_here { " aria-current=\"page\"" } else { "" };
    format!("<li><a href=\"{path}\"{current}>{}</a></li>\n", escape(title))
}

/// Text as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_end_neither_its_element_nor_its_attribute() {
        assert_eq!(escape("</code>\"&"), "&lt;/code&gt;&quot;&amp;");
    }
}
