//! The chat's behaviour, as scripts: see [`super::script`].

mod login;

mod accounts;

mod order;

mod rooms;

mod presence;

mod away;

mod typing;

mod messages;

mod history;
mod invites;

mod downloads;

mod files;

mod uploads;
