//! An SVG writer: elements, escaping, colours, and estimated text widths.

use std::fmt::Write as _;

/// Styles for light and dark. Text has a contrast of at least 6:1 on the background in both (WCAG 2.2, 1.4.3 requires
/// 4.5:1), lines and bars at least 3:1 (1.4.11), except for the grid, which carries no information.
const STYLE: &str = ".crm-chart{font:11px system-ui,-apple-system,\"Segoe UI\",sans-serif}\
.crm-chart .bg{fill:#fff}.crm-chart .t{fill:#1f2328}.crm-chart .h{fill:#1f2328;font-size:13px;font-weight:600}\
.crm-chart .v{fill:#1f2328;stroke:#fff;stroke-width:3px;paint-order:stroke}\
.crm-chart .m{fill:#57606a}.crm-chart .axis{stroke:#818b98}.crm-chart .grid{stroke:#d1d9e0}\
.crm-chart .fill{fill:#0969da}.crm-chart .line{fill:none;stroke:#0969da;stroke-width:1.5;stroke-linejoin:round}\
.crm-chart .old{fill:none;stroke:#57606a;stroke-width:1.5}.crm-chart .whisker{stroke:#1f2328;stroke-width:1.5}\
.crm-chart .hot{stroke:#cf222e;stroke-dasharray:5 3}.crm-chart .hott{fill:#a40e26}.crm-chart .dash{stroke-dasharray:3 3}\
@media (prefers-color-scheme:dark){.crm-chart .bg{fill:#0d1117}.crm-chart .t,.crm-chart .h{fill:#f0f6fc}\
.crm-chart .v{fill:#f0f6fc;stroke:#0d1117}\
.crm-chart .m{fill:#9198a1}.crm-chart .axis{stroke:#818b98}.crm-chart .grid{stroke:#2f3742}\
.crm-chart .fill{fill:#2f81f7}.crm-chart .line{stroke:#4493f8}.crm-chart .old{stroke:#b1bac4}\
.crm-chart .whisker{stroke:#f0f6fc}.crm-chart .hot{stroke:#ff7b72}.crm-chart .hott{fill:#ff7b72}}";

/// The alignment of a text relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// An SVG being written.
#[derive(Debug)]
pub(super) struct Svg {
    out: String,
}

impl Svg {
    /// Begins an SVG of this size. The title is its accessible name, the description its text alternative.
    pub(super) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut out = String::with_capacity(4096);
        let (w, h) = (px(width), px(height));
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"crm-chart\" role=\"img\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\"><title>{}</title><desc>{}</desc><style>{STYLE}</style>\
             <rect class=\"bg\" width=\"{w}\" height=\"{h}\"/>",
            escaped(title),
            escaped(description)
        );
        Self { out }
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (px(x1), px(y1), px(x2), px(y2));
        let _ = write!(self.out, "<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>");
    }

    /// Adds a rectangle with a tooltip.
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), says: &str) {
        let (x, y, width, height) = (px(x), px(y), px(width.max(0.0)), px(height.max(0.0)));
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"><title>{}</title></rect>",
            escaped(says)
        );
    }

    pub(super) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let _ = write!(self.out, "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>", px(x), px(y), px(radius));
    }

    /// Adds a polyline.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let _ = write!(self.out, "<polyline class=\"{class}\" points=\"");
        for (at, (x, y)) in points.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            let _ = write!(self.out, "{space}{},{}", px(*x), px(*y));
        }
        self.out.push_str("\"/>");
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let _ = write!(
            self.out,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
            px(x),
            px(y),
            anchor.name(),
            escaped(text)
        );
    }

    /// Adds a text that is truncated to a width in pixels. The full text of a truncated one is its tooltip.
    pub(super) fn fitted(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str, width: f64) {
        let shown = fit(text, width);
        if shown == text {
            return self.text(class, (x, y), anchor, text);
        }
        let _ = write!(
            self.out,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}<title>{}</title></text>",
            px(x),
            px(y),
            anchor.name(),
            escaped(&shown),
            escaped(text)
        );
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

/// Formats a number of pixels, to a tenth.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Escapes a text for XML 1.0: markup is escaped, characters that XML cannot represent are dropped, and white space
/// becomes spaces.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_whitespace() => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// Returns the estimated width of a character in pixels, at a font size of 11 pixels.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' | ' ' => 3.6,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 9.8,
        'A'..='Z' => 7.6,
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' => 0.0,
        '\0'..='\u{10ff}' | '\u{2010}'..='\u{2027}' => 6.4,
        _ => 11.5,
    }
}

/// Returns the estimated width of a text in pixels.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().map(advance).sum()
}

/// Returns the text, truncated with an ellipsis if it does not fit.
fn fit(text: &str, width: f64) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut left = width - advance('…');
    let mut shown = String::new();
    for c in text.chars() {
        left -= advance(c);
        if left < 0.0 {
            break;
        }
        shown.push(c);
    }
    shown.truncate(shown.trim_end().len());
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_left_out_and_marks_are_escaped() {
        assert_eq!(
            escaped("<script>alert('1' & \"2\")</script>"),
            "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt;"
        );
        assert_eq!(escaped("a\0b\u{1b}c\nd\u{ffff}\u{85}e"), "abc d e");
    }

    #[test]
    fn a_text_is_cut_where_it_would_not_fit() {
        assert_eq!(fit("short", 100.0), "short");
        let long = fit("a very long name of a stage that nobody reads", 60.0);
        assert!(long.ends_with('…') && width_of(&long) <= 60.0, "{long}");
        assert!(width_of("商談中") > width_of("abc"));
    }

    #[test]
    fn pixels_are_short() {
        assert_eq!([px(1.0), px(1.25), px(-0.01), px(-3.06)], ["1", "1.2", "0", "-3.1"]);
    }
}
