"""A way to a server that lets TCP through and nothing else, as some networks do."""

import socket
import threading


class TcpRelay:
    """Joins `host`:`port` to the same port of 127.0.0.1, for TCP only, while the `with` block lasts."""

    def __init__(self, host, port):
        self.target = ("127.0.0.1", port)
        self.listener = socket.create_server((host, port))
        self.open = [self.listener]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for connection in self.open:
            _shut(connection)
            connection.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            self.open += [client, server]
            for source, drain in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, drain), daemon=True).start()


def _pump(source, drain):
    try:
        while data := source.recv(1 << 16):
            drain.sendall(data)
    except OSError:
        pass
    _shut(drain)


def _shut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
