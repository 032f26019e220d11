//! Emails of sign-in: their links, and delivery to the terminal in crm-local. [`aws`](super::aws) delivers by Amazon SES.

use std::io::Write as _;

use async_trait::async_trait;
use crm_core::auth::{Email, Mail, MailError, Mailer};

/// The maximum number of characters of a name in an email: names are untrusted input.
const MAX_NAME: usize = 80;

/// The purpose of an email: the key in the page's address, and the route that accepts the token.
const fn purpose(mail: &Mail) -> (&'static str, &'static str) {
    match mail {
        Mail::Invitation(_) => ("invitation", "/api/v1/auth/invitation/accept"),
        Mail::PasswordReset(_) => ("reset", "/api/v1/auth/password/reset"),
    }
}

pub(super) const fn letter(mail: &Mail) -> &Email {
    match mail {
        Mail::Invitation(letter) | Mail::PasswordReset(letter) => letter,
    }
}

/// Cleans an untrusted name for an email or a terminal: one line, no control characters, limited length.
pub(super) fn plain(name: &str) -> String {
    let spaced = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    let steers = |c: &char| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let text: String = spaced.filter(|c| !steers(c)).take(MAX_NAME).collect();
    text.trim().to_owned()
}

/// The page with the token behind a `#`, which browsers do not send to servers or logs.
pub(super) fn link_to(page: &str, mail: &Mail) -> String {
    let (what, _) = purpose(mail);
    let Email { ticket, slug, .. } = letter(mail);
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    pairs.append_pair(what, ticket.expose());
    if let Some(slug) = slug {
        pairs.append_pair("organization", slug);
    }
    format!("{page}#{}", pairs.finish())
}

/// Prints emails to the terminal. For trying things out, when the operator is also the recipient.
#[derive(Clone, Debug)]
pub struct ConsoleMailer {
    /// The page that accepts the token. If `None`, the token is printed with the route that accepts it.
    pub link: Option<String>,
}

impl ConsoleMailer {
    fn text(&self, mail: &Mail) -> String {
        let Email { to, name, organization, ticket, expires_at, .. } = letter(mail);
        let (what, route) = purpose(mail);
        let how = match &self.link {
            Some(page) => link_to(page, mail),
            None => format!("POST {route} {{\"ticket\": \"{}\", \"password\": \"…\"}}", ticket.expose()),
        };
        let (name, to, organization) = (plain(name), plain(to), plain(organization));
        format!("\nEmail ({what}) to {name} <{to}>, {organization}, valid until {expires_at}:\n  {how}\n")
    }
}

#[async_trait]
impl Mailer for ConsoleMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let written = std::io::stdout().lock().write_all(self.text(&mail).as_bytes());
        written.map_err(|_| MailError("the terminal cannot be written to".to_owned()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crm_core::value::Time;

    use super::*;

    pub(in crate::server) fn mail() -> Mail {
        Mail::PasswordReset(Email {
            to: "ada@example.com".into(),
            name: "Ada\r\nBcc: all@example.com\u{202E}".into(),
            organization: "Acme\u{1b}[2J".into(),
            slug: Some("acme".into()),
            locale: None,
            ticket: "tick&et".into(),
            expires_at: Time::EPOCH,
        })
    }

    #[test]
    fn names_steer_neither_terminal_nor_letter() {
        let shown = ConsoleMailer { link: None }.text(&mail());
        assert!(!shown.contains(['\u{1b}', '\r', '\u{202E}']), "{shown:?}");
        assert!(shown.contains("/api/v1/auth/password/reset") && shown.contains("tick&et"));
        assert_eq!(plain(&"x".repeat(500)).len(), MAX_NAME);
        let linked = ConsoleMailer { link: Some("https://app.example.com/sign-in".into()) }.text(&mail());
        assert!(linked.contains("https://app.example.com/sign-in#reset=tick%26et&organization=acme"), "{linked}");
    }
}
