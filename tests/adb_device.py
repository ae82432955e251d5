"""A device on loopback for the real adb client: the protocol is spoken, the phone is scripted.

Files that adb pushes land below a folder, and what it pulls comes from there. Whatever only Android
can answer (getprop, pm, am, dumpsys) is a script, and says so by its name. Protocol after AOSP's
documentation (adb OVERVIEW, protocol, SYNC).
"""

import re
import shutil
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

VERSION, MAX_DATA = 0x01000000, 256 * 1024
STDOUT, EXIT = 1, 3  # packets of shell v2
Script = Callable[[str], "tuple[int, str] | None"]


class AdbDevice:
    """Listens from its making until `close`."""

    def __init__(self, folder: Path, script: Script, *, behaviour: str = "ready") -> None:
        """`script` answers a shell command by exit status and output; None hangs up the device.

        `behaviour` is ready, unauthorized or offline.
        """
        self.folder, self.script, self.behaviour = folder, script, behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def path(self, remote: str) -> Path:
        """Where the device's file `remote` lies."""
        return self.folder / remote.lstrip("/")

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=_Connection(self, connection).serve, daemon=True).start()


class _Connection:
    def __init__(self, device: AdbDevice, connection: socket.socket) -> None:
        self.device, self.connection = device, connection
        self.streams: dict[int, _Stream] = {}
        self.sending = threading.Lock()

    def serve(self) -> None:
        try:
            while True:
                command, first, _, data = self._receive()
                if command == b"CNXN":
                    self._greet()
                elif command == b"OPEN":
                    self.streams[first] = stream = _Stream(self, first)
                    self.send(b"OKAY", first, first)
                    service = data.rstrip(b"\0").decode()
                    threading.Thread(target=stream.run, args=(service,), daemon=True).start()
                elif command == b"WRTE":
                    self.streams[first].feed(data)
                    self.send(b"OKAY", first, first)
                elif command == b"OKAY":
                    self.streams[first].free.release()
                elif command == b"CLSE" and first in self.streams:
                    self.streams.pop(first).feed(b"")
        except (OSError, EOFError, KeyError):
            self.connection.close()

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        (word,) = struct.unpack("<I", command)
        header = (word, first, second, len(data), sum(data) & 0xFFFFFFFF, word ^ 0xFFFFFFFF)
        with self.sending:
            self.connection.sendall(struct.pack("<6I", *header) + data)

    def hang_up(self) -> None:
        self.device.close()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _greet(self) -> None:
        if self.device.behaviour == "unauthorized":
            self.send(b"AUTH", 1, 0, b"t" * 20)  # a token to sign; no signature is ever accepted
        elif self.device.behaviour == "ready":
            banner = b"device::ro.product.name=x;ro.product.model=x;features=shell_v2,cmd\0"
            self.send(b"CNXN", VERSION, MAX_DATA, banner)

    def _receive(self) -> tuple[bytes, int, int, bytes]:
        header = self._exactly(24)
        first, second, size = struct.unpack("<3I", header[4:16])
        return header[:4], first, second, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


class _Stream:
    """One service; the same number on both sides."""

    def __init__(self, connection: _Connection, number: int) -> None:
        self.connection, self.number = connection, number
        self.free = threading.Semaphore(0)
        self.arrived = threading.Condition()
        self.buffer, self.ended = b"", False

    def feed(self, data: bytes) -> None:
        with self.arrived:
            self.buffer += data
            self.ended |= not data
            self.arrived.notify()

    def read(self, size: int) -> bytes:
        with self.arrived:
            self.arrived.wait_for(lambda: len(self.buffer) >= size or self.ended, timeout=60)
            if len(self.buffer) < size:
                raise EOFError
            data, self.buffer = self.buffer[:size], self.buffer[size:]
            return data

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_DATA):
            piece = data[start : start + MAX_DATA]
            self.connection.send(b"WRTE", self.number, self.number, piece)
            self.free.acquire(timeout=60)

    def run(self, service: str) -> None:
        try:
            if service == "sync:":
                self._sync()
            elif service.startswith("shell"):
                self._shell(service.partition(":")[2])
            self.connection.send(b"CLSE", self.number, self.number)
        except (EOFError, OSError):
            return

    def _shell(self, command: str) -> None:
        answer = self.connection.device.script(command)
        if answer is None:
            self.connection.hang_up()
            return
        status, output = answer
        text = output.encode()
        if text:
            self.write(struct.pack("<BI", STDOUT, len(text)) + text)
        self.write(struct.pack("<BIB", EXIT, 1, status))

    def _sync(self) -> None:
        while True:
            request = self.read(4)
            (size,) = struct.unpack("<I", self.read(4))
            if request == b"QUIT":
                return
            path, _, _ = self.read(size).decode().partition(",")
            file = self.connection.device.path(path)
            if request in (b"STAT", b"LSTA"):
                found = file.stat() if file.exists() else None
                numbers = (found.st_mode, found.st_size, 0) if found else (0, 0, 0)
                self.write(b"STAT" + struct.pack("<3I", *numbers))
            elif request == b"SEND":
                self._store(file)
            elif request == b"RECV":
                content = file.read_bytes()
                for start in range(0, len(content), 65536):
                    piece = content[start : start + 65536]
                    self.write(b"DATA" + struct.pack("<I", len(piece)) + piece)
                self.write(b"DONE" + struct.pack("<I", 0))

    def _store(self, file: Path) -> None:
        content = b""
        while True:
            kind, size = struct.unpack("<4sI", self.read(8))
            if kind == b"DONE":
                break
            content += self.read(size)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.write(b"OKAY" + struct.pack("<I", 0))


class ScriptedPhone:
    """What Android and the app would answer, for a phone that does as told."""

    def __init__(self, folder: Path, app: Callable[[dict[str, str]], None], **properties: str):
        """`app` is launched with the intent's extras, and writes what the real one would."""
        self.folder, self.app, self.properties = folder, app, properties
        self.installed, self.unplugged_at = True, ""
        self.commands: list[str] = []

    def __call__(self, command: str) -> "tuple[int, str] | None":
        self.commands.append(command)
        program = command.split()[0]
        if program == self.unplugged_at:
            return None
        return getattr(self, f"scripted_{program}")(command)

    def scripted_getprop(self, command: str) -> tuple[int, str]:
        return 0, self.properties.get(command.split()[1].replace(".", "_"), "") + "\n"

    def scripted_pm(self, command: str) -> tuple[int, str]:
        return 0, "package:/data/app/base.apk\n" if self.installed else ""

    def scripted_mkdir(self, command: str) -> tuple[int, str]:
        for name in command.partition("rm -rf ")[2].split():
            file = self.folder / name.lstrip("/")
            if file.is_dir():
                shutil.rmtree(file)
            file.unlink(missing_ok=True)
        return 0, ""

    def scripted_am(self, command: str) -> tuple[int, str]:
        self.app(dict(re.findall(r"--e[sif] (\w+) (\S+)", command)))
        return 0, "Starting: Intent { cmp=x }\nStatus: ok\n"

    def scripted_cat(self, command: str) -> tuple[int, str]:
        file = self.folder / command.split()[1].lstrip("/")
        return 0, file.read_text(encoding="utf-8") if file.exists() else ""

    def scripted_cmd(self, command: str) -> tuple[int, str]:
        return 0, "Success\n"

    def scripted_dumpsys(self, command: str) -> tuple[int, str]:
        return 0, "IsStatusOverride: false\nThermal Status: 1\n"
