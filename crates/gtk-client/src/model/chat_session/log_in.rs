//! Logging in and out: from what a person typed to the conversation, and back.

use std::time::{Duration, Instant};

use chat_client::command::{Command, ServerAddress};
use chat_client::error::{EndReason, Refusal, SessionError};
use chat_client::error_text;
use chat_client::question::{Answer, NoAnswer, Question, QuestionId};
use common::invite_link::InviteLink;
use common::spki_pin::SpkiPin;
use common::wire::{RefusalCode, Role};
use gtk::subclass::prelude::*;

use super::ChatSession;
use crate::model::connection_state::{LogInField, LogInProblem, Phase, Standing};
use crate::model::last_login::LastLogin;
use crate::model::message::Kind;
use crate::model::plain_text;

/// What a person typed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LogInForm {
    /// `host[:port]` or an invite link.
    pub server: String,
    /// The user name.
    pub name: String,
    /// Empty where none was asked for.
    pub password: String,
}

impl ChatSession {
    /// Logs in with what was typed: on the connection that is there, if it leads to the same server.
    pub fn log_in(&self, form: LogInForm) {
        let server = match form.server.parse::<ServerAddress>() {
            Ok(server) => server,
            Err(error) => {
                return self.problem(LogInField::Server, error_text::address_error(&error));
            }
        };
        if form.name.trim().is_empty() {
            return self.problem(LogInField::Name, "Enter a user name".to_owned());
        }
        let same_server = self.imp().form.borrow().server == form.server;
        let connected = same_server && self.imp().bridge.borrow().is_some();
        self.imp().form.replace(form);
        self.change(|standing| {
            standing.problem = None;
            standing.phase = Phase::LoggingIn;
        });
        if connected {
            self.send_log_in();
        } else {
            self.open(server);
        }
    }

    /// The person compared the fingerprint and trusts it.
    pub fn trust(&self, pin: SpkiPin) {
        self.enter(Phase::LoggingIn);
        self.ask(Command::Trust { pin });
    }

    /// Back to the log-in page, whatever is under way there.
    pub fn give_up_log_in(&self) {
        self.close();
        self.enter(Phase::LoggedOut);
    }

    /// Makes an account of our name.
    pub fn register(&self, password: &str) {
        let question = Question::Register { password: password.to_owned() };
        if !self.ask(Command::Ask { id: QuestionId(0), question }) {
            self.registered(&Err(NoAnswer::NotConnected));
        }
    }

    /// It is one, or not.
    pub(super) fn registered(&self, answer: &Result<Answer, NoAnswer>) {
        match answer {
            Ok(_) => {
                self.change(|standing| standing.is_guest = false);
                self.say(Kind::Notice, "Your name is an account now, and nobody else gets it.");
            }
            Err(reason) => {
                self.say(Kind::Notice, &plain_text::shown(&error_text::no_answer(reason)))
            }
        }
    }

    /// Says goodbye to the server; the log-in page comes when that is done. All downloads end.
    pub fn log_out(&self) {
        if self.ask(Command::LogOut) {
            self.enter(Phase::LoggingOut);
        } else {
            self.forget_everything(None);
        }
    }

    fn open(&self, server: ServerAddress) {
        self.close();
        let Some(opener) = self.imp().opener.get() else { return };
        let bridge = opener();
        bridge.follow(self, self.imp().number.get());
        bridge.ask(Command::Connect { server });
        self.imp().bridge.replace(Some(bridge));
    }

    /// Leaves the session that there may be. Letting go of it logs out.
    fn close(&self) {
        let imp = self.imp();
        imp.number.set(imp.number.get().wrapping_add(1));
        imp.bridge.replace(None);
        self.set_away(false);
    }

    fn send_log_in(&self) {
        let form = self.imp().form.borrow().clone();
        let password = Some(form.password).filter(|password| !password.is_empty());
        self.ask(Command::LogIn { name: form.name.trim().to_owned(), password });
    }

    pub(super) fn connecting(&self) {
        self.change(|standing| {
            if let Phase::Reconnecting { retry_at, .. } = &mut standing.phase {
                *retry_at = None;
            }
        });
    }

    pub(super) fn needs_log_in(&self, server_name: &str, password_needed: bool) {
        self.change(|standing| {
            standing.server_name = plain_text::shown_name(server_name);
            standing.password_needed = password_needed;
        });
        // After a broken connection the session logs in again by itself. A password may not be needed where
        // this computer is known to an account.
        if matches!(self.imp().connection.phase(), Phase::LoggingIn) {
            self.send_log_in();
        }
    }

    pub(super) fn log_in_refused(&self, refusal: &Refusal) {
        let field = match refusal.0.code() {
            RefusalCode::NameTaken
            | RefusalCode::NameTooSimilar
            | RefusalCode::NameReserved
            | RefusalCode::NameMalformed => LogInField::Name,
            // Where an invite makes the account, its password is chosen here.
            RefusalCode::WrongPassword
            | RefusalCode::PasswordNeeded
            | RefusalCode::PasswordTooShort => {
                self.change(|standing| standing.password_needed = true);
                LogInField::Password
            }
            _ => LogInField::Server,
        };
        self.problem(field, error_text::refusal(refusal));
    }

    pub(super) fn logged_in(&self, name: &str, resumed: bool, role: Role) {
        let came_back = self.imp().connection.phase().is_in_conversation();
        self.change(|standing| {
            standing.phase = Phase::Online;
            standing.problem = None;
            standing.own_name = name.to_owned();
            standing.is_guest = role == Role::Guest;
        });
        self.remember(name);
        match (came_back, resumed) {
            (false, _) => self.say(
                Kind::Presence,
                &format!("You are online as {}", plain_text::shown_name(name)),
            ),
            (true, false) => self.say(Kind::Presence, "You are online again"),
            (true, true) => {}
        }
    }

    fn remember(&self, name: &str) {
        let Some(file) = self.imp().last_login_file.borrow().clone() else { return };
        let typed = self.imp().form.borrow().server.clone();
        let login = LastLogin { server: without_invite(typed), name: name.to_owned() };
        if let Err(error) = login.save(&file) {
            tracing::warn!(%error, file = %file.display(), "cannot remember the login");
        }
    }

    pub(super) fn disconnected(&self, error: &SessionError, retry_in: Duration) {
        let reason = error_text::session_error(error);
        match self.imp().connection.phase() {
            Phase::Online | Phase::Reconnecting { .. } => {
                let retry_at = Some(Instant::now() + retry_in);
                self.enter(Phase::Reconnecting { reason, retry_at });
            }
            Phase::KeyChanged { .. } => {}
            // A person thought for too long about another name; the next login dials again.
            Phase::LoggedOut => self.close(),
            Phase::LoggingIn | Phase::FirstContact { .. } | Phase::LoggingOut => {
                self.close();
                self.problem(LogInField::Server, reason);
            }
        }
    }

    pub(super) fn ended(&self, reason: &EndReason) {
        let problem = match reason {
            EndReason::LoggedOut => None,
            EndReason::KeyChanged => return self.close(),
            EndReason::TakenOver | EndReason::Failed(_) => Some(LogInProblem {
                field: LogInField::Server,
                sentence: error_text::end_reason(reason),
            }),
        };
        self.forget_everything(problem);
    }

    /// Back to the log-in page; what was said belongs to the login that is over.
    fn forget_everything(&self, problem: Option<LogInProblem>) {
        let imp = self.imp();
        self.close();
        self.fail_outbox();
        self.end_downloads();
        imp.new_rows.take();
        drop(imp.messages.take_all());
        imp.people.list().remove_all();
        imp.files.list().remove_all();
        imp.typists.forget_all();
        imp.form.borrow_mut().password.clear();
        imp.connection.change(|standing| *standing = Standing { problem, ..Standing::default() });
    }

    fn problem(&self, field: LogInField, sentence: String) {
        self.change(|standing| {
            standing.phase = Phase::LoggedOut;
            standing.problem = Some(LogInProblem { field, sentence });
        });
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) {
        self.imp().connection.change(change);
    }
}

/// An invite is for coming in once: whoever came in by it does not need it again, and it is not left lying about.
fn without_invite(server: String) -> String {
    match server.parse() {
        Ok(ServerAddress::Invite(link)) if link.token.is_some() => {
            InviteLink { token: None, ..link }.to_string()
        }
        _ => server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_a_link_invites_nobody() {
        let pin = SpkiPin([0; 32]);
        let link = format!("simplechat://h:1/?fp={pin}&name=lab");
        let invited = format!("{link}&inv=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
        assert_eq!(without_invite(invited), link);
        for plain in [link.as_str(), "h:1", "no address"] {
            assert_eq!(without_invite(plain.to_owned()), plain);
        }
    }
}
