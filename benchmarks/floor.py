"""The floor: what ten round trips a host cost with nothing but Paramiko, a channel each, all hosts at once.

`python floor.py PORT KEY HOSTS CHANNELS` prints the seconds from the first connection to the last answer.
"""

from __future__ import annotations

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import paramiko


def host(number: int, port: int, user: str, key: paramiko.PKey, channels: int) -> None:
    sock = socket.create_connection((f"127.0.2.{number}", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock)
    transport.start_client()
    transport.auth_publickey(user, key)
    for _ in range(channels):
        channel = transport.open_session()
        channel.exec_command("true")
        channel.makefile("rb").read()
        assert channel.recv_exit_status() == 0
        channel.close()
    transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()


def main() -> None:
    port, user, key_file, hosts, channels = sys.argv[1:]
    key = paramiko.Ed25519Key.from_private_key_file(key_file)
    started = time.perf_counter()
    with ThreadPoolExecutor(int(hosts)) as pool:
        list(pool.map(lambda n: host(n, int(port), user, key, int(channels)), range(1, int(hosts) + 1)))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
