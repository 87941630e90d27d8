//! Where each request goes: the table of contents of the chat. One arm, one call; adding a request
//! breaks the build until it is handled.

use common::limits::ONLINE_PAGE_NAMES_MAX;
use common::wire::server_frame::Body;
use common::wire::{OnlinePage, Pong, ServerHello};

use crate::state::State;
use crate::state::action::{Action, Actions};
use crate::state::now::Now;
use crate::state::refusal::Refusal;
use crate::state::request::{Asked, ConnectionId, Hello, LoginId, MemberRequest, Request};

/// Which request is being answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) connection: ConnectionId,
    pub(crate) request_id: u64,
}

impl Caller {
    /// Answers the request: it is carried out.
    pub(crate) fn reply(self, out: &mut Actions, body: Body) -> Result<(), Refusal> {
        out.reply(self.connection, self.request_id, body);
        Ok(())
    }
}

impl State {
    /// Answers one request: decides who receives what. A connection that is unknown (it was closed
    /// meanwhile) gets nothing.
    #[must_use]
    pub fn handle(&mut self, now: Now, connection: ConnectionId, asked: Asked) -> Vec<Action> {
        let mut out = Actions::default();
        if !self.peers.contains_key(&connection) {
            return out.into_vec();
        }
        self.heard(now, connection, &mut out);
        let caller = Caller { connection, request_id: asked.request_id };
        let result = asked.request.and_then(|request| self.route(now, caller, request, &mut out));
        if let Err(refusal) = result {
            self.refuse(caller, refusal, &mut out);
        }
        out.into_vec()
    }

    fn route(
        &mut self,
        now: Now,
        caller: Caller,
        request: Request,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        match request {
            Request::Hello(hello) => self.greet(caller, &hello, out),
            Request::LogIn(log_in) => self.log_in(now, caller, log_in, out),
            Request::Ping { token } => caller.reply(out, Body::Pong(Pong { token })),
            Request::Pong => Ok(()),
            Request::Administer(command) => self.administer(now, caller, command?, out),
            Request::Member(request) => {
                let login = self.roster.login_on(caller.connection).ok_or(Refusal::NotLoggedIn)?;
                self.route_member(now, caller, login, request?, out)
            }
        }
    }

    fn route_member(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        request: MemberRequest,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        match request {
            MemberRequest::LogOut => self.log_out(now, caller, login, out),
            MemberRequest::SendMessage(message) => {
                self.send_message(now, caller, login, message, out)
            }
            MemberRequest::Typing { to } => self.typing(now, login, to, out),
            MemberRequest::SetAway { is_away } => self.set_away(now, caller, login, is_away, out),
            MemberRequest::ReadHistory(wanted) => {
                self.read_history(now, caller, login, wanted, out)
            }
            MemberRequest::SearchMessages(wanted) => {
                self.search_messages(now, caller, login, wanted, out)
            }
            MemberRequest::ListConversations { after } => {
                self.list_conversations(now, caller, login, after, out)
            }
            MemberRequest::ListOnline { after } => {
                caller.reply(out, Body::OnlinePage(self.online_page(&after)))
            }
            MemberRequest::ListFiles { prefix, after } => {
                caller.reply(out, Body::FilePage(self.files.page(&prefix, &after)))
            }
            MemberRequest::RequestDownload { path, file, goes_on } => {
                self.request_download(now, caller, login, (path, file), goes_on, out)
            }
            MemberRequest::PauseDownload { download } => {
                self.pause_download(now, caller, login, download, out)
            }
            MemberRequest::RequestPieceHashes(wanted) => {
                self.request_piece_hashes(now, caller, login, wanted, out)
            }
            MemberRequest::DownloadDone(done) => self.download_done(now, caller, login, &done, out),
            MemberRequest::Upload(request) => self.upload(now, caller, login, request, out),
            MemberRequest::Room(request) => self.rooms_request(now, caller, login, request, out),
            MemberRequest::Account(request) => self.own_account(now, caller, login, request, out),
        }
    }

    pub(crate) fn refuse(&mut self, caller: Caller, refusal: Refusal, out: &mut Actions) {
        self.tally.refused(refusal.code());
        let is_last_word = refusal == Refusal::Version;
        out.reply(caller.connection, caller.request_id, Body::Refused(refusal.into_wire()));
        if is_last_word {
            self.peers.remove(&caller.connection);
            out.push(Action::Close(caller.connection));
        }
    }

    /// Agrees on a version, which is the highest that both speak.
    fn greet(&mut self, caller: Caller, hello: &Hello, out: &mut Actions) -> Result<(), Refusal> {
        let spoken = common::limits::PROTOCOL_VERSION;
        if !(hello.version_min..=hello.version_max).contains(&spoken) {
            return Err(Refusal::Version);
        }
        if let Some(peer) = self.peers.get_mut(&caller.connection) {
            peer.greeted = true;
            peer.agent.clone_from(&hello.agent);
        }
        tracing::debug!(connection = caller.connection.0, agent = ?hello.agent, "hello");
        let server_hello = ServerHello {
            version: spoken,
            server_name: self.policy.server_name.clone(),
            access: self.policy.access.to_wire().into(),
        };
        caller.reply(out, Body::ServerHello(server_hello))
    }

    fn online_page(&self, after: &str) -> OnlinePage {
        let mut rest = self.roster.names_after(after);
        let (mut names, mut away) = (Vec::new(), Vec::new());
        for (place, (name, is_away)) in (0..).zip(rest.by_ref().take(ONLINE_PAGE_NAMES_MAX)) {
            names.push(name.to_owned());
            away.extend(is_away.then_some(place));
        }
        OnlinePage { names, more: rest.next().is_some(), away }
    }
}
