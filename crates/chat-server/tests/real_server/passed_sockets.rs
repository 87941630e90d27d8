//! Sockets that somebody else made for the server (socket activation, sd_listen_fds(3)).

use std::net::UdpSocket;

use common::wire::server_frame::Body;

use crate::support::{ServerProcess, check_launch_refused};

/// Makes sockets, `KIND=HOST` each and all of one port, passes them on as systemd would, and becomes the server.
const LAUNCHER: &str = r#"
import fcntl, os, socket, sys

def make(kind, host, port):
    if kind == "file":
        return os.open(os.devnull, os.O_RDONLY)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, kind != "both")
    made.bind((host, port))
    if kind in ("tcp", "both"):
        made.listen(16)
    return made.detach()

def make_all(wanted):
    for _ in range(64):
        made, port = [], 0
        try:
            for kind, host in wanted:
                made.append(make(kind, host, port))
                if kind != "file" and port == 0:
                    with socket.socket(fileno=os.dup(made[-1])) as first:
                        port = first.getsockname()[1]
            return made
        except OSError:
            for each in made:
                os.close(each)

made = make_all([each.split("=") for each in sys.argv[1].split()])
made = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in made]
for number, each in enumerate(made):
    os.dup2(each, 3 + number)
    os.close(each)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(made)))
os.environ["LISTEN_FDNAMES"] = ":".join(f"name{number}" for number in range(len(made)))
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// So that no address to listen on is said.
const CONFIG: &str = "# listen: on what is passed";

fn launcher(sockets: &str) -> [&str; 4] {
    ["/usr/bin/python3", "-c", LAUNCHER, sockets]
}

/// A server with these sockets serves, on the port of the first.
#[track_caller]
fn check_serves(sockets: &str) -> ServerProcess {
    let server = ServerProcess::launched_by(&launcher(sockets), CONFIG);
    let (mut ann, _bob) = (server.log_in("ann"), server.log_in("bob"));
    assert!(matches!(ann.say("bob", "psst"), Body::MessageAccepted(_)));
    // Whether or not it was passed, there is one for UDP that transfers share, and nobody else gets.
    let address = (server.link.server.host.as_str(), server.link.server.port);
    assert!(UdpSocket::bind(address).is_err(), "nobody has the port for UDP");
    server
}

#[track_caller]
fn check_refused(sockets: &str, expected: &str) {
    check_launch_refused(&launcher(sockets), CONFIG, expected);
}

#[test]
fn it_listens_on_what_is_passed_and_adds_what_is_missing() {
    let server = check_serves("tcp=127.0.0.1 udp=127.0.0.1");
    assert_eq!(server.link.server.host, "127.0.0.1");
    check_serves("tcp=127.0.0.1");
    let server = check_serves("udp=127.0.0.1 tcp=127.0.0.2 tcp=127.0.0.1");
    assert_eq!(server.link.server.host, "127.0.0.2");
}

#[test]
fn where_others_can_reach_a_passed_socket_the_password_is_asked_for() {
    let server = ServerProcess::launched_by(&launcher("tcp=0.0.0.0"), CONFIG);
    assert!(matches!(server.greet().try_log_in("ann"), Body::Refused(_)));
    assert!(server.data().join("join-password").exists());
}

#[test]
fn what_does_not_fit_is_named() {
    let name = "the socket passed as 3 (name0)";
    check_refused("file=none", &format!("{name} is no socket for TCP or UDP"));
    check_refused("silent=127.0.0.1", &format!("{name} is a socket for TCP that does not listen"));
    check_refused("both=::", &format!("{name} takes IPv4 as well: say `BindIPv6Only=ipv6-only`"));
    check_refused("udp=127.0.0.1", "is for UDP, and there is none for TCP under 127.0.0.1:");
    let second = "the socket passed as 4 (name1)";
    check_refused(
        "tcp=127.0.0.1 udp=127.0.0.2",
        &format!("{second} is for UDP, and there is none"),
    );
}

#[test]
fn sockets_and_an_address_to_listen_on_are_one_too_many() {
    let config = "listen = ['127.0.0.1:0']";
    check_launch_refused(&launcher("tcp=127.0.0.1"), config, "and `listen` is said as well");
}

#[test]
fn a_new_configuration_is_taken_with_the_sockets_that_are_there() {
    let server = check_serves("tcp=127.0.0.1");
    std::fs::write(server.config_file(), "name = 'two'").unwrap();
    server.signal(rustix::process::Signal::HUP);
    // Until it has read it.
    while name(&server) != "two" {}
    let (status, log, _) = server.terminate();
    assert!(status.success());
    assert!(log.contains("waits_for_a_restart=[]"), "{log}");
}

/// What the server calls itself.
fn name(server: &ServerProcess) -> String {
    let hello = common::wire::Hello { version_min: 1, version_max: 1, agent: "test".into() };
    match server.connect().ask(common::wire::client_frame::Body::Hello(hello)) {
        Body::ServerHello(hello) => hello.server_name,
        other => panic!("no greeting: {other:?}"),
    }
}

/// As systemd passes them: made by root for a server of another user.
#[test]
fn a_udp_socket_of_another_user_is_refused_since_no_transfer_could_share_its_port() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become another user");
        return;
    }
    // Of the program a copy, where that user may run it.
    let become_nobody = "
import shutil
os.chmod('.', 0o755)
shutil.copy(sys.argv[2], 'server')
os.setgid(65534)
os.setuid(65534)
os.execv('./server',";
    let script = LAUNCHER.replace("\nos.execv(sys.argv[2],", become_nobody);
    let launcher = ["/usr/bin/python3", "-c", &script, "tcp=127.0.0.1 udp=127.0.0.1"];
    check_launch_refused(&launcher, CONFIG, "is for UDP and of another user");
}
