//! A way to the server that can be closed: for somebody whose network goes away while the server and
//! everybody else stay.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Server;

/// Passes connections on to a server, or closes them. Lasts as long as the test.
pub(crate) struct Gate {
    /// The server's link, by way of the gate.
    pub(crate) link: String,
    passing: Arc<Mutex<Passing>>,
}

#[derive(Default)]
struct Passing {
    is_closed: bool,
    streams: Vec<TcpStream>,
}

impl Gate {
    pub(crate) fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let link = server.link.replacen(&server.address(), &address, 1);
        let passing = Arc::new(Mutex::new(Passing::default()));
        let (to, of_thread) = (server.address().parse().unwrap(), Arc::clone(&passing));
        thread::spawn(move || accept(&listener, to, &of_thread));
        Self { link, passing }
    }

    /// Cuts what passes, and lets nothing else pass.
    pub(crate) fn close(&self) {
        let mut passing = self.passing.lock().unwrap();
        passing.is_closed = true;
        for stream in passing.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn open(&self) {
        self.passing.lock().unwrap().is_closed = false;
    }
}

fn accept(listener: &TcpListener, to: SocketAddr, passing: &Mutex<Passing>) {
    while let Ok((client, _)) = listener.accept() {
        let mut passing = passing.lock().unwrap();
        if passing.is_closed {
            continue;
        }
        let Ok(server) = TcpStream::connect(to) else { continue };
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || pass(from, to));
        }
        passing.streams.extend([client, server]);
    }
}

/// Until either end is closed; then both are.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if bytes.get(..count).is_none_or(|bytes| to.write_all(bytes).is_err()) {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
