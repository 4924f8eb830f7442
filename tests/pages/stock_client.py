"""The stock client `openstack`, unchanged, loaded once and forked for each command: to start it takes a second.

python stock_client.py SOCKET          serves, until it is ended
(imported) `client_script(SOCKET)`     what stands in PATH under the name `openstack`
"""

import json
import os
import socket
import sys
import warnings
from pathlib import Path

_CLIENT = """\
#!{python} -IS
import array, json, os, socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect({path!r})
def opened(number):
    try:
        return os.dup(number)
    except OSError:
        return None
fds = [opened(number) for number in (0, 1, 2)]
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), [fd is not None for fd in fds]]).encode()
there = array.array("i", [fd for fd in fds if fd is not None])
door.sendmsg([len(asked).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, there)])
door.sendall(asked)
sys.exit(int(door.recv(16) or b"70"))
"""


def client_script(path: Path) -> str:
    return _CLIENT.format(python=sys.executable, path=str(path))


def serve(path: str) -> None:
    import openstackclient.shell  # noqa: F401, PLC0415 - forked children need not load it

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    while True:
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(client)
        client.close()
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    break
            except ChildProcessError:
                break


def _answer(client: socket.socket) -> None:
    head, fds, _, _ = socket.recv_fds(client, 4, 3)
    wanted, said = int.from_bytes(head, "big"), b""
    while len(said) < wanted:
        said += client.recv(wanted - len(said))
    words, folder, environment, there = json.loads(said)
    child = os.fork()
    if child == 0:
        os._exit(_run(words, folder, environment, there, fds))
    client.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    os._exit(0)


def _run(words: list[str], folder: str, environment: dict[str, str], there: list[bool], fds: list[int]) -> int:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    left = iter(fds)
    for number, is_there in enumerate(there):
        if is_there:
            os.dup2(next(left), number)
        else:
            os.close(number)
    sys.argv = ["openstack", *words]
    from openstackclient.shell import main  # noqa: PLC0415

    code = 70
    try:
        with warnings.catch_warnings(action="ignore"):
            code = main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])
