//! What the operator says about mails and webhooks: half of it is refused, in words.

use std::net::IpAddr;

use super::{MailSecurity, Settings};
use crate::chain::link::Place;
use crate::courier::mail::is_mailbox;
use crate::courier::{Courier, Hooks, Mailer, Post, mail::Security};

impl Settings {
    pub(super) fn check_courier(&self, found: &mut Vec<String>) {
        let mail = &self.mail;
        let place = mail.server.as_ref().map(|server| server.parse::<Place>().map_err(|error| (server, error)));
        match &place {
            None if mail.from.is_some() || mail.user.is_some() || mail.password.is_some() => found.push(
                "mail.server is missing, and other settings of mail are there. Name it, or take the others out.".to_owned(),
            ),
            None => {}
            Some(Err((server, error))) => found.push(format!("mail.server: {server:?}: {error}.")),
            Some(Ok(place)) if mail.security == MailSecurity::None && !is_here(&place.host) => found.push(format!(
                "mail.security is \"none\" and mail.server is {place}, another machine: mails and password would travel in \
                 the open. Use \"starttls\" or \"tls\"."
            )),
            Some(Ok(_)) => {}
        }
        match &mail.from {
            None if mail.server.is_some() => {
                found.push(
                    "mail.from is missing: mails need a sender, like \"Desk <notices@desk.example>\".".to_owned(),
                );
            }
            Some(from) if !is_mailbox(from) => {
                found
                    .push(format!("mail.from: {from:?} is no sender. Write one like \"Desk <notices@desk.example>\"."));
            }
            _ => {}
        }
        if mail.user.is_some() != mail.password.is_some() {
            found.push("mail.user and mail.password belong together; one of them is missing.".to_owned());
        }
        if let Some(file) = &mail.certificate
            && !file.is_file()
        {
            found.push(format!("mail.certificate: there is no file {}.", file.display()));
        }
        if self.webhooks.allow_private && !self.webhooks.enabled {
            found.push("webhooks.allow_private is set, and webhooks.enabled is not. Set both or neither.".to_owned());
        }
    }

    /// What takes mails and webhooks out of the building.
    pub fn courier(&self) -> anyhow::Result<Courier> {
        let home = self.server.origins.first().map_or("", |origin| origin.trim_end_matches('/')).to_owned();
        let hooks = self.webhooks.enabled.then(|| Hooks::new(self.webhooks.allow_private)).transpose()?;
        Ok(Courier { mail: self.mailer()?, hooks, home })
    }

    fn mailer(&self) -> anyhow::Result<Option<Mailer>> {
        let mail = &self.mail;
        let (Some(server), Some(from)) = (&mail.server, &mail.from) else { return Ok(None) };
        let Place { host, port } = server.parse()?;
        let security = match mail.security {
            MailSecurity::None => Security::None,
            MailSecurity::StartTls => Security::StartTls,
            MailSecurity::Tls => Security::Tls,
        };
        let post = Post {
            host,
            port,
            security,
            login: mail.user.clone().zip(mail.password.clone()),
            from: from.clone(),
            certificate: mail.certificate.clone(),
            desk: self.desk_host().to_owned(),
        };
        Mailer::new(&post).map(Some)
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use crate::settings::check::tests::{good, read};

    fn problems(text: &str) -> String {
        read(&(good() + text)).unwrap().problems().join("\n")
    }

    #[test]
    fn half_settings_of_mail_and_webhooks_are_refused_in_words() {
        for (text, words) in [
            ("[mail]\nfrom = \"desk@desk.example\"\n", "mail.server is missing"),
            ("[mail]\nserver = \"mail.example:587\"\n", "mail.from is missing"),
            ("[mail]\nserver = \"mail.example\"\nfrom = \"a@b.example\"\n", "written as host:port"),
            ("[mail]\nserver = \"mail.example:587\"\nfrom = \"desk\"\n", "is no sender"),
            ("[mail]\nserver = \"m.example:25\"\nfrom = \"a@b.example\"\nuser = \"me\"\n", "belong together"),
            ("[mail]\nserver = \"m.example:25\"\nfrom = \"a@b.example\"\nsecurity = \"none\"\n", "another machine"),
            ("[mail]\nserver = \"m.example:25\"\nfrom = \"a@b.example\"\ncertificate = \"/no\"\n", "there is no file"),
            ("[webhooks]\nallow_private = true\n", "webhooks.enabled is not"),
        ] {
            assert!(problems(text).contains(words), "{text}: {}", problems(text));
        }
        assert!(read(&(good() + "[mail]\nsecurity = \"ssl\"\n")).is_err());
    }

    #[test]
    fn nothing_is_sent_until_the_operator_says_how() {
        let off = read(&good()).unwrap().courier().unwrap();
        assert!(off.mail.is_none() && off.hooks.is_none());
        assert_eq!(off.home, "https://desk.example:8443");
        let text = "[mail]\nserver = \"127.0.0.1:25\"\nfrom = \"Desk <a@b.example>\"\nsecurity = \"none\"\n[webhooks]\nenabled = true\n";
        assert_eq!(problems(text), "");
        let on = read(&(good() + text)).unwrap().courier().unwrap();
        assert!(on.mail.is_some() && on.hooks.is_some());
    }
}
