//! The web console: static files that a browser loads as they are, without a build step and without anything from
//! other hosts. The public API is its only backend.
//!
//! `crm-lambda` serves it at `/console/` (feature `console`). To serve it yourself, send [`index`] at an address that
//! ends with `/`, with [`policy`] as its `Content-Security-Policy` and `Cache-Control: no-cache`; and each [`asset`]
//! below that address and [`hash`], where it never changes: `/console/4f0c…/app.js`.
//!
//! ```
//! use crm_console::{Page, asset, hash, index, policy};
//! let page = index(&Page { title: "Acme CRM", api: "https://crm.example.com/api/v1/", ..Page::default() });
//! assert!(page.contains(&format!("src=\"./{}/app.js\"", hash())));
//! assert_eq!(asset("app.css").map(|file| file.mime), Some("text/css; charset=utf-8"));
//! assert!(policy(&[]).contains("frame-ancestors 'none'"));
//! ```

use std::{borrow::Cow, fmt::Write as _, sync::OnceLock};

/// A file of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The path below [`hash`], such as `lib/api.js`.
    pub path: &'static str,
    /// The value of `Content-Type`.
    pub mime: &'static str,
    /// The content, uncompressed. Lines of comments and indentation are left out of the console's own files.
    pub text: Cow<'static, str>,
}

/// The paths and contents of all files but the index.
const FILES: &[(&str, &str)] = &[
    ("app.css", include_str!("../web/app.css")),
    ("app.js", include_str!("../web/app.js")),
    ("icon.svg", include_str!("../web/icon.svg")),
    ("lib/api.js", include_str!("../web/lib/api.js")),
    ("lib/i18n.js", include_str!("../web/lib/i18n.js")),
    ("lib/records.js", include_str!("../web/lib/records.js")),
    ("lib/view.js", include_str!("../web/lib/view.js")),
    ("pages/account.js", include_str!("../web/pages/account.js")),
    ("pages/board.js", include_str!("../web/pages/board.js")),
    ("pages/list.js", include_str!("../web/pages/list.js")),
    ("pages/record.js", include_str!("../web/pages/record.js")),
    ("parts/form.js", include_str!("../web/parts/form.js")),
    ("parts/record.js", include_str!("../web/parts/record.js")),
    ("vendor/LICENSES", include_str!("../web/vendor/LICENSES")),
    ("vendor/hooks.js", include_str!("../web/vendor/hooks.js")),
    ("vendor/htm.js", include_str!("../web/vendor/htm.js")),
    ("vendor/preact.js", include_str!("../web/vendor/preact.js")),
];
const INDEX: &str = include_str!("../web/index.html");

/// Every file but the index, sorted by path.
pub fn assets() -> &'static [Asset] {
    static ASSETS: OnceLock<Vec<Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let asset = |&(path, text): &(&'static str, &'static str)| {
            let mime = match path.rsplit('.').next() {
                Some("js") => "text/javascript; charset=utf-8",
                Some("css") => "text/css; charset=utf-8",
                Some("svg") => "image/svg+xml",
                _ => "text/plain; charset=utf-8",
            };
            let text = if path.starts_with("vendor/") { Cow::Borrowed(text) } else { Cow::Owned(compact(text)) };
            Asset { path, mime, text }
        };
        FILES.iter().map(asset).collect()
    })
}

/// A text without indentation and without lines that are a comment: 4 of 61 kilobytes, compressed. No string of the
/// console spans lines; in templates, line breaks and the spaces around them mean nothing.
fn compact(text: &str) -> String {
    let is_comment = |line: &&str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    text.lines().map(str::trim_start).filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect()
}

/// The file at a path below [`hash`]; `None` if there is none.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    assets().iter().find(|file| file.path == path)
}

/// A hash over all files, 16 hexadecimal digits: the directory that the index loads them from. It changes with any file,
/// so that files can be cached forever.
#[must_use]
pub fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    // FNV-1a: distinguishes versions, protects nothing.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    HASH.get_or_init(|| {
        let files = FILES.iter().flat_map(|(path, text)| path.bytes().chain(text.bytes()));
        format!("{:016x}", files.chain(INDEX.bytes()).fold(0xcbf2_9ce4_8422_2325, step))
    })
}

/// How users sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignIn<'a> {
    /// With the CRM: organization, email address, password, second factor.
    #[default]
    Own,
    /// With the program that serves the console, whose cookie authenticates the requests.
    Host,
    /// With an issuer: an address of the same origin, relative to the index, that answers `GET` with
    /// `{"access_token": "…"}`. It is asked again when a token has expired.
    Token(&'a str),
}

/// What the index says.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The name of the product, shown before an organization is known.
    pub title: &'a str,
    /// The address of the API, relative to that of the index.
    pub api: &'a str,
    /// The colour of buttons and links as `#rrggbb`; `None` for that of the organization's branding.
    pub accent: Option<&'a str>,
    /// How users sign in.
    pub sign_in: SignIn<'a>,
}

impl Default for Page<'_> {
    fn default() -> Self {
        Self { title: "CRM", api: "../api/v1/", accent: None, sign_in: SignIn::Own }
    }
}

/// The page that loads the console.
#[must_use]
pub fn index(page: &Page<'_>) -> String {
    let (sign_in, token_from) = match page.sign_in {
        SignIn::Own => ("own", ""),
        SignIn::Host => ("host", ""),
        SignIn::Token(address) => ("token", address),
    };
    let title = format!("<title>{}</title>", escape(page.title));
    // All modules at once, not one after the other as they import one another.
    let scripts = assets().iter().filter(|file| file.mime.starts_with("text/javascript") && file.path != "app.js");
    let preloads = scripts.map(|file| format!("<link rel=\"modulepreload\" href=\"./{}\">\n", file.path));
    let script = preloads.chain(["<script ".to_owned()]).collect::<String>();
    let mut html = INDEX.replace("<title>CRM</title>", &title).replace("<script ", &script);
    html = html.replace("=\"./", &format!("=\"./{}/", hash()));
    let old = Page::default();
    for (name, old, new) in [
        ("api", old.api, page.api),
        ("sign-in", "own", sign_in),
        ("token-from", "", token_from),
        ("accent", "", page.accent.unwrap_or_default()),
    ] {
        let tag = |value: &str| format!("<meta name=\"crm-{name}\" content=\"{value}\">");
        html = html.replace(&tag(old), &tag(&escape(new)));
    }
    html
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                let _ = write!(safe, "&#{};", u32::from(c));
            }
            _ => safe.push(c),
        }
        safe
    })
}

/// The `Content-Security-Policy` of the index: its own scripts, styles and requests, no inline code and no `eval`.
/// `frame_ancestors` are origins whose pages may show the console in a frame, such as `https://app.example.com`; none
/// by default. An entry that is not an origin is left out. Add the API's origin to `connect-src` if it differs.
#[must_use]
pub fn policy(frame_ancestors: &[&str]) -> String {
    let is_origin = |text: &&&str| {
        text.starts_with("http") && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:/[]*".contains(&b))
    };
    let mut ancestors: Vec<&str> = frame_ancestors.iter().filter(is_origin).copied().collect();
    if ancestors.is_empty() {
        ancestors.push("'none'");
    }
    format!("{POLICY} {}", ancestors.join(" "))
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors";
