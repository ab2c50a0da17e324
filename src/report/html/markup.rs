//! HTML, composed piece by piece. Markup is `&'static str`: text from a node can only get in escaped.

use super::super::sanitise::line;

/// Longer text is broken anywhere: it has to fit on a phone.
const LONGEST_UNBROKEN: usize = 30;

#[derive(Default)]
pub(super) struct Markup(String);

impl Markup {
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text between tags or inside an attribute's double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&escape(text));
        self
    }

    /// Text between two pieces of markup, and a newline.
    pub(super) fn wrapped(&mut self, before: &'static str, text: &str, after: &'static str) -> &mut Self {
        self.raw(before).text(text).raw(after).raw("\n")
    }

    /// Text whose names and dates are not broken at their hyphens.
    pub(super) fn unbroken(&mut self, text: &str) -> &mut Self {
        for (index, word) in line(text).split(' ').enumerate() {
            self.raw(if index > 0 { " " } else { "" });
            if word.contains('-') && word.len() <= LONGEST_UNBROKEN {
                self.raw("<span class=\"nb\">").text(word).raw("</span>");
            } else {
                self.text(word);
            }
        }
        self
    }

    pub(super) fn piece(&mut self, piece: &Self) -> &mut Self {
        self.0.push_str(&piece.0);
        self
    }

    /// The same with another name for each of its parts, so that a file may hold several of a kind. Text has no quotes in it
    /// that could be taken for those of an attribute.
    pub(super) fn renamed(&self, prefix: &str) -> Self {
        let prefix = escape(prefix);
        let rename = |page: String, attribute: &str| page.replace(attribute, &format!("{attribute}{prefix}"));
        Self(["id=\"", "href=\"#", "labelledby=\""].into_iter().fold(self.0.clone(), rename))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Text as HTML: first sanitised as for a terminal, then with HTML's special characters escaped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_to_a_browser_is_escaped() {
        assert_eq!(escape("<b>\"&'</b>"), "&lt;b&gt;&quot;&amp;&#39;&lt;/b&gt;");
        assert_eq!(escape("&amp;"), "&amp;amp;");
        assert_eq!(escape("CN=Zürich"), "CN=Zürich");
    }

    #[test]
    fn what_means_something_to_a_terminal_is_shown() {
        assert_eq!(escape("a\u{1b}[31m\u{0}\n\u{202e}<"), "a\\u{1b}[31m\\u{0}\\u{a}\\u{202e}&lt;");
        assert_eq!(escape(&"<".repeat(10_000)).matches("&lt;").count(), 600);
    }

    #[test]
    fn parts_are_renamed_and_text_is_not() {
        let mut page = Markup::default();
        page.raw("<p id=\"a\">").wrapped("<a href=\"#a\">", "id=\"b\"", "</a></p>");
        let expected = "<p id=\"n2-a\"><a href=\"#n2-a\">id=&quot;b&quot;</a></p>\n";
        assert_eq!(page.renamed("n2-").into_string(), expected);
    }

    #[test]
    fn text_stays_inside_of_an_attribute() {
        let mut page = Markup::default();
        page.raw("<a title=\"").text("\" onload=\"x").raw("\">");
        assert_eq!(page.into_string(), "<a title=\"&quot; onload=&quot;x\">");
    }
}
