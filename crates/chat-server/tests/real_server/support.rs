//! A server to test, and clients that speak to it frame by frame.

mod client;
mod server;

pub(crate) use client::{Client, logged_in, message, refusal};
pub(crate) use server::{ServerProcess, check_launch_refused, check_refused, spawn_failing};
