//! The trivial responder: every command is answered OK at once. It shows what the driver can do when the server costs
//! next to nothing, and, told to stall, that the driver does not omit what a stall does to users.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use crate::client::reader::Reader;
use crate::clock::{self, nanos};

/// The responder stands still for `time` at the end of each `every`.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    pub every: Duration,
    pub time: Duration,
}

pub struct Echo {
    listener: TcpListener,
    pub address: SocketAddr,
    stall: Option<Stall>,
}

const CAPABILITIES: &str = "IMAP4rev1 LITERAL+ MULTIAPPEND UIDPLUS IDLE";
const LISTENER: u64 = u64::MAX;

impl Echo {
    pub fn bind(to: &str, stall: Option<Stall>) -> io::Result<Echo> {
        let listener = TcpListener::bind(to)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Echo { listener, address, stall })
    }

    /// Serves on this thread until `stop`; any number of threads may do so.
    pub fn serve(&self, stop: &AtomicBool) -> io::Result<()> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &self.listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut connections: Vec<Option<Peer>> = Vec::new();
        let mut events: Vec<Event> = Vec::with_capacity(256);
        let begin = clock::now();
        while !stop.load(Relaxed) {
            events.clear();
            let timeout = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            match epoll::wait(&epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(stall) = self.stall {
                let at = (clock::now() - begin) % nanos(stall.every).max(1);
                let from = nanos(stall.every.saturating_sub(stall.time));
                if at >= from {
                    clock::pause(Duration::from_nanos(nanos(stall.every) - at));
                }
            }
            for event in &events {
                let token = event.data.u64();
                if token == LISTENER {
                    while let Ok((socket, _)) = self.listener.accept() {
                        socket.set_nonblocking(true)?;
                        socket.set_nodelay(true)?;
                        let n = connections.len() as u64;
                        epoll::add(&epoll, &socket, EventData::new_u64(n), EventFlags::IN)?;
                        let mut peer = Peer { socket, reader: Reader::default(), out: Vec::new() };
                        peer.out.extend_from_slice(b"* OK echo\r\n");
                        connections.push(peer.flush().is_ok().then_some(peer));
                    }
                } else if let Some(slot) = connections.get_mut(token as usize)
                    && let Some(peer) = slot
                    && peer.turn().is_err()
                {
                    let _ = epoll::delete(&epoll, &peer.socket);
                    *slot = None;
                }
            }
        }
        Ok(())
    }
}

struct Peer {
    socket: TcpStream,
    reader: Reader,
    out: Vec<u8>,
}

impl Peer {
    /// Reads what is there and answers it; an error ends the connection.
    fn turn(&mut self) -> io::Result<()> {
        match self.socket.read(self.reader.space()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.reader.filled(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let Some(line) = self.reader.line().map_err(|_| io::ErrorKind::InvalidData)? {
            answer(line, &mut self.out);
        }
        self.flush()
    }

    /// A client that does not read is waited for: it is a driver under test.
    fn flush(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.out.len() {
            match self.socket.write(&self.out[at..]) {
                Ok(count) => at += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    clock::pause(Duration::from_micros(50))
                }
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        Ok(())
    }
}

/// `line` is a command with its tag.
fn answer(line: &[u8], out: &mut Vec<u8>) {
    let Some(space) = line.iter().position(|&b| b == b' ') else { return };
    let (tag, command) = (&line[..space], &line[space + 1..]);
    let word = command.split(|&b| b == b' ').next().unwrap_or_default();
    match word {
        b"CAPABILITY" => out.extend_from_slice(format!("* CAPABILITY {CAPABILITIES}\r\n").as_bytes()),
        b"SELECT" | b"EXAMINE" => {
            out.extend_from_slice(b"* FLAGS ()\r\n* 0 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n")
        }
        _ => {}
    }
    out.extend_from_slice(tag);
    out.extend_from_slice(b" OK done\r\n");
}
