"""Servers and clients of the measuring scripts: Trawl and its peers on loopback, raw sockets, figures of /proc.

Every server lives in a folder that the caller makes and removes. Not a program.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
USER, PASSWORD = "figures", "figures-secret"

TRAWL_TOML = """
store = "{store}"

[listen]
imap = ["127.0.0.1:{port}"]
imaps = []

[limits]
connections_max = 5000
connections_per_address_max = 5000
connections_per_user_max = 5000
"""

DOVECOT_CONF = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_fsync = always
mail_plugins = $mail_plugins zlib
plugin {{
  zlib_save = zstd
}}
mail_location = sdbox:{mail}/%u
first_valid_uid = 1
default_internal_user = {uid}
default_login_user = {uid}
default_client_limit = 10000
default_process_limit = 3000
mail_max_userip_connections = 5000
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {passwd}
}}
userdb {{
  driver = static
  args = uid={uid} gid={group} home={mail}/%u
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  process_limit = 3000
}}
service anvil {{
  chroot =
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """One connection: sends bytes, reads until the tagged answer, counts what came."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.tags = 0
        self.line()

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("server closed the connection")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def tag(self):
        self.tags += 1
        return b"t%d" % self.tags

    def command(self, text):
        """Sends one command; returns the bytes received up to and with its tagged OK."""
        tag = self.tag()
        self.socket.sendall(tag + b" " + text + b"\r\n")
        return self.until(tag)

    def until(self, tag):
        received = len(self.buffer)
        last, self.buffer = b"\r\n" + self.buffer, b""
        mark = b"\r\n" + tag + b" "
        while True:
            at = last.rfind(mark)
            if at >= 0 and last.endswith(b"\r\n"):
                status = last[at + len(mark):]
                if not status.startswith(b"OK"):
                    raise RuntimeError(f"not OK: {status!r}")
                return received
            more = self.socket.recv(1 << 20)
            if not more:
                raise EOFError("server closed the connection")
            received += len(more)
            last = last[-4096:] + more

    def login(self, user=USER):
        self.command(b"LOGIN %s %s" % (user.encode(), PASSWORD.encode()))
        return self

    def append(self, mailbox, messages):
        tag = self.tag()
        parts = b"".join(b" {%d+}\r\n%s" % (len(m), m) for m in messages)
        self.socket.sendall(tag + b" APPEND " + mailbox + parts + b"\r\n")
        return self.until(tag)

    def close(self):
        self.socket.close()


def tree(pid):
    """pid and every process below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry))
            except OSError:
                pass
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        found.append(at)
        todo += children.get(at, [])
    return found


def memory_kib(pid, what):
    """The sum of `Rss:` or `Pss:` over a server's processes, KiB."""
    total = 0
    for each in tree(pid):
        try:
            with open(f"/proc/{each}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith(what))
        except OSError:
            pass
    return total


class Server:
    """`extra` is put at the end of the configuration."""

    extra = ""

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.name)
        os.makedirs(self.folder, exist_ok=True)
        self.port = free_port()
        self.process = None
        self.log = open(os.path.join(folder, self.name + ".out"), "ab")

    def start(self):
        begin = time.perf_counter()
        self.process = subprocess.Popen(self.command_line(), stdout=self.log, stderr=self.log)
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} did not start: see {self.log.name}")
            try:
                Client(self.port).close()
                return time.perf_counter() - begin
            except (OSError, EOFError):
                time.sleep(0.01)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    def disk(self):
        total = 0
        for base, _, names in os.walk(self.mail):
            for name in names:
                try:
                    total += os.lstat(os.path.join(base, name)).st_blocks * 512
                except OSError:
                    pass
        return total


class Trawl(Server):
    name = "trawl"
    binary = os.path.join(TOP, "target", "release", "trawl")

    def __init__(self, folder):
        super().__init__(folder)
        self.mail = os.path.join(self.folder, "store")
        self.config = os.path.join(self.folder, "trawl.toml")
        self.configure(self.extra)
        if not os.path.exists(self.mail):
            self.tool("init")

    def configure(self, extra):
        with open(self.config, "w") as f:
            f.write(TRAWL_TOML.format(store=self.mail, port=self.port) + extra)

    def tool(self, *words, **more):
        subprocess.run([self.binary, "--config", self.config, *words], check=True, stdout=self.log, **more)

    def user(self, name):
        self.tool("user", "add", name, "--password-stdin", input=(PASSWORD + "\n").encode())

    def command_line(self):
        return [self.binary, "--config", self.config, "serve"]


class Dovecot(Server):
    name = "dovecot"

    def __init__(self, folder):
        super().__init__(folder)
        self.mail = os.path.join(self.folder, "mail")
        self.passwd = os.path.join(self.folder, "passwd")
        self.config = os.path.join(self.folder, "dovecot.conf")
        os.makedirs(self.mail, exist_ok=True)
        os.makedirs(os.path.join(self.folder, "state"), exist_ok=True)
        open(self.passwd, "a").close()
        uid, group = ("nobody", "nogroup") if os.getuid() == 0 else (str(os.getuid()), str(os.getgid()))
        with open(self.config, "w") as f:
            f.write(DOVECOT_CONF.format(folder=self.folder, mail=self.mail, passwd=self.passwd, port=self.port,
                                        uid=uid, group=group) + self.extra)
        if os.getuid() == 0:
            shutil.chown(self.mail, uid, group)
            os.chmod(self.folder, 0o755)

    def user(self, name):
        with open(self.passwd, "a") as f:
            f.write(f"{name}:{{PLAIN}}{PASSWORD}\n")

    def command_line(self):
        return ["dovecot", "-F", "-c", self.config]


def in_threads(number, work):
    """Runs work(0..number) side by side; the first failure is the caller's."""
    failed = []

    def guarded(n):
        try:
            work(n)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(number)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


def load(server, mail, user=USER):
    """Fills INBOX by APPEND over 8 connections, 50 messages a command."""

    def work(n):
        client, part = Client(server.port).login(user), mail[n::8]
        for start in range(0, len(part), 50):
            client.append(b"INBOX", part[start:start + 50])
        client.close()

    in_threads(8, work)
