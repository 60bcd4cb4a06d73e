//! What these tests share: raw connections, and looks at the server's process from outside.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

/// A bound against hanging, not an expectation.
const ANSWER_SECONDS_MAX: u64 = 60;
/// The same for loops that look every [`PAUSE_MS`].
const LOOKS_MAX: usize = 3_000;
const PAUSE_MS: u64 = 20;
/// Looks without any use of the processor after which a process has come to rest.
const QUIET_LOOKS: usize = 15;

pub fn pause() {
    #[allow(clippy::disallowed_methods, reason = "no executor here: a test waits for a process")]
    std::thread::sleep(Duration::from_millis(PAUSE_MS));
}

/// Looks until `look` has something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        pause();
    }
    panic!("it did not come: {what}");
}

/// A connection that knows nothing of IMAP.
pub struct Raw {
    pub stream: TcpStream,
}

impl Raw {
    pub fn connect(port: u16) -> Raw {
        Raw::from_address(port, Ipv4Addr::LOCALHOST, None)
    }

    /// Comes from `address` of this machine, with a receive buffer of `buffer_bytes`.
    pub fn from_address(port: u16, address: Ipv4Addr, buffer_bytes: Option<usize>) -> Raw {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if let Some(bytes) = buffer_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
        socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX))).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream }
    }

    /// Greeted and logged in, with INBOX selected.
    pub fn selected(port: u16, user: &str) -> Raw {
        let mut raw = Raw::connect(port);
        raw.select(user);
        raw
    }

    pub fn select(&mut self, user: &str) {
        self.send(format!("l LOGIN {user} {PASSWORD}\r\ns SELECT INBOX\r\n").as_bytes());
        let seen = self.seen("s OK");
        assert!(seen.contains("l OK"), "{seen}");
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads, byte by byte so that nothing behind it is taken, to the end of the first line that begins with `start`.
    pub fn seen(&mut self, start: &str) -> String {
        let mut all = Vec::new();
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            let count = self.stream.read(&mut byte).unwrap();
            assert_eq!(count, 1, "closed before {start:?}: {}", String::from_utf8_lossy(&all));
            all.push(byte[0]);
            line.push(byte[0]);
            if byte[0] == b'\n' {
                if line.starts_with(start.as_bytes()) {
                    return String::from_utf8_lossy(&all).into_owned();
                }
                line.clear();
            }
        }
    }

    /// Everything until the server closes, in whatever way.
    pub fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&all)),
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Vanishes with a reset, as a machine does that has lost its state.
    pub fn reset(self) {
        let socket = Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn process(server: &Server) -> PathBuf {
    PathBuf::from(format!("/proc/{}", server.pid()))
}

/// Resident memory of the server, bytes.
pub fn resident(server: &Server) -> u64 {
    let text = std::fs::read_to_string(process(server).join("smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Processor time that the threads called `name` have used, in ticks; an empty name means all threads.
pub fn ticks(server: &Server, name: &str) -> u64 {
    let mut total = 0;
    for task in std::fs::read_dir(process(server).join("task")).unwrap() {
        let text = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
        let Some((before, after)) = text.rsplit_once(')') else { continue };
        if before.split_once('(').is_some_and(|(_, comm)| comm.starts_with(name)) {
            // utime and stime are the fields 14 and 15; the first one here is field 3.
            total +=
                after.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum::<u64>();
        }
    }
    total
}

/// Waits until the threads called `name` do nothing more; their ticks then.
pub fn quiet(server: &Server, name: &str) -> u64 {
    let (mut last, mut looks) = (ticks(server, name), 0);
    until("rest", || {
        let now = ticks(server, name);
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        (looks >= QUIET_LOOKS).then_some(now)
    })
}

/// Open connections as `trawl status` tells them.
pub fn connections(server: &Server) -> u64 {
    let status = server.tool(&["status", "--json"]);
    let (_, rest) = status.split_once("\"connections\":").unwrap_or_else(|| panic!("{status}"));
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Waits until as many connections are open as there should be.
pub fn connections_become(server: &Server, wanted: u64) {
    let mut last = None;
    until(&format!("{wanted} connections"), || {
        let now = connections(server);
        if last != Some(now) {
            println!("{now} connections");
        }
        last = Some(now);
        (now == wanted).then_some(())
    });
}

/// A message of about `bytes` that does not compress to nothing.
pub fn message(bytes: usize) -> Vec<u8> {
    let mut text = b"Subject: large\r\nMessage-ID: <large@example.org>\r\n\r\n".to_vec();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while text.len() < bytes {
        for _ in 0..70 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(b'a' + ((state >> 33) % 26) as u8);
        }
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// Fills INBOX of `user` with 2^`doublings` times `text`.
pub fn fill(server: &Server, user: &str, text: &[u8], doublings: u32) -> Client {
    server.user(user);
    let mut client = Client::login(server.imap, user, PASSWORD);
    assert!(client.try_append("INBOX", text).unwrap().is_ok());
    client.ok("SELECT INBOX");
    for _ in 0..doublings {
        client.ok("COPY 1:* INBOX");
        client.ok("NOOP");
    }
    client
}
