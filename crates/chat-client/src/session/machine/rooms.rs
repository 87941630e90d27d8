//! What the server says of rooms.

use common::conversation::Conversation;
use common::wire;

use crate::event::{Event, RoomChange};
use crate::question::Answer;
use crate::session::machine::Machine;
use crate::session::requests::Request;

/// A frame that no honest server sends; the connection is given up.
type Offence = String;

impl Machine {
    /// What is written from now on is new; what was written before is read by who asks for it.
    pub(super) fn room_joined(
        &mut self,
        joined: wire::RoomJoined,
        request: Option<Request>,
    ) -> Result<(), Offence> {
        let room = joined.room.ok_or("a room without a name")?;
        self.history.joined(Conversation::Room(room.name.clone()), joined.last_seq);
        if let Some(Request::Question(id)) = request {
            self.tell(Event::Answered { id, answer: Ok(Answer::Joined(room.clone())) });
        }
        self.room_event(RoomChange::Joined(room))
    }

    pub(super) fn room_changed(&mut self, changed: wire::RoomChanged) -> Result<(), Offence> {
        let room = changed.room.ok_or("a room without a name")?;
        self.room_event(RoomChange::Changed(room))
    }

    pub(super) fn room_left(&mut self, room: String) -> Result<(), Offence> {
        self.history.left(&Conversation::Room(room.clone()));
        self.room_event(RoomChange::Left { room })
    }

    pub(super) fn room_event(&mut self, change: RoomChange) -> Result<(), Offence> {
        self.tell(Event::Room(change));
        Ok(())
    }
}
