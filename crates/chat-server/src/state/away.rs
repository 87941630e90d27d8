//! Who is away: said by each device, told of a person when all of theirs say so. Stored nowhere.

use common::user_name::NameKey;
use common::wire::server_frame::Body;
use common::wire::{AwayChanged, Done};

use crate::state::State;
use crate::state::action::{Actions, Recipients};
use crate::state::now::Now;
use crate::state::rate_limit::Rate;
use crate::state::refusal::Refusal;
use crate::state::request::LoginId;
use crate::state::router::Caller;

/// How often one session may change it: everybody is told.
const CHANGES: Rate = Rate { burst: 3, per_second: 1 };

impl State {
    /// The caller is away from this device, or back at it.
    pub(crate) fn set_away(
        &mut self,
        now: Now,
        caller: Caller,
        login: LoginId,
        is_away: bool,
        out: &mut Actions,
    ) -> Result<(), Refusal> {
        let session = self.roster.session_mut(login).ok_or(Refusal::NotLoggedIn)?;
        if session.is_away != is_away {
            let taken = session.signals().away.take(now.instant, CHANGES);
            taken.map_err(|wait| Refusal::SlowDown { retry_at_ms: now.unix_ms_after(wait) })?;
            session.is_away = is_away;
            let key = session.key.clone();
            self.tell_away(&key, out);
        }
        caller.reply(out, Body::Done(Done {}))
    }

    /// Tells everybody whether that person is away, if that has changed.
    pub(crate) fn tell_away(&mut self, key: &NameKey, out: &mut Actions) {
        if let Some((name, away)) = self.roster.away_changed(key) {
            out.tell(Recipients::Everybody, Body::AwayChanged(AwayChanged { name, away }));
        }
    }
}
