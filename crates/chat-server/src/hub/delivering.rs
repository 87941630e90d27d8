//! Frames into the outboxes of their receivers: encoded once for all of them, and each writer woken once for a
//! whole batch.

use std::sync::Arc;

use bytes::Bytes;
use common::framing;
use common::wire::{GoodbyeReason, ServerFrame};

use crate::connection::link::{Kind, Pushed};
use crate::hub::{Hub, now};
use crate::state::action::{Delivery, Recipients};
use crate::state::request::ConnectionId;

impl Hub {
    pub(super) fn deliver(&mut self, delivery: &Delivery) {
        let Some(frame) = encode(&delivery.frame) else { return };
        let kind = Kind::of(&delivery.frame);
        self.encoded_bytes += frame.len();
        match &delivery.to {
            Recipients::One(connection) => self.push(*connection, frame, kind),
            Recipients::Many(connections) => {
                for connection in connections.iter() {
                    self.push(*connection, frame.clone(), kind);
                }
            }
            Recipients::Everybody => self.push_to_all(None, &frame, kind),
            Recipients::EverybodyBut(connection) => {
                self.push_to_all(Some(*connection), &frame, kind);
            }
        }
    }

    fn push(&mut self, connection: ConnectionId, frame: Bytes, kind: Kind) {
        if let Some(link) = self.links.get(&connection) {
            match link.push(frame, kind) {
                Pushed::First => self.to_wake.push(Arc::clone(link)),
                Pushed::Further => {}
                Pushed::Lagging => self.state.reader_lags(),
                Pushed::Full => self.overflowed.push(connection),
            }
        }
    }

    fn push_to_all(&mut self, but: Option<ConnectionId>, frame: &Bytes, kind: Kind) {
        let mut lagging = 0;
        for connection in self.state.connections().filter(|connection| Some(*connection) != but) {
            if let Some(link) = self.links.get(&connection) {
                match link.push(frame.clone(), kind) {
                    Pushed::First => self.to_wake.push(Arc::clone(link)),
                    Pushed::Further => {}
                    Pushed::Lagging => lagging += 1,
                    Pushed::Full => self.overflowed.push(connection),
                }
            }
        }
        (0..lagging).for_each(|_| self.state.reader_lags());
    }

    /// What a session missed while its connection was gone follows on the new one.
    pub(super) fn move_outbox(&mut self, from: ConnectionId, to: ConnectionId) {
        let Some(old) = self.links.get(&from) else { return };
        for frame in old.take_events() {
            // They fit, whatever they are.
            self.push(to, frame, Kind::Passing);
        }
        let is_gone = self.links.get(&from).is_some_and(|old| old.is_abandoned());
        if is_gone {
            self.links.remove(&from);
        }
    }

    /// A client that does not read is let go. The events that it did not read wait for its return,
    /// the latest of them at least; the answers do not.
    pub(super) fn end_overflowed(&mut self) {
        while let Some(connection) = self.overflowed.pop() {
            if let Some(link) = self.links.get(&connection) {
                link.drop_answers();
                let reason = GoodbyeReason::TooSlow;
                let actions = self.state.end_connection(now(), connection, reason);
                self.carry_out(actions);
            }
        }
    }

    pub(super) fn wake_writers(&mut self) {
        self.to_wake.drain(..).for_each(|link| link.wake_writer());
    }
}

/// A frame that is too long to send is a mistake of ours: it is left out, and said so.
fn encode(frame: &ServerFrame) -> Option<Bytes> {
    framing::encode(frame)
        .inspect_err(|error| {
            debug_assert!(false, "{error}");
            tracing::error!(%error, "a frame that cannot be sent");
        })
        .ok()
}
